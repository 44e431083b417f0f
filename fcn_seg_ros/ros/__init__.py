"""The ROS 2 layer: parameters, topics and life cycle around the core."""
