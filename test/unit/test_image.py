"""Every encoding against a conversion written out in NumPy, and every way to be wrong."""

from array import array

from fcn_seg_ros.errors import ImageError
from fcn_seg_ros.images import raw as image
from fcn_seg_ros.images.compressed import decode, encode_jpeg, encode_png
from fcn_seg_ros.images.raw import from_rgb, to_rgb
from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

H, W = 14, 22
CHANNELS = {'rgb': 'rgb', 'bgr': 'bgr', 'rgba': 'rgba', 'bgra': 'bgra'}
PACKED = [(f'{name}{depth}', order, depth)
          for name, order in CHANNELS.items() for depth in (8, 16)]
BAYER = [(f'bayer_{pattern}{depth}', pattern, depth)
         for pattern in ('rggb', 'bggr', 'gbrg', 'grbg') for depth in (8, 16)]
CHROMA_422 = {'yuv422': 'UYVY', 'uyvy': 'UYVY', 'yuv422_yuy2': 'YUYV', 'yuyv': 'YUYV'}


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def padded(rows, step):
    """Return the bytes of a 2-D uint8 array with its rows ``step`` bytes apart."""
    out = np.full((rows.shape[0], step), 0xA5, np.uint8)
    out[:, :rows.shape[1]] = rows
    return array('B', out.tobytes())


def samples_to_bytes(samples, big):
    """Return H x N bytes of H x ... samples of 8 or 16 bits."""
    if samples.dtype == np.uint16:
        samples = samples.astype('>u2' if big else '<u2')
    return np.frombuffer(samples.tobytes(), np.uint8).reshape(samples.shape[0], -1)


def to_8_bits(samples):
    """Scale 16-bit samples by 1/257, rounding to nearest; exact integers, no floats."""
    if samples.dtype == np.uint8:
        return samples
    return ((samples.astype(np.int64) * 2 + 257) // 514).astype(np.uint8)


def random_samples(rng, shape, depth):
    return rng.integers(0, 1 << depth, shape, dtype=np.uint16 if depth == 16 else np.uint8)


def yuv_to_rgb(y, u, v):
    """Convert by BT.601 with limited range, as the standard writes it down."""
    kr, kb = 0.299, 0.114
    luma = (y.astype(float) - 16) / 219
    cb, cr = (u.astype(float) - 128) / 224, (v.astype(float) - 128) / 224
    red = luma + 2 * (1 - kr) * cr
    blue = luma + 2 * (1 - kb) * cb
    green = (luma - kr * red - kb * blue) / (1 - kr - kb)
    return np.clip(np.stack((red, green, blue), -1) * 255, 0, 255)


def bilinear_demosaic(mosaic, pattern):
    """Average the nearest samples of each colour in the 3 x 3 window; inner pixels only."""
    height, width = mosaic.shape
    out = np.zeros((height, width, 3))
    for row in range(1, height - 1):
        for column in range(1, width - 1):
            own = pattern[(row % 2) * 2 + column % 2]
            for channel, color in enumerate('rgb'):
                if color == own:
                    out[row, column, channel] = mosaic[row, column]
                    continue
                offsets = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)
                           if pattern[((row + dy) % 2) * 2 + (column + dx) % 2] == color]
                # Green at red and blue: the four at distance 1.  The diagonals only
                # hold the colour that is on no side.
                nearest = min(abs(dy) + abs(dx) for dy, dx in offsets)
                values = [float(mosaic[row + dy, column + dx]) for dy, dx in offsets
                          if abs(dy) + abs(dx) == nearest]
                out[row, column, channel] = np.mean(values)
    return out


