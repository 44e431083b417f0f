"""The parts of the benchmark that talk over DDS; beside ros/ the only ones that import ROS."""
