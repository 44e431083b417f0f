"""JPEG, PNG and WebP: right pixels, and nothing decoded that is cut short, damaged or a bomb."""

from array import array
import struct
import zlib

import cv2
from fcn_seg_ros.errors import ImageError
from fcn_seg_ros.images.compressed import decode, encode_jpeg, encode_png
from fcn_seg_ros.images.raw import MAX_PIXELS, to_rgb
from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

H, W = 48, 64
KINDS = ('compressed', 'too_large', 'encoding')


def smooth_picture():
    """Return an RGB picture that JPEG can code with small errors, red unlike blue."""
    y, x = np.mgrid[0:H, 0:W]
    return np.stack((x * 4, y * 5, (x + y) // 2), -1).astype(np.uint8)


PICTURE = smooth_picture()
JPEG = encode_jpeg(PICTURE, quality=95)
PNG = encode_png(PICTURE)


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png_file(samples, color_type, bits, *, size=None, before_idat=b''):
    """Return a PNG with the given samples, H x W x C, built from the specification alone."""
    height, width = size or samples.shape[:2]
    header = struct.pack('>IIBBBBB', width, height, bits, color_type, 0, 0, 0)
    rows = samples.astype('>u2' if bits == 16 else 'u1')
    raw = b''.join(b'\0' + row.tobytes() for row in rows)
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + before_idat
            + chunk(b'IDAT', zlib.compress(raw)) + chunk(b'IEND', b''))


def jpeg_claiming(height, width):
    """Return the JPEG with the size in its frame header replaced."""
    at = JPEG.index(b'\xff\xc0') + 5
    return JPEG[:at] + struct.pack('>HH', height, width) + JPEG[at + 4:]


def kind_of(data, stated=''):
    with pytest.raises(ImageError) as caught:
        decode(data, stated)
    assert '\n' not in str(caught.value)
    return caught.value.kind


@pytest.mark.parametrize('stated', ['', 'jpeg', 'bgr8; jpeg compressed bgr8', 'nonsense'])
def test_jpeg(stated):
    rgb = decode(JPEG, stated)
    assert rgb.dtype == np.uint8 and rgb.flags.c_contiguous
    assert np.abs(rgb.astype(int) - PICTURE).max() <= 12
    assert np.abs(rgb.astype(int) - PICTURE).mean() <= 2


@pytest.mark.parametrize('stated', ['', 'png', 'rgb8; png compressed ',
                                    'rgb8; png compressed bgr8'])
def test_png_is_lossless(stated):
    assert (decode(PNG, stated) == PICTURE).all()


def test_transport_that_encoded_rgb_as_if_it_were_bgr():
    assert (decode(PNG, 'rgb8; png compressed rgb8') == PICTURE[:, :, ::-1]).all()
    with_alpha = np.dstack((PICTURE, PICTURE[:, :, 0]))
    data = png_file(with_alpha, 6, 8)
    assert (decode(data, 'rgba8; png compressed rgb8') == PICTURE[:, :, ::-1]).all()


def bayer(rgb, pattern):
    """Return the mosaic that a camera of this pattern takes of a picture."""
    channel = {'r': 0, 'g': 1, 'b': 2}
    mosaic = np.empty(rgb.shape[:2], rgb.dtype)
    for number, color in enumerate(pattern):
        row, column = divmod(number, 2)
        mosaic[row::2, column::2] = rgb[row::2, column::2, channel[color]]
    return mosaic


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
@pytest.mark.parametrize(('bits', 'codec', 'words'), [
    (8, 'png', '; png compressed '), (8, 'png', ';png compressed bayer'), (8, 'png', ''),
    (16, 'png', '; png compressed '), (8, 'jpeg', '; jpeg compressed ')])
def test_a_mosaic_is_read_as_the_raw_encoding_is(pattern, bits, codec, words):
    mosaic = bayer(PICTURE, pattern)
    if codec == 'jpeg':
        data = encode_jpeg(mosaic, quality=100)
    else:
        data = encode_png(mosaic if bits == 8 else mosaic.astype(np.uint16) * 257)
    rgb = decode(data, f'bayer_{pattern}{bits}{words}').astype(int)
    raw = to_rgb(mosaic, height=H, width=W, encoding=f'bayer_{pattern}8', step=W).astype(int)
    assert np.abs(rgb - raw).max() <= (0 if codec == 'png' else 12)
    assert np.abs(rgb - PICTURE)[4:-4, 4:-4].mean() < 6


def test_a_mosaic_that_the_publisher_has_demosaiced_already():
    assert (decode(PNG, 'bayer_rggb8; png compressed bgr8') == PICTURE).all()


@pytest.mark.parametrize('stated', [
    'bayer_rggb8; jpeg compressed mono8', 'bayer_gbrg16;jpeg compressed mono8',
    'yuv422_yuy2; jpeg compressed mono8', 'yuv422; jpeg compressed mono8',
    'uyvy; jpeg compressed mono8', 'nv21; jpeg compressed mono8',
    'mono16; png compressed mono16'])
def test_samples_that_the_publisher_has_made_grey_are_a_grey_picture(stated):
    grey = PICTURE[:, :, 1]
    assert (decode(encode_png(grey), stated) == grey[:, :, None]).all()


def test_depth_that_the_publisher_has_made_grey_is_no_picture():
    assert kind_of(encode_png(PICTURE[:, :, 1]), '16UC1; jpeg compressed mono8') == 'encoding'


@pytest.mark.parametrize('stated', ['mono16; png compressed ', 'mono16', 'png'])
def test_grey_of_16_bits(stated):
    levels = PICTURE[:, :, 1].astype(np.uint16) * 257
    assert (decode(encode_png(levels), stated) == PICTURE[:, :, 1:2]).all()


@pytest.mark.parametrize('stated', [
    '16UC1; png compressed ', '32FC1; png compressed ', '16UC1', '16UC1 ; compressedDepth',
    '32FC1; compressedDepth png', 'compressedDepth', '16SC1; png compressed', '8UC2; png',
    'TYPE_16UC1; png compressed ', '64FC1;png compressed'])
def test_measured_values_are_no_picture(stated):
    depth = PICTURE[:, :, 1].astype(np.uint16) * 10
    assert kind_of(encode_png(depth), stated) == 'encoding'


@pytest.mark.parametrize('stated', [
    'yuv422; jpeg compressed bgr8', 'bgra8; png compressed bgra8', '8UC3; png compressed ',
    'bgr8 ; png compressed  bgr8 ', ' rgb8; png compressed bgr8  ', 'nv12; jpeg compressed bgr8',
    'rgb16; png compressed bgr16', 'JPEG', 'webp', '; ', 'x;y;z'])
def test_colours_of_other_formats(stated):
    assert (decode(PNG, stated) == PICTURE).all()


@pytest.mark.parametrize('stated', ['yuv422; png compressed ', 'nv12; png compressed ',
                                    'uyvy;png compressed', 'yuyv'])
def test_samples_of_yuv_in_one_channel_are_refused(stated):
    assert kind_of(encode_png(PICTURE[:, :, 0]), stated) == 'encoding'


def test_webp_and_its_truncations():
    done, data = cv2.imencode('.webp', PICTURE[:, :, ::-1], [cv2.IMWRITE_WEBP_QUALITY, 101])
    assert done
    data = data.tobytes()
    assert (decode(data, 'webp') == PICTURE).all()
    for length in range(12, len(data) - 1):
        assert kind_of(data[:length]) == 'compressed'


@pytest.mark.parametrize('wrap', [bytearray, memoryview, lambda b: array('B', b),
                                  lambda b: np.frombuffer(b, np.uint8)])
def test_any_buffer(wrap):
    assert (decode(wrap(PNG)) == PICTURE).all()


def test_mono():
    mono = PICTURE[:, :, 1]
    assert (decode(encode_png(mono)) == mono[:, :, None]).all()
    rgb = decode(encode_jpeg(mono, quality=100)).astype(int)
    assert rgb.shape == (H, W, 3) and np.abs(rgb - mono[:, :, None]).max() <= 3


@pytest.mark.parametrize(('color_type', 'channels'), [(0, 1), (4, 2), (2, 3), (6, 4)])
def test_png_with_16_bits_and_alpha(color_type, channels):
    samples = np.random.default_rng(3).integers(0, 65536, (H, W, channels))
    expected = np.round(samples / 257)[:, :, :(3 if channels > 2 else 1)]
    assert (decode(png_file(samples, color_type, 16)) == expected).all()


@pytest.mark.parametrize(('color_type', 'channels'), [(4, 2), (6, 4)])
def test_png_alpha_is_dropped_not_applied(color_type, channels):
    samples = np.random.default_rng(3).integers(0, 256, (H, W, channels))
    samples[:, :, -1] = 0
    expected = samples[:, :, :max(1, channels - 1)]
    assert (decode(png_file(samples, color_type, 8)) == expected).all()


def test_png_palette():
    palette = chunk(b'PLTE', bytes([9, 8, 7, 200, 100, 50]))
    indices = (PICTURE[:, :, :1] > 100).astype(int)
    rgb = decode(png_file(indices, 3, 8, before_idat=palette))
    assert (rgb == np.array([[9, 8, 7], [200, 100, 50]])[indices[:, :, 0]]).all()


def turn_right(jpeg):
    """Return a JPEG with an EXIF orientation that asks for a turn to the right."""
    # Little-endian TIFF with one entry: Orientation (0x0112), SHORT, 1 value, 6 = turn right.
    tiff = b'II*\0' + struct.pack('<IHHHIHHI', 8, 1, 0x0112, 3, 1, 6, 0, 0)
    exif = b'Exif\0\0' + tiff
    return jpeg[:2] + b'\xff\xe1' + struct.pack('>H', len(exif) + 2) + exif + jpeg[2:]


def test_exif_orientation_is_ignored_unless_asked_for():
    turned = turn_right(JPEG)
    assert (decode(turned) == decode(JPEG)).all()
    assert (decode(turned, upright=True) == np.rot90(decode(JPEG), -1)).all()


def test_jpeg_with_trailing_padding_and_fill_bytes():
    filled = JPEG.replace(b'\xff\xdb', b'\xff\xff\xff\xdb', 1)
    assert (decode(filled + bytes(100)) == decode(JPEG)).all()


def test_progressive_jpeg():
    data = cv2.imencode('.jpg', PICTURE[:, :, ::-1], [
        cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    assert data.count(b'\xff\xda') > 1
    assert np.abs(decode(data).astype(int) - PICTURE).mean() <= 2
    bomb = data[:-2] + data[data.index(b'\xff\xda'):-2] * 64 + b'\xff\xd9'
    assert kind_of(bomb) == 'compressed'


@pytest.mark.parametrize('data', [JPEG, PNG])
def test_every_truncation_is_refused(data):
    for length in range(len(data)):
        assert kind_of(data[:length], 'bgr8; jpeg compressed bgr8') in ('compressed', 'encoding')
    assert kind_of(data[:len(data) // 2]) == 'compressed'


@pytest.mark.parametrize(('kind', 'data'), [
    ('too_large', jpeg_claiming(65535, 65535)),
    ('too_large', jpeg_claiming(1, 65535)),
    ('compressed', jpeg_claiming(0, W)),
    ('compressed', jpeg_claiming(H, 0)),
    ('too_large', png_file(PICTURE, 2, 8, size=(2 ** 31 - 1, 2 ** 31 - 1))),
    ('too_large', png_file(PICTURE, 2, 8, size=(8001, 8000))),
    ('compressed', png_file(PICTURE, 2, 8, size=(0, W))),
    ('compressed', png_file(PICTURE, 2, 8, size=(H + 1, W))),
    ('compressed', jpeg_claiming(8000, 8000)),
    ('compressed', png_file(PICTURE, 2, 8, size=(8000, 8000))),
    ('compressed', PNG.replace(b'IHDR', b'JUNK')),
    ('compressed', png_file(PICTURE, 5, 8)),
    ('compressed', PNG[:60] + b'\x55' + PNG[61:]),
    ('compressed', b'\xff\xd8\xff\xd9'),
    ('compressed', b'\xff\xd8\xff\xdb\x00\x04\x00\x00garbage'),
    ('encoding', b''), ('encoding', b'GIF89a'), ('encoding', bytes(1000)),
])
def test_bad_data(kind, data):
    assert kind_of(data) == kind


def test_depth_is_refused():
    assert kind_of(PNG, '16UC1; compressedDepth png') == 'encoding'


def test_hostile_format_stays_one_short_line():
    assert kind_of(b'', '\x1b[2J\n' * 1000) == 'encoding'


@pytest.mark.parametrize('make', [jpeg_claiming, lambda h, w: png_file(
    PICTURE, 2, 8, size=(h, w))])
@pytest.mark.parametrize('side', [7900, 30_000])
def test_bomb_is_not_decoded(monkeypatch, make, side):
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: pytest.fail('the bomb went off'))
    assert kind_of(make(side, side)) == ('too_large' if side ** 2 > MAX_PIXELS else 'compressed')


@pytest.mark.parametrize('encode', [encode_jpeg, encode_png])
@pytest.mark.parametrize('channels', [1, 3])
def test_the_most_compressible_picture_is_no_bomb(encode, channels):
    flat = np.zeros((1080, 1920, 3), np.uint8)
    data = encode(flat if channels == 3 else flat[:, :, 0])
    assert decode(data).shape == flat.shape
    best = cv2.imencode('.png', flat, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1]
    assert decode(best).shape == flat.shape


def test_the_most_compressible_progressive_jpeg_is_no_bomb():
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_OPTIMIZE, 1,
               cv2.IMWRITE_JPEG_QUALITY, 1]
    data = cv2.imencode('.jpg', np.zeros((2000, 3000), np.uint8), options)[1]
    assert decode(data).shape == (2000, 3000, 3)


@st.composite
def damaged_files(draw):
    data = bytearray(draw(st.sampled_from([JPEG, PNG])))
    for _ in range(draw(st.integers(1, 6))):
        # Most of what matters is in the first bytes.
        at = draw(st.one_of(st.integers(0, 40), st.integers(0, len(data) - 1)))
        data[at] = draw(st.integers(0, 255))
    return bytes(data[:draw(st.one_of(st.just(len(data)), st.integers(0, len(data))))])


@settings(max_examples=200, deadline=None)
@given(data=st.one_of(damaged_files(), st.binary(max_size=200)), stated=st.text(max_size=30))
def test_any_data_gives_a_picture_or_an_image_error(data, stated):
    try:
        rgb = decode(data, stated)
    except ImageError as error:
        assert error.kind in KINDS
    else:
        assert rgb.ndim == 3 and rgb.shape[2] == 3 and rgb.dtype == np.uint8


def test_encode_jpeg_quality():
    assert len(encode_jpeg(PICTURE, quality=30)) < len(encode_jpeg(PICTURE, quality=95))
