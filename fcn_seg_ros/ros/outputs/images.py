"""A camera's pictures, shares and calibration as messages."""

from collections.abc import Callable, Collection

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from .fractions import fractions_message
from .group import Publishers
from ..frame import Frame
from ..messages import compressed_message, image_message, scaled_camera_info
from ..names import is_remapped
from ..statistics import Statistics
from ..topic_specs import CAMERA_INFO, COMPRESSED, FRACTIONS
from ...images.compressed import encode_jpeg, encode_png
from ...images.pictures import PICTURES
from ...msg import ClassFractions
from ...support.arrays import UInt8Array


class PictureOutputs(Publishers):
    """
    The images, each also compressed.

    A class mask that has to wait for the names of its classes is left out, and counted as
    ``held:class_mask``.

    :param node: the node to publish with.
    :param prefix: of the topics, such as '~/' or '~/front/'.
    :param on_change: called, without arguments, when a subscriber came or went.
    :param hold_masks: tells whether class masks have to wait, given whether somebody has come to
        subscribe to them since the last.
    :param statistics: the camera's.
    """

    def __init__(self, node: Node, prefix: str, on_change: Callable[[], None],
                 hold_masks: Callable[[bool], bool], statistics: Statistics) -> None:
        self._hold_masks, self._statistics = hold_masks, statistics
        self._readers = 0  # of class masks, as of the last one
        types = dict.fromkeys(PICTURES, Image)
        types |= {name + COMPRESSED: CompressedImage for name in PICTURES}
        super().__init__(node, types, prefix, on_change)

    def _topic(self, node: Node, prefix: str, name: str) -> str:
        """Return where to publish: a compressed image follows its image's remapping."""
        image, _, transport = name.partition('/')
        own = prefix + name
        if not transport or is_remapped(node, own) or not is_remapped(node, prefix + image):
            return own
        return f'{node.resolve_topic_name(prefix + image)}/{transport}'

    def needs_confidence(self, wanted: Collection[str]) -> bool:
        """
        Tell whether the confidence is among the wanted images.

        :param wanted: names of the outputs that are to be made.
        """
        return 'confidence' in wanted or f'confidence{COMPRESSED}' in wanted

    def publish(self, frame: Frame, wanted: Collection[str]) -> None:
        """
        Publish the wanted images.

        :param frame: the frame.
        :param wanted: names of the outputs that somebody wants.
        """
        for name in sorted({name.partition('/')[0] for name in wanted}):
            pixels = frame.result.picture(name, alpha=frame.settings.overlay_alpha)
            encoding = PICTURES[name].encoding
            if name == 'class_mask' and name in wanted and self._must_wait():
                self._statistics.count('held:class_mask')
            elif name in wanted:
                self._publishers[name].publish(image_message(pixels, encoding, frame.header))
            if name + COMPRESSED in wanted:
                self._publishers[name + COMPRESSED].publish(
                    self._compressed(name, pixels, encoding, frame.header))

    def _must_wait(self) -> bool:
        """Tell whether a class mask has to wait for the names of its classes."""
        readers, before = self._publishers['class_mask'].get_subscription_count(), self._readers
        self._readers = readers
        return self._hold_masks(readers > before)

    def _compressed(self, name: str, pixels: UInt8Array, encoding: str, header: Header
                    ) -> CompressedImage:
        if PICTURES[name].lossless:
            order = 'mono8' if encoding == 'mono8' else 'bgr8'
            return compressed_message(
                encode_png(pixels), f'{encoding}; png compressed {order}', header)
        # 'bgr8' is what image_transport calls a JPEG with its colours as they should be.
        return compressed_message(
            encode_jpeg(pixels), f'{encoding}; jpeg compressed bgr8', header)


class FractionOutputs(Publishers):
    """The shares of the classes."""

    def __init__(self, node: Node, prefix: str, on_change: Callable[[], None]) -> None:
        super().__init__(node, {FRACTIONS: ClassFractions}, prefix, on_change)

    def publish(self, frame: Frame, wanted: Collection[str]) -> None:
        """
        Publish the shares.

        :param frame: the frame.
        :param wanted: names of the outputs that somebody wants.
        """
        self._publishers[FRACTIONS].publish(fractions_message(
            frame.result, frame.header, frame.network, frame.settings.regions))


class InfoOutputs(Publishers):
    """The calibration of the masks."""

    def __init__(self, node: Node, prefix: str, on_change: Callable[[], None]) -> None:
        super().__init__(node, {CAMERA_INFO: CameraInfo}, prefix, on_change)

    def publish(self, frame: Frame, wanted: Collection[str]) -> None:
        """
        Publish the calibration for the mask, if the camera has sent that of its images.

        :param frame: the frame.
        :param wanted: names of the outputs that somebody wants.
        """
        if frame.info is None:
            return
        info = scaled_camera_info(
            frame.info, frame.header, frame.result.class_mask.shape, frame.result.image_size)
        if info is not None:
            self._publishers[CAMERA_INFO].publish(info)
