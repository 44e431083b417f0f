"""ROS messages to arrays and back, without element-wise copies."""

from collections.abc import Sequence
from typing import Any

from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Header

from ..errors import ImageError
from ..geometry.rescaled import rescaled_info
from ..images.compressed import decode
from ..images.raw import to_rgb
from ..support.arrays import Size, UInt8Array


def image_to_rgb(msg: Image | CompressedImage) -> UInt8Array:
    """
    Return the picture of an Image or CompressedImage as uint8 H x W x 3, RGB.

    Encodings that the core does not know go through cv_bridge where it imports.

    :param msg: the message.
    :raises ImageError: when the message cannot be decoded.
    """
    if isinstance(msg, CompressedImage):
        return decode(msg.data, msg.format)
    try:
        return to_rgb(msg.data, height=msg.height, width=msg.width, encoding=msg.encoding,
                      step=msg.step, is_bigendian=bool(msg.is_bigendian))
    except ImageError as error:
        if error.kind != 'encoding':
            raise
        return _through_cv_bridge(msg, error)


def _through_cv_bridge(msg: Image, error: ImageError) -> UInt8Array:
    try:
        from cv_bridge import CvBridge
        picture: UInt8Array = CvBridge().imgmsg_to_cv2(msg, 'rgb8')
        return picture
    except ImportError:
        raise error from None
    except Exception as reason:  # cv_bridge raises OpenCV's, NumPy's and its own errors
        raise ImageError('encoding', f'{error}; cv_bridge: {reason}') from None


def image_message(pixels: UInt8Array, encoding: str, header: Header) -> Image:
    """
    Return an Image without row padding.

    :param pixels: contiguous uint8 array H x W (mono8) or H x W x 3 (rgb8); the message refers
        to it until it is published.
    :param encoding: what the pixels are, as ROS calls it.
    :param header: the message's.
    """
    msg = Image(header=header, height=pixels.shape[0], width=pixels.shape[1],
                encoding=encoding, is_bigendian=0, step=pixels.strides[0])
    attach(msg, pixels)
    return msg


def compressed_message(data: bytes, image_format: str, header: Header) -> CompressedImage:
    """
    Return a CompressedImage.

    :param data: the encoded picture.
    :param image_format: what it is, as image_transport writes it.
    :param header: the message's.
    """
    msg = CompressedImage(header=header, format=image_format)
    attach(msg, data)
    return msg


def scaled_camera_info(info: CameraInfo, header: Header, mask_size: Sequence[int], image_size: Size
                       ) -> CameraInfo | None:
    """
    Return the CameraInfo of the mask, or None when the camera's is for images of another size.

    :param info: the camera's CameraInfo.
    :param header: the image's header.
    :param mask_size: (height, width) of the mask.
    :param image_size: (height, width) of the delivered image.
    """
    roi = info.roi
    scaled = rescaled_info(
        width=info.width, height=info.height, k=info.k, p=info.p, binning_x=info.binning_x,
        binning_y=info.binning_y, roi=(roi.x_offset, roi.y_offset, roi.width, roi.height),
        mask_height=mask_size[0], mask_width=mask_size[1], image_size=image_size)
    return scaled and CameraInfo(
        header=header, width=scaled.width, height=scaled.height, d=info.d, r=info.r,
        distortion_model=info.distortion_model, k=scaled.k, p=scaled.p)


def attach(msg: Image | CompressedImage | PointCloud2, data: Any) -> None:
    """
    Let a message refer to a buffer as its data, where the setter would copy it once or twice.

    Publishing copies from whatever buffer is there; the setter alone takes longer than drawing
    an Image (docs/performance.md).

    :param msg: the message, which is changed.
    :param data: bytes, or an array whose rows follow each other; it must not change before the
        message is published.
    """
    msg._data = memoryview(data).cast('B')