def close(actual, expected, tolerance):
    assert actual.dtype == np.uint8 and actual.shape == expected.shape
    assert np.abs(actual.astype(float) - expected).max() <= tolerance


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('padding', [0, 1, 37])
@pytest.mark.parametrize(('encoding', 'order', 'depth'), PACKED)
def test_color_orders(rng, encoding, order, depth, padding, big):
    samples = random_samples(rng, (H, W, len(order)), depth)
    rows = samples_to_bytes(samples, big)
    step = rows.shape[1] + padding
    rgb = to_rgb(padded(rows, step), height=H, width=W, encoding=encoding, step=step,
                 is_bigendian=big)
    expected = to_8_bits(samples)[:, :, [order.index(color) for color in 'rgb']]
    close(rgb, expected, 0)


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize('encoding', ['mono8', 'mono16', '8UC1'])
def test_mono(rng, encoding, padding, big):
    samples = random_samples(rng, (H, W), 16 if encoding == 'mono16' else 8)
    rows = samples_to_bytes(samples, big)
    step = rows.shape[1] + padding
    rgb = to_rgb(padded(rows, step), height=H, width=W, encoding=encoding, step=step,
                 is_bigendian=big)
    close(rgb, np.repeat(to_8_bits(samples)[:, :, None], 3, 2), 0)


def test_mono16_scale_is_exact():
    values = np.arange(65536, dtype='<u2').reshape(256, 256)
    rgb = to_rgb(values.tobytes(), height=256, width=256, encoding='mono16', step=512)
    close(rgb[:, :, 1], to_8_bits(values.astype(np.uint16)), 0)
    assert rgb[0, 0, 0] == 0 and rgb[-1, -1, 0] == 255


@pytest.mark.parametrize(('encoding', 'order'), [('8UC3', 'bgr'), ('8UC4', 'bgra')])
def test_generic_types_are_in_opencv_order(rng, encoding, order):
    samples = random_samples(rng, (H, W, len(order)), 8)
    rgb = to_rgb(samples.tobytes(), height=H, width=W, encoding=encoding, step=W * len(order))
    close(rgb, samples[:, :, [2, 1, 0]], 0)


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize(('encoding', 'pattern', 'depth'), BAYER)
def test_bayer(rng, encoding, pattern, depth, padding, big):
    height, width = 9, 11  # odd sizes exist in region-of-interest modes
    mosaic = random_samples(rng, (height, width), depth)
    rows = samples_to_bytes(mosaic, big)
    step = rows.shape[1] + padding
    rgb = to_rgb(padded(rows, step), height=height, width=width, encoding=encoding, step=step,
                 is_bigendian=big)
    assert rgb.shape == (height, width, 3)
    expected = bilinear_demosaic(to_8_bits(mosaic), pattern)
    close(rgb[1:-1, 1:-1], expected[1:-1, 1:-1], 1)


