"""
JPEG and PNG, the payloads of sensor_msgs/CompressedImage, to and from RGB arrays.

The size is read from the file's own header and bounded before anything is decoded,
and a file that was cut short is refused: decoders would fill the rest of a JPEG with
grey, which a network then takes for the world.  What the codec is comes from the data,
not from the message's ``format``; of that only the channel order matters.
"""

import struct

import cv2
import numpy as np

from .raw import check_size
from ..errors import ImageError

MAX_SCANS = 64
"""Most scans of a progressive JPEG; cameras send 1, encoders about 10, attackers thousands."""

_JPEG_MAGIC = b'\xff\xd8\xff'
_PNG_MAGIC = b'\x89PNG\r\n\x1a\n'
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE = frozenset((0x01, *range(0xD0, 0xD8)))
_FIRST_ARITHMETIC = 0xC9  # frames from here on use arithmetic instead of Huffman codes
_END_OF_IMAGE, _START_OF_SCAN = 0xD9, 0xDA
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEFLATE_RATIO = 1032  # the most that deflate can compress


def decode(data, format='', *, upright=False):  # noqa: A002 (the message's name for it)
    """
    Decode a JPEG or PNG to an RGB array.

    16-bit samples are scaled by 1/257 and transparency is dropped.

    :param data: the file's bytes (bytes, array.array, memoryview, uint8 array).
    :param format: the message's ``format``, such as 'jpeg' or
        'rgb8; jpeg compressed bgr8'.  As in image_transport, a file that says
        'compressed rgb8' was encoded with red and blue exchanged.
    :param upright: turn a JPEG as its EXIF orientation says.  Left alone by default:
        a camera's calibration is for the pixels as they are stored.
    :returns: uint8 array, H x W x 3, RGB, contiguous.
    :raises ImageError: of kind 'encoding' (neither JPEG nor PNG, or a depth image),
        'too_large' (by the header), or 'compressed' (truncated or damaged).
    """
    if 'compressedDepth' in format:
        raise ImageError('encoding', 'this is a compressed depth image, not a camera image')
    data = bytes(data)
    if data.startswith(_JPEG_MAGIC):
        height, width = _read_jpeg_header(data)
        flags = cv2.IMREAD_COLOR | (0 if upright else cv2.IMREAD_IGNORE_ORIENTATION)
    elif data.startswith(_PNG_MAGIC):
        height, width = _read_png_header(data)
        flags = cv2.IMREAD_UNCHANGED
    else:
        raise ImageError('encoding', f'compressed image with format {format[:40]!a} is neither '
                                     'JPEG nor PNG')
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError('compressed', f'the decoder failed: {error.err}') from None
    sizes = ((height, width), (width, height)) if upright else ((height, width),)
    if pixels is None or pixels.shape[:2] not in sizes:
        raise ImageError('compressed', 'compressed image is damaged')
    exchanged = ';' in format and 'compressed rgb' in format
    return _to_rgb(pixels, exchanged)


def encode_jpeg(image, quality=90):
    """
    Encode a picture as JPEG.

    :param image: uint8 array, H x W x 3 (RGB) or H x W (mono).
    :param quality: 1 to 100.
    :returns: bytes.
    """
    return _encode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])


def encode_png(image):
    """
    Encode a picture as PNG, for speed before size (OpenCV's default settings).

    :param image: uint8 array, H x W x 3 (RGB) or H x W (mono).
    :returns: bytes.
    """
    return _encode('.png', image, [])


def _encode(suffix, image, options):
    pixels = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(suffix, pixels, options)[1].tobytes()


def _to_rgb(pixels, exchanged):
    """Return what cv2.imdecode gave (8 or 16 bits, mono, BGR or BGRA) as 8-bit RGB."""
    if pixels.dtype == np.uint16:
        pixels = cv2.convertScaleAbs(pixels, alpha=1 / 257)
    if pixels.ndim == 2:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)
    if pixels.shape[2] == 4:
        return cv2.cvtColor(
            pixels, cv2.COLOR_BGRA2BGR if exchanged else cv2.COLOR_BGRA2RGB)
    return pixels if exchanged else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def _check_header_size(height, width):
    if height < 1 or width < 1:
        raise ImageError('compressed', f'compressed image has a size of {width}x{height}')
    check_size(height, width)


def _check_coded_bytes(coded, least, height, width):
    """Refuse a file of a few bytes that claims a large picture, or has lost most of it."""
    if coded < least:
        raise ImageError('compressed', f'compressed image is damaged: {coded} bytes cannot hold '
                                       f'{width}x{height} pixels')


def _read_png_header(data):
    """Return a PNG's height and width, having checked that its chunks are all there."""
    try:
        length, kind, width, height, bits, color = struct.unpack_from(
            '>I4sIIBB', data, len(_PNG_MAGIC))
        if length != 13 or kind != b'IHDR' or color not in _PNG_CHANNELS:
            raise ImageError('compressed', 'PNG image is damaged: it does not begin with IHDR')
        _check_header_size(height, width)
        position, coded = len(_PNG_MAGIC), 0
        while kind != b'IEND':
            length, kind = struct.unpack_from('>I4s', data, position)
            position += 12 + length  # length, kind, data, CRC
            coded += length if kind == b'IDAT' else 0
    except struct.error:
        position = len(data) + 1
    if position > len(data):
        raise ImageError('compressed', f'PNG image is truncated after {len(data)} bytes')
    raw = height * width * _PNG_CHANNELS[color] * bits // 8
    _check_coded_bytes(coded, raw // _DEFLATE_RATIO, height, width)
    return height, width


def _read_jpeg_header(data):
    """Return a JPEG's height and width, having checked that it has an end (ITU-T T.81, B)."""
    size, frame, position = None, None, 2
    try:
        while True:
            if data[position] != 0xFF:
                raise ImageError('compressed', 'JPEG image is damaged: no marker where one is due')
            while data[position] == 0xFF:  # markers may be preceded by fill bytes
                position += 1
            marker = data[position]
            position += 1
            if marker in _STANDALONE:
                continue
            if marker in (_START_OF_SCAN, _END_OF_IMAGE):
                break
            if marker in _START_OF_FRAME:
                frame, size = marker, struct.unpack_from('>HH', data, position + 3)
                _check_header_size(*size)
            position += struct.unpack_from('>H', data, position)[0]
    except (IndexError, struct.error):
        raise ImageError(
            'compressed', f'JPEG image is truncated in its header, after {len(data)} bytes'
        ) from None
    if size is None or marker != _START_OF_SCAN:
        raise ImageError('compressed', 'JPEG image is damaged: no frame header')
    # In coded data FF is always followed by 00 or a restart marker, so these are markers.
    end = data.rfind(b'\xff\xd9', position)
    if end < 0:
        raise ImageError('compressed', f'JPEG image is truncated after {len(data)} bytes')
    if data.count(b'\xff\xda', position - 2) > MAX_SCANS:
        raise ImageError('compressed', f'JPEG image has more than {MAX_SCANS} scans')
    if frame < _FIRST_ARITHMETIC:  # a Huffman code has a bit or more for each 8 x 8 block
        height, width = size
        _check_coded_bytes(end - position, height * width // (64 * 8), height, width)
    return size
