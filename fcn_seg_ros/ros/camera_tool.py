"""A camera for everyone: pictures from files or a V4L2 device as a camera driver's topics."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
import os
import threading
import time

from builtin_interfaces.msg import Time
import rclpy
from rclpy.duration import Duration
from rclpy.exceptions import NameValidationException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import uninstall_signal_handlers
from rclpy.validate_namespace import validate_namespace
from rclpy.validate_topic_name import validate_topic_name
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from .dds import profile_environment
from .messages import compressed_message, image_message
from ..errors import FcnSegError
from ..geometry.calibration import Calibration
from ..images.compressed import encode_jpeg
from ..images.raw import from_rgb
from ..support.arrays import UInt8Array

QOS = {'reliable': ReliabilityPolicy.RELIABLE, 'best_effort': ReliabilityPolicy.BEST_EFFORT}

_DEPTH = 5
_END_TIMEOUT = Duration(seconds=2)


@dataclass(frozen=True)
class SourceOptions:
    """
    What an :class:`ImageSource` publishes and how.

    :param topic: of the images; camera_info lies beside it, the compressed images at
        ``<topic>/compressed``.
    :param namespace: of the node.
    :param rate: pictures a second.
    :param encoding: one of ``image.ENCODABLE``.
    :param transport: 'raw', 'compressed' (JPEG) or 'both'.
    :param frame_id: of the headers.
    :param qos: a key of :data:`QOS`.
    :param stamp: 'now', or 'media' for the time since the start of the first picture at
        ``rate``, which is the same in every run.
    """

    topic: str = 'image'
    namespace: str = ''
    rate: float = 10.0
    encoding: str = 'rgb8'
    transport: str = 'raw'
    frame_id: str = 'camera_optical_frame'
    qos: str = 'reliable'
    stamp: str = 'now'


class ImageSource:
    """
    Publishes pictures as sensor_msgs/Image, CompressedImage and CameraInfo.

    :param node: rclpy node.
    :param options: what to publish and how.
    :param calibrate: function (width, height) -> Calibration of such pictures.
    """

    def __init__(self, node: Node, options: SourceOptions,
                 calibrate: Callable[[int, int], Calibration]) -> None:
        self._node, self._options, self._calibrate = node, options, calibrate
        self._info: CameraInfo | None = None
        qos = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=_DEPTH,
                         reliability=QOS[options.qos])
        topic = options.topic
        parent, _, _ = topic.rpartition('/')
        self._publishers: dict[str, Publisher] = {}
        if options.transport in ('raw', 'both'):
            self._publishers['raw'] = node.create_publisher(Image, topic, qos)
        if options.transport in ('compressed', 'both'):
            self._publishers['compressed'] = node.create_publisher(
                CompressedImage, f'{topic}/compressed', qos)
        info_topic = f'{parent}/camera_info' if parent or topic.startswith('/') \
            else 'camera_info'
        self._info_publisher = node.create_publisher(CameraInfo, info_topic, qos)

    @property
    def topics(self) -> list[str]:
        """Return the full names of the topics with pictures."""
        return [publisher.topic_name for publisher in self._publishers.values()]

    def has_subscriber(self) -> bool:
        """Return whether somebody subscribes to the pictures."""
        return any(p.get_subscription_count() for p in self._publishers.values())

    def publish(self, picture: UInt8Array, number: int) -> None:
        """
        Publish one picture and its camera_info with the same header.

        :param picture: uint8 array H x W x 3, RGB.
        :param number: of the picture, from 0.
        """
        header = Header(frame_id=self._options.frame_id, stamp=self._stamp(number))
        for kind, publisher in self._publishers.items():
            if not publisher.get_subscription_count():
                continue
            if kind == 'raw':
                samples = from_rgb(picture, self._options.encoding)
                publisher.publish(image_message(samples, self._options.encoding, header))
            else:
                publisher.publish(compressed_message(
                    encode_jpeg(picture), 'rgb8; jpeg compressed bgr8', header))
        self._info_publisher.publish(self._camera_info(picture, header))

    def wait_until_delivered(self) -> None:
        """Give reliable subscribers the time to fetch what was published last."""
        for publisher in (*self._publishers.values(), self._info_publisher):
            publisher.wait_for_all_acked(_END_TIMEOUT)

    def _stamp(self, number: int) -> Time:
        if self._options.stamp == 'now':
            return self._node.get_clock().now().to_msg()
        seconds, fraction = divmod(number / self._options.rate, 1)
        stamp = Header().stamp
        stamp.sec, stamp.nanosec = int(seconds), int(fraction * 1e9)
        return stamp

    def _camera_info(self, picture: UInt8Array, header: Header) -> CameraInfo:
        height, width = picture.shape[:2]
        if self._info is None or (self._info.height, self._info.width) != (height, width):
            c = self._calibrate(width, height)
            self._info = CameraInfo(width=c.width, height=c.height, k=c.k, p=c.p, r=c.r,
                                    d=c.d, distortion_model=c.distortion_model)
        self._info.header = header
        return self._info


def run(pictures: Iterable[UInt8Array], options: SourceOptions,
        calibrate: Callable[[int, int], Calibration], *, live: bool = False, wait: bool = False,
        ros_args: Sequence[str] = ()) -> None:
    """
    Publish pictures at a rate until they end or the process is told to stop.

    :param pictures: iterator of uint8 arrays H x W x 3, RGB.
    :param options: what to publish and how.
    :param calibrate: see :class:`ImageSource`.
    :param live: the pictures come in their own time: those too early for the rate are
        left out, instead of being waited with.
    :param wait: publish nothing before somebody subscribes, and no second picture before
        the first has arrived (where reliability lets one know).
    :param ros_args: ROS arguments, such as remappings.
    :raises FcnSegError: for invalid names or ROS arguments, and what ``pictures`` raises.
    """
    _check_names(options)
    os.environ.update(profile_environment())  # for large images; Fast DDS reads it at init
    try:
        rclpy.init(args=['--ros-args', *ros_args] if ros_args else [])
    except RuntimeError as error:
        reason = ' '.join(str(error).split())
        raise FcnSegError(f'ROS does not take the arguments {ros_args}: {reason}') from None
    stopped = threading.Event()
    rclpy.get_default_context().on_shutdown(stopped.set)
    node: Node | None = None
    spinning: threading.Thread | None = None
    try:
        node = rclpy.create_node('image_source', namespace=options.namespace)
        # Parameters and the clock are served while this thread reads and publishes.
        spinning = threading.Thread(target=_spin, args=(node,), daemon=True)
        spinning.start()
        source = ImageSource(node, options, calibrate)
        node.get_logger().info(f'publishing {" and ".join(source.topics)} at '
                               f'{options.rate:g} Hz')
        while wait and not source.has_subscriber() and not stopped.wait(0.05):
            pass
        _publish_all(source, pictures, options.rate, live, wait, stopped)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RuntimeError:
        # A signal shuts the context down under a call of ROS: no error of ours.
        if rclpy.ok():
            raise
    finally:
        _close(node, spinning)


def _check_names(options: SourceOptions) -> None:
    try:
        validate_topic_name(options.topic)
        if options.namespace:
            validate_namespace('/' + options.namespace.strip('/'))
    except NameValidationException as error:
        # Three lines: what is wrong, the name, and a mark where.
        problem, name = str(error).splitlines()[:2]
        raise FcnSegError(f'{problem} {name.strip()}') from None


def _publish_all(source: ImageSource, pictures: Iterable[UInt8Array], rate: float, live: bool,
                 wait: bool, stopped: threading.Event) -> None:
    due = time.monotonic()
    number = 0
    for picture in pictures:
        now = time.monotonic()
        if live and now < due - 0.5 / rate:
            continue
        if stopped.wait(0 if live else max(0.0, due - now)):
            return
        source.publish(picture, number)
        if wait and number == 0:
            # The subscriber that this side has found may not have found this side yet.
            source.wait_until_delivered()
        number += 1
        # Late: go on from now, instead of catching up in a burst.
        due = max(due + 1 / rate, now)
    source.wait_until_delivered()


def _spin(node: Node) -> None:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        # Not spin(): a signal that comes as it begins to wait does not always wake it.
        while rclpy.ok():
            executor.spin_once(timeout_sec=0.2)
    except (ExternalShutdownException, RuntimeError):
        pass


def _close(node: Node | None, spinning: threading.Thread | None) -> None:
    try:
        # This waits for rclpy's thread for signals.  The process ends with SIGSEGV when that
        # triggers guard conditions of an executor that is destroyed meanwhile, and with an abort
        # when it is still there at the end (Jazzy's try_shutdown() leaves it).
        uninstall_signal_handlers()
        rclpy.try_shutdown()
        if spinning is not None:
            spinning.join()
        if node is not None:
            node.destroy_node()
    except (RuntimeError, KeyboardInterrupt):
        pass
