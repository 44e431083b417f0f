"""
The node's topics and services, as data: the one place that names them.

The node takes their names from here, and ``tools/generate.py`` writes ``config/sros2/policy.xml``
from it.  Neither ROS nor PyTorch is needed to read it.
"""

from ..images.pictures import PICTURES

IMAGE, CAMERA_INFO, DEPTH = 'image', 'camera_info', 'depth'
"""What a camera sends, relative names; CAMERA_INFO is published for the masks as well."""

COMPRESSED = '/compressed'
"""What image_transport appends to the name of an image."""

FRACTIONS = 'class_fractions'
CLOUDS = POINTS, OBSTACLES, GROUND = 'points', 'obstacles', 'ground'
"""The clouds of each frame."""

LABEL_INFO, LEGEND, COSTMAP = 'label_info', 'legend', 'costmap'
"""What all cameras share."""

DIAGNOSTICS, TF_STATIC = '/diagnostics', '/tf_static'

OF_CAMERAS = (*(name + suffix for name in PICTURES for suffix in ('', COMPRESSED)),
              FRACTIONS, CAMERA_INFO, *CLOUDS)
"""What is published below ``~/`` for each camera, or below ``~/CAMERA/``."""

OF_THE_NODE = (LABEL_INFO, LEGEND, COSTMAP)
"""What is published below ``~/`` once."""

INPUTS = (IMAGE, IMAGE + COMPRESSED, CAMERA_INFO, DEPTH)
"""What is subscribed to for each camera."""

PUBLISHED_BY_RCLPY = ('~/transition_event', '/parameter_events', '/rosout')
"""What every lifecycle node publishes."""

SUBSCRIBED_FOR_TF = ('/tf', TF_STATIC)
SUBSCRIBED_BY_RCLPY = ('/clock',)
"""What a node with ``use_sim_time`` subscribes to."""

SERVICES = (
    '~/change_state', '~/get_state', '~/get_available_states', '~/get_available_transitions',
    '~/get_transition_graph', '~/describe_parameters', '~/get_parameter_types',
    '~/get_parameters', '~/list_parameters', '~/set_parameters', '~/set_parameters_atomically',
    '~/get_type_description')
"""What every lifecycle node offers, all of rclpy's; older distributions have fewer."""
