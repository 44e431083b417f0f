"""Segmentation of what lies on a disk: pictures, videos and bags, without ROS."""
