#!/bin/bash
# Run a command with ROS 2 and fcn_seg_ros sourced.
set -e
# shellcheck source=/dev/null
. "/opt/ros/$ROS_DISTRO/setup.bash"
# shellcheck source=/dev/null
. /opt/fcn_seg_ros/local_setup.bash
exec "$@"
