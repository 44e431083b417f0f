"""
Strategies for hostile and odd camera messages.

Bulk data come from seeded generators: the shrinkable part of an example is how the
message is built, not its pixels.
"""

from array import array
import struct
import zlib

from builtin_interfaces.msg import Time
import cv2
from fcn_seg_ros.images.raw import SUPPORTED
from hypothesis import strategies as st
import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

UINT32_MAX = 2**32 - 1
_FORMATS = ('jpeg', 'png', '', 'rgb8; jpeg compressed bgr8', 'rgb8; jpeg compressed rgb8',
            'mono16; png compressed ', '16UC1; compressedDepth png', ';;;', '\N{SNOWMAN}' * 50)
_ENCODINGS = (*SUPPORTED, '', '32FC1', '64FC3', '16UC1', '16SC1', 'rgb', 'RGB8', 'jpeg', 'h264',
              'bayer_xxxx8', 'mono8 ', '\N{SNOWMAN}', 'a' * 300)
_SIZES = st.one_of(st.tuples(*2 * [st.integers(1, 48).map(lambda n: 2 * n)]),
                   st.tuples(*2 * [st.integers(0, 97)]))
_HUGE = st.sampled_from((2**15 - 1, 2**15, 2**16, 2**24, 2**31 - 1, 2**31, UINT32_MAX))

headers = st.builds(
    Header,
    frame_id=st.sampled_from(('camera', '', '/', 'a b', '\N{SNOWMAN}' * 40, '../../etc')),
    stamp=st.builds(Time, sec=st.sampled_from((0, 1, -1, 1_700_000_000, 2**31 - 1, -2**31)),
                    nanosec=st.sampled_from((0, 1, 999_999_999, UINT32_MAX))))


def _draw_size(draw, others):
    """Return (width, height), mostly the one that calibrations and depth images have."""
    return draw(others) if draw(st.integers(0, 3)) == 0 else (64, 48)


def _to_array(data):
    values = array('B')
    values.frombytes(data)
    return values


def _bytes(seed, count):
    return np.random.default_rng(seed).bytes(count)


def _row_bytes(encoding, width):
    """Return the bytes of a row, well enough to meet the decoder's own idea most times."""
    if encoding.startswith('yuv') or encoding in ('uyvy', 'yuyv'):
        return 2 * width
    channels = 4 if encoding.endswith(('C4',)) or 'a8' in encoding or 'a16' in encoding else (
        3 if encoding.startswith(('rgb', 'bgr', '8UC3')) else 1)
    return width * channels * (2 if encoding.endswith('16') else 1)


@st.composite
def images(draw):
    """Return an Image; about half of them can be decoded."""
    encoding = draw(st.sampled_from(5 * SUPPORTED + _ENCODINGS))
    width, height = _draw_size(draw, _SIZES)
    step = _row_bytes(encoding, width) + draw(st.sampled_from((0, 0, 0, 1, 3, 64)))
    chroma = {'nv12': 3, 'nv21': 3, 'nv24': 6}.get(encoding, 2)
    count = height * step * chroma // 2
    fault = draw(st.sampled_from((*9 * ('',), 'short', 'long', 'empty', 'step',
                                  'huge width', 'huge height', 'huge both')))
    if fault == 'short':
        count -= draw(st.integers(0, count))
    elif fault == 'long':
        count += draw(st.integers(0, 4096))
    elif fault == 'empty':
        count = 0
    elif fault == 'step':
        step = draw(st.one_of(st.integers(0, 2 * step), _HUGE))
    if fault in ('huge width', 'huge both'):
        width = draw(_HUGE)
    if fault in ('huge height', 'huge both'):
        height = draw(_HUGE)
    message = Image(header=draw(headers), width=width, height=height, encoding=encoding,
                    step=step, is_bigendian=draw(st.integers(0, 255)))
    message.data = _to_array(_bytes(draw(st.integers(0, 99)), count))
    return message


def _png_header(width, height, rest=b''):
    """Return a PNG that claims a size, with the right checksum."""
    body = b'IHDR' + struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return (b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + body
            + struct.pack('>I', zlib.crc32(body)) + rest)


def _jpeg_of_size(data, width, height):
    """Return a JPEG whose frame header claims another size."""
    for marker in (b'\xff\xc0', b'\xff\xc2'):
        at = data.find(marker)
        if at >= 0:
            return data[:at + 5] + struct.pack('>HH', height, width) + data[at + 9:]
    return data


