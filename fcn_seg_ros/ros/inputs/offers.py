"""What is offered on the topics of cameras and TF, and what to do where nobody can take it."""

import time

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy

from ..topic_specs import CAMERA_INFO, COMPRESSED, DEPTH, IMAGE, TF_STATIC

_IMAGE_TYPE, _COMPRESSED_TYPE = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
_INFO_TYPE = 'sensor_msgs/msg/CameraInfo'
_TRANSPORTS = ('/theora', '/zstd', '/ffmpeg')
_DEPTH_TRANSPORTS = ('/compressedDepth', '/compressed', '/zstd')
"""What image_transport appends to the names of topics that the node cannot take."""
_REPUBLISH = "have image_transport's republish make that of it"
_VOLATILE_TF = (
    f'a publisher of {TF_STATIC} offers volatile, and no listener of TF takes that: let it offer '
    'transient local (ros2 bag play --qos-profile-overrides-path); '
    f'ros2 topic info -v {TF_STATIC} names it')
_PATIENCE = 0.4
"""Seconds that something must be so: the topics of one camera driver are found one by one."""


class _Problems:
    """
    What is wrong for a while already; what was not so the last time is logged.

    :param node: the node that logs it.

    :ivar problems: {what it is about: one line}, as of the last look.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._since: dict[str, float] = {}
        self.problems: dict[str, str] = {}

    def _note(self, found: dict[str, str]) -> None:
        now = time.monotonic()
        self._since = {text: self._since.get(text, now) for text in found.values() if text}
        problems = {name: text for name, text in found.items()
                    if text and now - self._since[text] >= _PATIENCE}
        for name, text in problems.items():
            if self.problems.get(name) != text:
                self._node.get_logger().warning(text)
        self.problems = problems


class TransformOffers(_Problems):
    """
    Finds fixed transforms that no listener takes, as ``ros2 bag play`` publishes some.

    :param node: the node, whose graph is looked at.

    :ivar problems: {'/tf_static': one line}, of the last look.
    """

    def look(self, wanted: bool) -> None:
        """
        Look at the graph; cheap: call it often.

        :param wanted: whether the node listens to TF; else nothing is a problem.
        """
        volatile = wanted and any(
            info.qos_profile.durability == DurabilityPolicy.VOLATILE
            for info in self._node.get_publishers_info_by_topic(TF_STATIC))
        self._note({TF_STATIC: _VOLATILE_TF if volatile else ''})


class Offers(_Problems):
    """
    Finds topics of a type that the node does not listen for, and says how to take them.

    :param node: the node, whose graph is looked at.
    :param image: the topic of the images that are listened for.
    :param compressed: these are compressed.
    :param info: the topic of their calibration.
    :param depth: the topic of depth images.

    :ivar problems: {input: one line}, of the last look; the inputs are 'image', 'camera_info'
        and 'depth'.
    """

    def __init__(self, node: Node, *, image: str, compressed: bool, info: str,
                 depth: str) -> None:
        super().__init__(node)
        self._image, self._compressed, self._info, self._depth = image, compressed, info, depth

    def look(self) -> None:
        """Look at the graph, and log what was not so the last time; cheap: call it often."""
        self._note({IMAGE: self._of_images(), CAMERA_INFO: self._of_info(),
                    DEPTH: self._of_depth()})

    def _types(self, topic: str) -> set[str]:
        return {info.topic_type for info in self._node.get_publishers_info_by_topic(topic)}

    def _of_images(self) -> str:
        topic, types = self._image, self._types(self._image)
        wanted = _COMPRESSED_TYPE if self._compressed else _IMAGE_TYPE
        if wanted in types:
            return ''
        if self._compressed:
            base = topic.removesuffix(COMPRESSED)
            there = self._types(base)
            if _COMPRESSED_TYPE in there and base.endswith(COMPRESSED):
                return (f'nobody publishes {topic}, but {base} is there: remap '
                        f'image:={base.removesuffix(COMPRESSED)}, since '
                        "image_transport:=compressed appends '/compressed'")
            if _IMAGE_TYPE in there and not types:
                return (f'nobody publishes {topic}, but {base} carries {_IMAGE_TYPE}: '
                        'image_transport:=raw takes it')
            return _other(topic, types, wanted)
        beside = topic + COMPRESSED
        if _COMPRESSED_TYPE in types and topic.endswith(COMPRESSED):
            return (f'{topic} carries {_COMPRESSED_TYPE}: image_transport:=compressed with '
                    f'image:={topic.removesuffix(COMPRESSED)} takes it')
        if not types and _COMPRESSED_TYPE in self._types(beside):
            return (f'nobody publishes {_IMAGE_TYPE} on {topic}, but {_COMPRESSED_TYPE} on '
                    f'{beside}: image_transport:=compressed takes it')
        return self._encoded(topic, _TRANSPORTS) or _other(topic, types, wanted)

    def _encoded(self, topic: str, transports: tuple[str, ...]) -> str:
        """Return a line about a topic of which only some of image_transport's forms are there."""
        types = self._types(topic)
        if types:
            return (f"{topic} carries {', '.join(sorted(types))}, not {_IMAGE_TYPE}: {_REPUBLISH}"
                    if topic.endswith(transports) else '')
        there = next((topic + one for one in transports if self._types(topic + one)), '')
        return there and (f'nobody publishes {_IMAGE_TYPE} on {topic}, but {there} is there: '
                          f'{_REPUBLISH}')

    def _of_info(self) -> str:
        return _other(self._info, self._types(self._info), _INFO_TYPE)

    def _of_depth(self) -> str:
        topic, types = self._depth, self._types(self._depth)
        if not types:
            return self._encoded(topic, _DEPTH_TRANSPORTS)
        if _COMPRESSED_TYPE not in types or _IMAGE_TYPE in types:
            return _other(topic, types, _IMAGE_TYPE)
        raw = topic.removesuffix('/compressedDepth')
        way = (f'remap depth:={raw}, where it is not compressed, or have' if raw != topic
               else 'have')
        return (f'{topic} carries {_COMPRESSED_TYPE}, and depth must be {_IMAGE_TYPE}: {way} '
                f"{_REPUBLISH.removeprefix('have ')}")


def _other(topic: str, types: set[str], wanted: str) -> str:
    if not types or wanted in types:
        return ''
    return (f"{topic} carries {', '.join(sorted(types))}, not {wanted}: remap the input to "
            'a topic of that type')
