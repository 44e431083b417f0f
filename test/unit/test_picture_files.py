"""The one reader of picture files: content before names, upright, whole or refused by name."""

from io import BytesIO
import struct

import cv2
from fcn_seg_ros.errors import MediaError
from fcn_seg_ros.images.files import is_picture_name, PICTURE_SUFFIXES, read_picture
from fcn_seg_ros.images.raw import MAX_PIXELS
import numpy as np
from PIL import features, Image
import pytest

H, W = 24, 40
LOSSLESS = {'PNG': {}, 'TIFF': {}, 'TIFF deflate': {'compression': 'tiff_deflate'},
            'BMP': {}, 'PPM': {}, 'WEBP': {'lossless': True}}
FORMATS = [*LOSSLESS, 'JPEG']


def picture():
    """Return an RGB picture that JPEG can code with small errors, no side like another."""
    y, x = np.mgrid[0:H, 0:W]
    return np.stack((x * 6, y * 10, 255 - x * 6), -1).astype(np.uint8)


def encoded(name, orientation=1):
    if name == 'WEBP' and not features.check('webp'):
        pytest.skip('this Pillow writes no WebP')
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = LOSSLESS.get(name, {'quality': 95, 'subsampling': 0})
    file = BytesIO()
    Image.fromarray(picture()).save(
        file, name.split()[0], **options, **({'exif': exif} if orientation > 1 else {}))
    return file.getvalue()


def write(tmp_path, data, name='picture.jpg'):
    (tmp_path / name).write_bytes(data)
    return tmp_path / name


def refused(path):
    with pytest.raises(MediaError) as caught:
        read_picture(path)
    assert str(path) in str(caught.value) and '\n' not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize('suffix', ['.png', '.jpg', '.tiff', ''])
@pytest.mark.parametrize('name', FORMATS)
def test_content_decides_what_a_file_is(tmp_path, name, suffix):
    rgb = read_picture(write(tmp_path, encoded(name), f'a{suffix}'))
    assert rgb.dtype == np.uint8 and rgb.flags.c_contiguous
    assert np.abs(rgb.astype(int) - picture()).max() <= (0 if name in LOSSLESS else 12)


UPRIGHT = {2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1], 4: lambda p: p[::-1],
           5: lambda p: p.transpose(1, 0, 2), 6: lambda p: np.rot90(p, -1),
           7: lambda p: np.rot90(p, 2).transpose(1, 0, 2), 8: np.rot90}


@pytest.mark.parametrize('orientation', UPRIGHT)
@pytest.mark.parametrize('name', ['JPEG', 'PNG', 'TIFF', 'WEBP'])
def test_pictures_come_upright(tmp_path, name, orientation):
    rgb = read_picture(write(tmp_path, encoded(name, orientation)))
    expected = UPRIGHT[orientation](picture())
    assert rgb.shape == expected.shape
    assert np.abs(rgb.astype(int) - expected).max() <= (0 if name in LOSSLESS else 12)