@st.composite
def compressed_images(draw):
    """Return a CompressedImage; about half of them can be decoded."""
    width, height = _draw_size(draw, st.tuples(*2 * [st.integers(1, 80)]))
    seed = draw(st.integers(0, 99))
    channels = draw(st.sampled_from((1, 3, 4)))
    depth = draw(st.sampled_from((np.uint8, np.uint8, np.uint8, np.uint16)))
    pixels = np.random.default_rng(seed).integers(
        0, np.iinfo(depth).max, (height, width, channels), depth)
    suffix = draw(st.sampled_from((*6 * ('.jpg', '.png'), '.bmp')))
    if suffix != '.png':
        pixels = pixels.astype(np.uint8)[:, :, :3 if channels == 4 else channels]
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, draw(st.integers(0, 1))] if suffix == '.jpg' else []
    data = cv2.imencode(suffix, pixels, options)[1].tobytes()
    fault = draw(st.sampled_from((*9 * ('',), 'cut', 'flip', 'flips', 'size', 'bomb',
                                  'noise', 'empty', 'twice')))
    if fault == 'cut':
        data = data[:draw(st.integers(0, len(data)))]
    elif fault in ('flip', 'flips'):
        changed = bytearray(data)
        for _ in range(1 if fault == 'flip' else draw(st.integers(2, 40))):
            changed[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
        data = bytes(changed)
    elif fault in ('size', 'bomb'):
        sides = st.integers(1, 300) if fault == 'size' else st.sampled_from((32767, 65535))
        claimed = draw(sides), draw(sides)
        data = (_png_header(*claimed, data[33:]) if suffix == '.png'
                else _jpeg_of_size(data, *claimed))
    elif fault == 'noise':
        data = data[:draw(st.integers(0, 8))] + _bytes(seed, draw(st.integers(0, 400)))
    elif fault == 'empty':
        data = b''
    elif fault == 'twice':
        data += data
    message = CompressedImage(header=draw(headers), format=draw(st.sampled_from(_FORMATS)))
    message.data = _to_array(data)
    return message


_NUMBERS = st.one_of(
    st.sampled_from((0.0, -0.0, 1.0, 50.0, -50.0, 1e-300, 1e300, -1e300, 1e9, float('nan'),
                     float('inf'), float('-inf'))),
    st.floats(-1000, 1000, width=32))
_COUNTS = st.one_of(st.integers(0, 200), _HUGE)


@st.composite
def calibrations(draw):
    """Return a CameraInfo."""
    def numbers(count):
        return [draw(_NUMBERS) for _ in range(count)]

    info = CameraInfo(
        header=draw(headers), width=draw(_COUNTS), height=draw(_COUNTS),
        distortion_model=draw(st.sampled_from(
            ('plumb_bob', 'rational_polynomial', 'equidistant', '', 'nonsense'))),
        d=numbers(draw(st.sampled_from((0, 4, 5, 8, 14, 100)))),
        binning_x=draw(st.one_of(st.integers(0, 4), _HUGE)),
        binning_y=draw(st.one_of(st.integers(0, 4), _HUGE)),
        roi=RegionOfInterest(x_offset=draw(_COUNTS), y_offset=draw(_COUNTS),
                             width=draw(_COUNTS), height=draw(_COUNTS)))
    sane = draw(st.booleans())
    focal = draw(st.floats(20, 1000))
    info.k = [focal, 0.0, 32.0, 0.0, focal, 24.0, 0.0, 0.0, 1.0] if sane else numbers(9)
    info.p = [focal, 0.0, 32.0, 0.0, 0.0, focal, 24.0, 0.0, 0.0, 0.0, 1.0, 0.0] if sane \
        else numbers(12)
    if sane:
        info.width, info.height, info.roi = 64, 48, RegionOfInterest()
        info.binning_x = info.binning_y = draw(st.sampled_from((0, 0, 0, 1, 2)))
        info.distortion_model = 'plumb_bob'
        info.d = [draw(st.floats(-0.1, 0.1)), 0.0, 0.0, 0.0, 0.0]
    return info


@st.composite
def depth_images(draw):
    """Return a depth Image, with what sensors and bad luck put into one."""
    encoding = draw(st.sampled_from((*4 * ('16UC1', '32FC1'), 'mono16', '64FC1', '')))
    width, height = _draw_size(draw, st.sampled_from(((32, 24), (0, 0), (1, 1), (97, 3))))
    size = 2 if encoding == '16UC1' else 4
    step = width * size + draw(st.sampled_from((*6 * (0,), 2, -1, 2**20)))
    seed = draw(st.integers(0, 99))
    count = max(0, height * step) if step < 2**16 else height * width * size
    generator = np.random.default_rng(seed)
    if draw(st.booleans()) and encoding == '32FC1':
        values = generator.choice(np.array(
            [0, -1, 1, 3, 1e38, -1e38, np.nan, np.inf, -np.inf, 1e-40], np.float32),
            count // 4 + 1)
        data = values.tobytes()[:count]
    else:
        data = generator.bytes(count)
    message = Image(header=draw(headers), width=width, height=height, encoding=encoding,
                    step=max(0, step), is_bigendian=draw(st.integers(0, 1)))
    message.data = _to_array(data[:len(data) - draw(st.sampled_from((*6 * (0,), 1, 500)))])
    return message
