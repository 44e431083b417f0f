"""
What holds for every test: helpers beside this file are importable, other tools change nothing.

On a machine with ROS 2 pytest loads launch_testing's plugin, and that imports launch, whose
loggers keep records to themselves: pytest's caplog would see none of ours.
"""

import logging
import os

logging.setLoggerClass(logging.Logger)
# As fcn-seg does: OpenCV reads it once, when it is imported.
os.environ.setdefault('OPENCV_LOG_LEVEL', 'SILENT')