@pytest.mark.parametrize('name', FORMATS)
def test_a_file_that_is_cut_short_is_refused_by_name(tmp_path, name):
    data = encoded(name)
    for length in (0, 5, len(data) // 2, len(data) - 3):
        refused(write(tmp_path, data[:length]))


@pytest.mark.parametrize('name', ['JPEG', 'PNG', 'WEBP'])
def test_what_follows_the_end_of_a_picture_is_no_part_of_it(tmp_path, name):
    # Markers of scans, as a video that a phone appends has them by chance.
    tail = b'\0\0\0\x18ftypmp42' + b'\xff\xda\0\x08' * 200 + b'\xff\xd9'
    rgb = read_picture(write(tmp_path, encoded(name) + tail))
    assert np.array_equal(rgb, read_picture(write(tmp_path, encoded(name))))


@pytest.mark.parametrize('name', ['PNG', 'TIFF', 'PPM'])
def test_sixteen_bit_grey_is_scaled(tmp_path, name):
    levels = np.arange(H * W, dtype=np.uint16).reshape(H, W) * 60
    file = BytesIO()
    if name == 'PPM':  # which older versions of Pillow read, but do not write
        file.write(b'P5 %d %d 65535 %s' % (W, H, levels.astype('>u2').tobytes()))
    else:
        Image.fromarray(levels).save(file, name)
    rgb = read_picture(write(tmp_path, file.getvalue()))
    assert np.abs(rgb - (levels / 257)[..., None]).max() <= 1


def test_sixteen_bit_colour_of_a_tiff(tmp_path):
    levels = picture().astype(np.uint16) * 257
    data = cv2.imencode('.tif', levels[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 1])[1]
    assert np.array_equal(read_picture(write(tmp_path, data.tobytes())), picture())


@pytest.mark.parametrize('mode', ['1', 'L', 'LA', 'P', 'RGBA', 'CMYK'])
def test_other_kinds_of_pixels(tmp_path, mode):
    image = Image.fromarray(picture()).convert(mode)
    if mode == 'RGBA':
        image.putalpha(0)  # transparent pixels keep their colour
    image.save(tmp_path / 'a', 'TIFF')
    expected = image.convert('RGB') if mode != 'LA' else image.convert('L').convert('RGB')
    assert np.array_equal(read_picture(tmp_path / 'a'), np.asarray(expected))


@pytest.mark.parametrize('data', [b'', b'text', b'GIF89a' + bytes(100), bytes(1000), b'II*\0',
                                  b'BM' + bytes(60), b'P6 2 2 255 ', b'RIFF\x10\0\0\0WEBPxxxx'])
def test_what_is_no_picture_is_refused_by_name(tmp_path, data):
    refused(write(tmp_path, data))


def test_a_file_that_is_not_there_and_a_folder(tmp_path):
    assert 'No such file' in refused(tmp_path / 'nothing.jpg')
    assert 'directory' in refused(tmp_path)
    assert refused(write(tmp_path, b'')).endswith('it is empty')


def webp_claiming(width, height):
    canvas = (width - 1).to_bytes(3, 'little') + (height - 1).to_bytes(3, 'little')
    return struct.pack('<4sI8sI4x', b'RIFF', 22, b'WEBPVP8X', 10) + canvas


def bmp_claiming(width, height):
    return b'BM' + struct.pack('<IHHIIiiHHIIiiII', 154, 0, 0, 54, 40, width, height, 1, 24, 0,
                               100, 1, 1, 0, 0) + bytes(100)


@pytest.mark.parametrize('data', [
    webp_claiming(9000, 9000), bmp_claiming(9000, 9000), b'P6 9000 9000 255\n' + bytes(100)])
def test_a_bomb_is_not_decoded(tmp_path, monkeypatch, data):
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: pytest.fail('the bomb went off'))
    monkeypatch.setattr(Image.Image, 'load', lambda *_: pytest.fail('the bomb went off'))
    assert str(MAX_PIXELS) in refused(write(tmp_path, data))


def test_names_of_pictures():
    # Browsers save JPEG as .jfif; PNM has a name for each kind of pixels, and one for all.
    assert {'.jpg', '.jfif', '.png', '.tif', '.pgm', '.pnm'} <= set(PICTURE_SUFFIXES)
    for suffix in PICTURE_SUFFIXES:
        assert is_picture_name(f'some/folder/a{suffix}') and is_picture_name(f'A{suffix.upper()}')
    for name in ('._a.jpg', '.DS_Store', 'a.txt', 'folder/.a.png', 'jpg'):
        assert not is_picture_name(name)


@pytest.mark.parametrize('form', ['PNG', 'WEBP'])
def test_of_a_moving_picture_the_first_is_read(tmp_path, form):
    first, second = (Image.new('RGB', (32, 16), color) for color in ((200, 0, 0), (0, 0, 200)))
    first.save(tmp_path / 'moving.jpg', form, save_all=True, append_images=[second],
               duration=100, lossless=True)
    with Image.open(tmp_path / 'moving.jpg') as file:
        assert file.n_frames == 2
    assert (read_picture(tmp_path / 'moving.jpg') == (200, 0, 0)).all()
