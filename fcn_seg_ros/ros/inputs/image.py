"""A camera's subscriptions and its newest frame."""

from collections.abc import Callable
import threading
import time

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from .subscriptions import FollowingSubscriptions
from ..names import is_remapped
from ..statistics import Statistics
from ..topic_specs import CAMERA_INFO, COMPRESSED, IMAGE

_SLACK = 0.1
"""Share of a frame's period that a camera's jitter may take from ``max_rate``."""


class CameraInput:
    """
    The input side of one camera: latest frame wins.

    Counts ``received``, ``drop:overload`` and ``drop:max_rate``.

    :param node: the node to subscribe with.
    :param camera: name of the camera, '' for the only one.
    :param transport: 'raw' or 'compressed'.
    :param statistics: the camera's.
    :param on_frame: called, without arguments, after a frame arrived.
    :param on_change: called, without arguments, when a camera came that offers less than
        what the subscription asks for.

    :ivar topic: where the images come from.
    :ivar info_topic: where their calibration comes from.
    :ivar info: the newest calibration, or None.
    :ivar subscribed_at: since when frames are listened for (time.monotonic()), or None.
    """

    def __init__(self, node: Node, camera: str, transport: str, statistics: Statistics,
                 on_frame: Callable[[], None], on_change: Callable[[], None]) -> None:
        self._node = node
        self._statistics = statistics
        self._on_frame = on_frame
        prefix = f'{camera}/' if camera else ''
        base = node.resolve_topic_name(f'{prefix}{IMAGE}')
        compressed = transport == 'compressed'
        self._type = CompressedImage if compressed else Image
        self.topic = base + COMPRESSED if compressed else base
        # rclpy remaps whatever it is given: a resolved name could be remapped once more.
        self._image_name = self.topic if compressed else f'{prefix}{IMAGE}'
        self._info_name, self.info_topic = self._find_info(f'{prefix}{CAMERA_INFO}', base)
        self._lock = threading.Lock()
        self._frame: tuple[Image | CompressedImage, float] | None = None
        self._slot = float('-inf')  # when the last frame that max_rate let through was due
        self._subscriptions = FollowingSubscriptions(node, on_change)
        self.info: CameraInfo | None = None
        self.subscribed_at: float | None = None

    def _find_info(self, name: str, image_topic: str) -> tuple[str, str]:
        """Return camera_info's name: beside the image's topic, unless remapped itself."""
        if is_remapped(self._node, name):
            return name, self._node.resolve_topic_name(name)
        beside = f"{image_topic.rpartition('/')[0]}/{CAMERA_INFO}"
        return beside, beside

    def follow(self, wanted: bool) -> None:
        """
        Subscribe as the camera offers while frames are wanted, else not at all.

        Cheap when nothing changed: call it often.

        :param wanted: whether they are.
        """
        if not wanted:
            self.close()
            return
        if self.subscribed_at is None:
            self.subscribed_at = time.monotonic()
        self._subscriptions.follow(self._image_name, self._type, self._on_image)
        self._subscriptions.follow(self._info_name, CameraInfo, self._on_info)

    def close(self) -> None:
        """Drop the subscriptions, the waiting frame and the calibration."""
        self._subscriptions.close()
        self.subscribed_at = None
        self.info = None
        with self._lock:
            self._frame = None

    @property
    def subscribed(self) -> bool:
        """Tell whether frames are being listened for."""
        return self._image_name in self._subscriptions

    @property
    def reliable(self) -> bool:
        """Tell whether the image subscription asks for reliable delivery."""
        return self._subscriptions.reliable(self._image_name)

    def _on_info(self, msg: CameraInfo) -> None:
        self.info = msg

    def _on_image(self, msg: Image | CompressedImage) -> None:
        now = time.monotonic()
        self._statistics.count('received')
        with self._lock:
            replaced = self._frame is not None
            self._frame = (msg, now)
        if replaced:
            self._statistics.count('drop:overload')
        self._on_frame()

    def take(self, max_rate: float = 0.0) -> tuple[Image | CompressedImage, float] | None:
        """
        Return (message, arrival time) of the waiting frame and forget it, or None.

        :param max_rate: frames a second that are let through on average, the others are
            dropped and counted; 0 = all are.
        """
        with self._lock:
            frame, self._frame = self._frame, None
        if frame is None:
            return None
        if max_rate:
            arrival, period = frame[1], 1 / max_rate
            if arrival < self._slot + period - _SLACK * period:
                self._statistics.count('drop:max_rate')
                return None
            # Due times follow each other, not the arrivals: 20 of a camera's 30 frames a
            # second are two of three, not every other one.
            due = self._slot + period
            self._slot = due if due > arrival - period else arrival
        return frame