@pytest.mark.parametrize('encoding', [name for name, _, _ in BAYER])
def test_bayer_flat_color_has_no_fringe(encoding):
    pattern, depth = encoding[6:10], int(encoding[10:])
    color = {'r': 200, 'g': 90, 'b': 30}
    mosaic = np.empty((8, 10), np.uint16 if depth == 16 else np.uint8)
    for index, name in enumerate(pattern):
        mosaic[index // 2::2, index % 2::2] = color[name] * (257 if depth == 16 else 1)
    rgb = to_rgb(mosaic, height=8, width=10, encoding=encoding, step=10 * depth // 8)
    assert (rgb == [200, 90, 30]).all()


@pytest.mark.parametrize('padding', [0, 1, 10])
@pytest.mark.parametrize(('encoding', 'order'), CHROMA_422.items())
def test_yuv_422(rng, encoding, order, padding):
    y = rng.integers(16, 236, (H, W))
    u, v = rng.integers(16, 241, (2, H, W // 2))
    rows = np.empty((H, W // 2, 4), np.uint8)
    luma = [index for index, name in enumerate(order) if name == 'Y']
    rows[:, :, luma[0]], rows[:, :, luma[1]] = y[:, 0::2], y[:, 1::2]
    rows[:, :, order.index('U')], rows[:, :, order.index('V')] = u, v
    step = 2 * W + padding
    rgb = to_rgb(padded(rows.reshape(H, -1), step), height=H, width=W, encoding=encoding,
                 step=step)
    close(rgb, yuv_to_rgb(y, u.repeat(2, 1), v.repeat(2, 1)), 2)


def semi_planar(rng, encoding):
    """Return luma rows, chroma rows and the picture they encode."""
    sub = 1 if encoding == 'nv24' else 2
    y = rng.integers(16, 236, (H, W))
    u, v = rng.integers(16, 241, (2, H // sub, W // sub))
    first, second = (v, u) if encoding == 'nv21' else (u, v)
    chroma = np.stack((first, second), -1).reshape(H // sub, -1)
    full = [plane.repeat(sub, 0).repeat(sub, 1) for plane in (u, v)]
    return y.astype(np.uint8), chroma.astype(np.uint8), yuv_to_rgb(y, *full)


@pytest.mark.parametrize('padding', [0, 1, 10])
@pytest.mark.parametrize('encoding', ['nv12', 'nv21', 'nv24'])
def test_semi_planar(rng, encoding, padding):
    luma, chroma, expected = semi_planar(rng, encoding)
    step = W + padding
    data = padded(luma, step) + padded(chroma, 2 * step if encoding == 'nv24' else step)
    close(to_rgb(data, height=H, width=W, encoding=encoding, step=step), expected, 2)


@pytest.mark.parametrize(('encoding', 'step'), [
    ('nv12', W * 3 // 2), ('nv21', W * 3 // 2), ('nv12', 2 * W), ('nv24', 3 * W)])
def test_semi_planar_step_that_counts_the_chroma(rng, encoding, step):
    luma, chroma, expected = semi_planar(rng, encoding)
    data = luma.tobytes() + chroma.tobytes()
    data = data.ljust(step * H, b'\0')  # some drivers reserve two bytes a pixel
    close(to_rgb(data, height=H, width=W, encoding=encoding, step=step), expected, 2)


def test_every_supported_encoding_is_tested_above():
    tested = {name for name, _, _ in PACKED + BAYER} | set(CHROMA_422)
    tested |= {'mono8', 'mono16', '8UC1', '8UC3', '8UC4', 'nv12', 'nv21', 'nv24'}
    assert tested == set(image.SUPPORTED)


def test_rgb8_is_a_view_with_padding_left_out():
    data = array('B', bytes(range(200)))
    rgb = to_rgb(data, height=3, width=5, encoding='rgb8', step=20)
    assert rgb.strides == (20, 3, 1)
    data[20] = 255
    assert rgb[1, 0, 0] == 255


@pytest.mark.parametrize('wrap', [
    bytes, bytearray, memoryview, lambda b: array('B', b), lambda b: np.frombuffer(b, np.uint8),
    lambda b: np.frombuffer(b, np.uint8).reshape(2, 2, 3),
    lambda b: np.frombuffer(b, np.uint8).repeat(2)[::2], lambda b: memoryview(b * 2)[:12],
])
def test_any_buffer(wrap):
    rgb = to_rgb(wrap(bytes(range(12))), height=2, width=2, encoding='bgr8', step=6)
    assert rgb.tolist() == [[[2, 1, 0], [5, 4, 3]], [[8, 7, 6], [11, 10, 9]]]


def test_last_row_may_lack_its_padding():
    rgb = to_rgb(bytes(10 + 6), height=2, width=2, encoding='rgb8', step=10)
    assert rgb.shape == (2, 2, 3)


def test_step_of_a_single_row_means_nothing():
    rgb = to_rgb(bytes(6), height=1, width=2, encoding='rgb8', step=2 ** 32 - 1)
    assert rgb.shape == (1, 2, 3)


@pytest.mark.parametrize(('kind', 'changes'), [
    ('size', {'width': 0}), ('size', {'height': 0}), ('size', {'width': -4}),
    ('size', {'encoding': 'yuyv', 'width': 3}), ('size', {'encoding': 'nv12', 'height': 3}),
    ('size', {'encoding': 'nv21', 'width': 3}), ('size', {'encoding': 'bayer_rggb8', 'width': 2}),
    ('too_large', {'width': 2 ** 32 - 1, 'height': 2 ** 32 - 1, 'step': 2 ** 32 - 1}),
    ('too_large', {'width': 8001, 'height': 8000, 'step': 24003}),
    ('too_large', {'width': 40000, 'height': 1, 'step': 120000}),
    ('step', {'step': 11}), ('step', {'step': 0}), ('step', {'encoding': 'rgb16', 'step': 23}),
    ('step', {'encoding': 'nv24', 'step': 3}),
    ('truncated', {'data': b''}), ('truncated', {'data': bytes(47)}),
    ('truncated', {'step': 2 ** 32 - 1}), ('truncated', {'encoding': 'rgb16', 'step': 24}),
    ('truncated', {'encoding': 'nv12', 'step': 4, 'data': bytes(23)}),
    ('truncated', {'encoding': 'nv24', 'step': 4, 'data': bytes(47)}),
    ('encoding', {'encoding': ''}), ('encoding', {'encoding': 'RGB8'}),
    ('encoding', {'encoding': 'rgb8\n\x1b[2J' + 'x' * 1000}),
])
def test_errors(kind, changes):
    fields = {'data': bytes(48), 'height': 4, 'width': 4, 'encoding': 'rgb8', 'step': 12}
    fields.update(changes)
    with pytest.raises(ImageError) as caught:
        to_rgb(fields.pop('data'), **fields)
    assert caught.value.kind == kind
    assert '\n' not in str(caught.value) and '\x1b' not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_unknown_encoding_names_the_supported_ones():
    with pytest.raises(ImageError) as caught:
        to_rgb(b'', height=1, width=1, encoding='32FC1', step=4)
    assert all(name in str(caught.value) for name in ('32FC1', *image.SUPPORTED))


@pytest.mark.parametrize('encoding', image.ENCODABLE)
def test_from_rgb_is_the_inverse(rng, encoding):
    picture = random_samples(rng, (H, W, 3), 8)
    if encoding == 'mono8':
        picture[:] = picture[:, :, :1]
    samples = from_rgb(picture[:, :], encoding)
    assert samples.flags.c_contiguous
    back = to_rgb(samples, height=H, width=W, encoding=encoding, step=samples.strides[0])
    assert (back == picture).all()


@pytest.mark.parametrize('encoding', image.ENCODABLE)
def test_a_single_pixel_has_colours_too(encoding):
    colour = [90, 90, 90] if encoding == 'mono8' else [200, 100, 50]
    picture = np.array([[colour]], np.uint8)
    samples = from_rgb(picture, encoding)
    back = to_rgb(samples, height=1, width=1, encoding=encoding, step=samples.nbytes)
    assert back.tolist() == picture.tolist()


@pytest.mark.parametrize('write', [encode_png, encode_jpeg])
def test_a_single_pixel_is_compressed_and_read(write):
    picture = np.full((1, 1, 3), 77, np.uint8)
    assert np.abs(decode(write(picture), 'jpeg').astype(int) - 77).max() < 3


sizes = st.one_of(st.integers(-1, 9), st.integers(0, 2 ** 32 - 1))


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=400), height=sizes, width=sizes, big=st.booleans(),
       encoding=st.one_of(st.sampled_from(image.SUPPORTED), st.text(max_size=12)),
       step=st.one_of(st.integers(0, 60), st.integers(0, 2 ** 32 - 1)))
def test_any_fields_give_a_picture_or_an_image_error(data, height, width, big, encoding, step):
    try:
        rgb = to_rgb(data, height=height, width=width, encoding=encoding, step=step,
                     is_bigendian=big)
    except ImageError as error:
        assert error.kind in ('size', 'step', 'encoding', 'truncated', 'too_large')
    else:
        assert rgb.shape == (height, width, 3) and rgb.dtype == np.uint8
