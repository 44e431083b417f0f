"""A node of the doctor's own on the graph, and waiting with it."""

from collections.abc import Callable
import time

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo

NAME = 'fcn_seg_doctor'
_UNKNOWN = '_NODE_NAME_UNKNOWN_'
"""What rmw calls a node of which the endpoints are found before the name."""
_FRACTIONS = 'fcn_seg_ros/msg/ClassFractions'
"""What nothing but a segmentation node publishes."""


def full_name(info: TopicEndpointInfo) -> str:
    """
    Return the full name of a publisher's or a subscription's node.

    :param info: of the graph.
    """
    if info.node_name == _UNKNOWN:
        return 'a node without a name'
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"


def are_named(node: Node, topic: str) -> bool:
    """
    Tell whether the nodes of all publishers and subscriptions of a topic are known by name.

    :param node: whose view of the graph counts.
    :param topic: its full name.
    """
    return all(info.node_name != _UNKNOWN for info in (
        *node.get_publishers_info_by_topic(topic), *node.get_subscriptions_info_by_topic(topic)))


class Watch:
    """
    A look at the graph through a node of one's own.

    :param patience: seconds that something is waited for which may not be there.
    :param remappings: {name: topic} of that node.
    :param namespace: of that node.
    :ivar node: the node.
    :ivar patience: the same.
    """

    def __init__(self, patience: float, remappings: dict[str, str] | None = None,
                 namespace: str = '') -> None:
        self.patience = patience
        rules = [part for name, topic in (remappings or {}).items()
                 for part in ('-r', f'{name}:={topic}')]
        self.node: Node = rclpy.create_node(
            NAME, namespace=namespace, cli_args=['--ros-args', *rules] if rules else None)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)

    def wait_until(self, condition: Callable[[], object]) -> bool:
        """
        Run callbacks until a condition is true or the patience is at its end.

        :param condition: what is waited for.
        :returns: whether it came true.
        """
        end = time.monotonic() + self.patience
        while not condition():
            if time.monotonic() > end:
                return False
            self._executor.spin_once(timeout_sec=0.05)
        return True

    def others(self) -> list[str]:
        """Return the full names of the graph's nodes but the doctor's own and hidden ones."""
        return sorted({f"{namespace.rstrip('/')}/{name}" for name, namespace
                       in self.node.get_node_names_and_namespaces()
                       if name != NAME and not name.startswith('_')})

    def topics_of_type(self, message_type: str) -> list[str]:
        """
        Return the topics of a type that somebody publishes.

        :param message_type: such as ``sensor_msgs/msg/Image``.
        """
        return [topic for topic, types in self.node.get_topic_names_and_types()
                if message_type in types and self.node.count_publishers(topic)]

    def images(self, message_type: str) -> list[str]:
        """
        Return the topics of a type of image but those that segmentation nodes make.

        :param message_type: such as ``sensor_msgs/msg/Image``.
        """
        makers = {full_name(info) for topic in self.topics_of_type(_FRACTIONS)
                  for info in self.node.get_publishers_info_by_topic(topic)}
        return [topic for topic in self.topics_of_type(message_type)
                if not makers.issuperset(map(full_name,
                                             self.node.get_publishers_info_by_topic(topic)))]

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self.node.destroy_node()
