"""Pictures: message buffers and files to RGB arrays, and drawings of classes."""
