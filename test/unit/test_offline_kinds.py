"""What an input is: what lies on the disk first, then its content, then its name."""

import os

from fcn_seg_ros.errors import MediaError
from fcn_seg_ros.images.compressed import encode_jpeg
from fcn_seg_ros.offline.kinds import kind_of, list_images, local_source
from fcn_seg_ros.offline.sources import play, read_image
import numpy as np
from PIL import Image
import pytest

PICTURE = np.full((8, 12, 3), (200, 100, 50), np.uint8)


def test_a_folder_of_digits_is_no_camera(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / '00').mkdir()
    assert kind_of('00') == 'images'
    assert kind_of('1') == 'device' and kind_of('/dev/video99') == 'device'
    (tmp_path / '1').write_bytes(encode_jpeg(PICTURE))
    assert kind_of('1') == 'image'


@pytest.mark.parametrize('name', ['[set]', 'what?', 'a*b'])
def test_a_folder_named_like_a_pattern_is_a_folder(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / 'a.jpg').write_bytes(encode_jpeg(PICTURE))
    assert kind_of(tmp_path / name) == 'images'
    assert list_images(tmp_path / name) == (tmp_path / name, [tmp_path / name / 'a.jpg'])
    assert kind_of(tmp_path / name / 'a.jpg') == 'image'


@pytest.mark.parametrize('kind', ['WEBP', 'PNG', 'TIFF', 'BMP', 'PPM', 'JPEG'])
@pytest.mark.parametrize('name', ['photo.jpg', 'photo.mp4', 'photo'])
def test_content_says_what_a_picture_is(tmp_path, kind, name):
    path = tmp_path / name
    options = {'lossless': True} if kind == 'WEBP' else {}
    Image.fromarray(PICTURE).save(path, format=kind, **options)
    assert kind_of(path) == 'image'
    assert np.abs(read_image(path).astype(int) - PICTURE).max() < 8


@pytest.mark.parametrize(('data', 'kind'), [
    (b'\x89MCAP0\r\n', 'bag'), (b'SQLite format 3\0', 'bag'), (b'#ROSBAG V2.0\n', 'bag'),
    (b'\0\0\0\x20ftypisom', 'video'), (b'\x1aE\xdf\xa3', 'video'), (b'RIFF\0\0\0\0AVI ', 'video')])
def test_content_says_what_other_files_are(tmp_path, data, kind):
    (tmp_path / 'file').write_bytes(data.ljust(64, b'\0'))
    assert kind_of(tmp_path / 'file') == kind


@pytest.mark.parametrize('brand', [b'heic', b'mif1', b'avif'])
def test_pictures_of_phones_that_cannot_be_read_are_named(tmp_path, brand):
    (tmp_path / 'photo.jpg').write_bytes(b'\0\0\0\x18ftyp' + brand + bytes(40))
    with pytest.raises(MediaError, match='HEIC or AVIF picture, make it a JPEG'):
        kind_of(tmp_path / 'photo.jpg')


@pytest.mark.parametrize('name', ['x.mcap', 'x.DB3', 'x.db3.zstd', 'x.bag', 'x.mcap.zstd'])
def test_recordings_by_their_names(tmp_path, name):
    (tmp_path / name).write_bytes(b'damaged')
    assert kind_of(tmp_path / name) == kind_of(tmp_path) == 'bag'


