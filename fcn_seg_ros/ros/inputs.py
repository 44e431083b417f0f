"""A camera's subscriptions and its newest frame."""

import threading
import time

from rclpy.expand_topic_name import expand_topic_name
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from .qos import newest, offered_reliability, RELIABLE


class CameraInput:
    """
    The input side of one camera: latest frame wins.

    :param node: the node to subscribe with.
    :param camera: name of the camera, '' for the only one.
    :param transport: 'raw' or 'compressed'.
    :param on_frame: called, without arguments, after a frame arrived.
    """

    def __init__(self, node, camera, transport, on_frame):
        self._node = node
        self._on_frame = on_frame
        prefix = f'{camera}/' if camera else ''
        base = node.resolve_topic_name(f'{prefix}image')
        self._type = CompressedImage if transport == 'compressed' else Image
        self.topic = base + ('/compressed' if transport == 'compressed' else '')
        self.info_topic = self._info_topic(f'{prefix}camera_info', base)
        self._lock = threading.Lock()
        self._frame = None
        self._last_taken = float('-inf')
        self._subscriptions = {}  # topic -> (subscription, its reliability)
        self.info = None
        self.received = 0
        self.replaced = 0
        self.skipped = 0
        self.last_arrival = None

    def _info_topic(self, name, image_topic):
        """Return camera_info beside the resolved image topic, unless it is remapped itself."""
        node = self._node
        resolved = node.resolve_topic_name(name)
        if resolved != expand_topic_name(name, node.get_name(), node.get_namespace()):
            return resolved
        return image_topic.rpartition('/')[0] + '/camera_info'

    def follow(self, wanted):
        """
        Subscribe as the camera offers while frames are ``wanted``, else not at all.

        Cheap when nothing changed: call it often.
        """
        if not wanted:
            self.close()
            return
        self._follow_topic(self.topic, self._type, self._on_image)
        self._follow_topic(self.info_topic, CameraInfo, self._on_info)

    def _follow_topic(self, topic, message_type, callback):
        reliability = offered_reliability(self._node, topic)
        current = self._subscriptions.get(topic)
        if current and current[1] == reliability:
            return
        if current:
            self._node.destroy_subscription(current[0])
        subscription = self._node.create_subscription(
            message_type, topic, callback, newest(reliability))
        self._subscriptions[topic] = (subscription, reliability)

    def close(self):
        """Drop the subscriptions and the waiting frame."""
        for subscription, _ in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        with self._lock:
            self._frame = None

    @property
    def subscribed(self):
        """Tell whether frames are being listened for."""
        return self.topic in self._subscriptions

    @property
    def reliable(self):
        """Tell whether the image subscription asks for reliable delivery."""
        return self.subscribed and self._subscriptions[self.topic][1] == RELIABLE

    def _on_info(self, msg):
        self.info = msg

    def _on_image(self, msg):
        now = time.monotonic()
        with self._lock:
            self.received += 1
            self.last_arrival = now
            if self._frame is not None:
                self.replaced += 1
            self._frame = (msg, now)
        self._on_frame()

    def take(self, max_rate=0.0):
        """
        Return (message, arrival time) of the waiting frame and forget it, or None.

        :param max_rate: frames that come sooner after the last one taken than this rate
            allows are skipped and counted; 0 = none are.
        """
        with self._lock:
            frame, self._frame = self._frame, None
            if frame is None:
                return None
            # A tenth of slack: a 30 Hz camera's jitter must not make 15 Hz of max_rate 30.
            if max_rate and frame[1] - self._last_taken < 0.9 / max_rate:
                self.skipped += 1
                return None
            self._last_taken = frame[1]
            return frame
