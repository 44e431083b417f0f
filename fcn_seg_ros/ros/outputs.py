"""A camera's outputs: publishers, who listens to them, and the messages."""

from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from .fractions import fractions_message
from .messages import compressed_message, image_message, scaled_camera_info
from .qos import newest
from ..compressed import encode_jpeg, encode_png
from ..msg import ClassFractions

_ENCODINGS = {'class_mask': 'mono8', 'color_mask': 'rgb8', 'overlay': 'rgb8',
              'confidence': 'mono8'}
_LOSSLESS = ('class_mask', 'confidence')
"""Images whose values are data: JPEG would change them."""


class CameraOutputs:
    """
    The output side of one camera.

    Nothing is computed or published for an output that nobody subscribes to.

    :param node: the node to publish with.
    :param camera: name of the camera, '' for the only one.
    """

    def __init__(self, node, camera):
        self._node = node
        prefix = f'~/{camera}/' if camera else '~/'
        types = {'class_fractions': ClassFractions, 'camera_info': CameraInfo}
        for name in _ENCODINGS:
            types[name] = Image
            types[f'{name}/compressed'] = CompressedImage
        self._publishers = {
            name: node.create_publisher(
                message_type, prefix + name, newest(),
                qos_overriding_options=QoSOverridingOptions.with_default_policies())
            for name, message_type in types.items()}

    def wanted(self):
        """Return the names of the outputs that somebody subscribes to."""
        return {name for name, publisher in self._publishers.items()
                if publisher.get_subscription_count()}

    def publish(self, wanted, result, header, *, network, alpha, regions, info):
        """
        Publish the wanted outputs of one frame.

        :param wanted: names, as of :meth:`wanted`.
        :param result: the frame's ``Segmentation``.
        :param header: the frame's header, passed on as it is.
        :param network: name of the network.
        :param alpha: weight of the colours in the overlay.
        :param regions: {name: (x0, y0, x1, y1)} in shares of the image.
        :param info: the camera's CameraInfo, or None.
        """
        pictures = {name.partition('/')[0] for name in wanted} & _ENCODINGS.keys()
        for name in sorted(pictures):
            pixels = result.overlay(alpha) if name == 'overlay' else getattr(result, name)
            encoding = _ENCODINGS[name]
            if name in wanted:
                self._publishers[name].publish(image_message(pixels, encoding, header))
            if f'{name}/compressed' in wanted:
                lossless = name in _LOSSLESS
                data = encode_png(pixels) if lossless else encode_jpeg(pixels)
                kind = f"{encoding}; {'png' if lossless else 'jpeg'} compressed {encoding}"
                self._publishers[f'{name}/compressed'].publish(
                    compressed_message(data, kind, header))
        if 'class_fractions' in wanted:
            self._publishers['class_fractions'].publish(
                fractions_message(result, header, network, regions))
        if 'camera_info' in wanted and info is not None:
            self._publishers['camera_info'].publish(
                scaled_camera_info(info, header, result.class_mask.shape, result.image_size))

    def close(self):
        """Destroy the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers.clear()