def test_a_metadata_file_of_another_tool_makes_no_bag_of_a_folder_of_pictures(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(encode_jpeg(PICTURE))
    (tmp_path / 'metadata.yaml').write_text('title: pictures of a yard')
    assert kind_of(tmp_path) == 'images'
    (tmp_path / 'metadata.yaml').write_text('rosbag2_bagfile_information: {version: 9}')
    assert kind_of(tmp_path) == 'bag'
    (tmp_path / 'metadata.yaml').write_bytes(b'\xff\0')
    (tmp_path / 'a.mcap').write_bytes(b'')
    assert kind_of(tmp_path) == 'bag'


@pytest.mark.parametrize('name', ['walk.mjpeg', 'walk.MJPG'])
def test_pictures_one_after_the_other_are_a_video(tmp_path, name):
    pytest.importorskip('av')
    (tmp_path / name).write_bytes(encode_jpeg(PICTURE) * 5)
    assert kind_of(tmp_path / name) == 'video'
    assert len(list(play(tmp_path / name))) == 5


def test_hidden_files_are_no_pictures(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(encode_jpeg(PICTURE))
    for name in ('._a.jpg', '.DS_Store', '.b.png', '._x.mcap'):
        (tmp_path / name).write_bytes(b'\0\5\x16\7')
    assert kind_of(tmp_path) == 'images'
    assert list_images(tmp_path)[1] == [tmp_path / 'a.jpg']
    assert list_images(tmp_path / '*')[1] == [tmp_path / 'a.jpg']


def test_pictures_of_phones_are_listed_and_named_when_they_are_read(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(encode_jpeg(PICTURE))
    for name in ('b.HEIC', 'c.jpg'):
        (tmp_path / name).write_bytes(b'\0\0\0\x18ftypheic' + bytes(40))
    (tmp_path / '._d.heic').write_bytes(b'\0\5\x16\7')
    paths = list_images(tmp_path)[1]
    assert [path.name for path in paths] == ['a.jpg', 'b.HEIC', 'c.jpg']
    for path in paths[1:]:
        with pytest.raises(MediaError, match=f'{path.name}: it is a HEIC or AVIF picture'):
            read_image(path)


def test_names_that_begin_with_numbers_and_others_sort_together(tmp_path):
    for name in ('10.jpg', 'a2.jpg', '9.jpg', 'a10.jpg'):
        (tmp_path / name).write_bytes(encode_jpeg(PICTURE))
    assert [path.name for path in list_images(tmp_path)[1]] == [
        '9.jpg', '10.jpg', 'a2.jpg', 'a10.jpg']


@pytest.mark.parametrize(('address', 'hint'), [
    ('rtsp://camera/1', 'gscam'), ('rtsps://camera/1', 'gscam'), ('csi://0', 'CSI cameras'),
    ('https://example.org/a.mp4', 'save a video as a file'), ('display://0', 'RViz'),
    ('webrtc://@:8554/x', 'gscam'), ('rtp://@:1234', 'gscam'), ('gopro://1', 'camera driver')])
def test_addresses_name_the_driver(address, hint):
    with pytest.raises(MediaError, match=hint) as caught:
        kind_of(address)
    assert address in str(caught.value) and '\n' not in str(caught.value)


def test_addresses_of_this_machine_are_read(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(encode_jpeg(PICTURE))
    assert kind_of(f'file://{tmp_path}/a.jpg') == 'image'
    assert read_image(f'file://{tmp_path}/a.jpg').shape == PICTURE.shape
    assert kind_of('v4l2:///dev/video99') == 'device'
    assert local_source('v4l2:///dev/video99') == '/dev/video99'


def test_a_pipe_or_device_file_is_a_device_and_no_picture(tmp_path):
    os.mkfifo(tmp_path / 'pipe.jpg')
    assert kind_of(tmp_path / 'pipe.jpg') == 'device'


def test_a_link_to_nothing(tmp_path):
    (tmp_path / 'a.jpg').symlink_to(tmp_path / 'gone.jpg')
    with pytest.raises(MediaError, match='does not exist'):
        kind_of(tmp_path / 'a.jpg')


@pytest.mark.parametrize('pattern', ['f_%d.png', 'f_%i.png', 'f_%04d.png'])
def test_a_sequence_named_by_its_numbers(tmp_path, pattern):
    for name in ('f_0003.png', 'f_0011.png', 'f_x.png', 'g_0001.png'):
        Image.fromarray(PICTURE).save(tmp_path / name)
    assert kind_of(tmp_path / pattern) == 'images'
    assert [path.name for path in list_images(tmp_path / pattern)[1]] == [
        'f_0003.png', 'f_0011.png']
    (tmp_path / pattern).write_bytes(encode_jpeg(PICTURE))
    assert kind_of(tmp_path / pattern) == 'image'  # what is on the disk comes first
