"""What the node subscribes to: images, camera_info, depth, TF."""
