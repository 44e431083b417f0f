"""Names of topics as the user has remapped them."""

from rclpy.expand_topic_name import expand_topic_name
from rclpy.node import Node


def is_remapped(node: Node, name: str) -> bool:
    """
    Tell whether the user has given a topic another name.

    :param node: the node that uses the topic.
    :param name: as the node writes it, such as ``~/overlay``.
    """
    own: str = expand_topic_name(name, node.get_name(), node.get_namespace())
    return node.resolve_topic_name(name) != own
