"""From RGB arrays to class ids: pre-processing, the network's engines, post-processing."""
