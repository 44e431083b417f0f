"""Bags in, bags out: both storages, both kinds of image, headers and times as they were."""

import json
import sys

from fake_segmenter import CLASSES, FakeSegmenter
from fcn_seg_ros.errors import MediaError
from fcn_seg_ros.images.compressed import decode, encode_jpeg
from fcn_seg_ros.offline import bags
from fcn_seg_ros.offline.render import Renderer
from fcn_seg_ros.offline.stats import StatsTable
from fcn_seg_ros.support.paths import share_dir
import numpy as np
import pytest
from small_bags import (
    ALL, COMPRESSED, compressed, header, IMAGE, picture, raw, read_bag, Reader, run,
    StoragePlugin, STORAGES, TYPES, write_bag)

pytestmark = pytest.mark.skipif(not STORAGES, reason='rosbags is not installed')


@pytest.mark.parametrize('storage', STORAGES)
def test_raw_images(tmp_path, storage):
    source = write_bag(tmp_path / 'in', {
        '/camera/image_raw': (IMAGE, [raw(0), raw(1), raw(2)]),
        '/note': ('std_msgs/msg/String', [TYPES['std_msgs/msg/String'](data='x')])}, storage)
    stats, reports = run(source, tmp_path / 'out')
    bag = read_bag(tmp_path / 'out')
    assert reports == []
    assert set(bag) == {f'/segmentation/{name}' for name in (
        'class_mask', 'color_mask', 'overlay', 'confidence', 'class_fractions')}
    suffix = '.mcap' if storage == StoragePlugin.MCAP else '.db3'
    assert (tmp_path / 'out' / f'out{suffix}').is_file()
    for index in range(3):
        expected = FakeSegmenter()(picture(index))
        for topic, pixels in (('class_mask', expected.class_mask),
                              ('color_mask', expected.color_mask),
                              ('overlay', expected.overlay(0.5)),
                              ('confidence', expected.confidence)):
            time, message = bag[f'/segmentation/{topic}'][1][index]
            assert time == 1000 + index and message.header == header(index)
            assert (message.height, message.width) == (20, 30)
            assert message.encoding == ('mono8' if pixels.ndim == 2 else 'rgb8')
            assert message.step * 20 == len(message.data)
            assert (message.data == pixels.reshape(-1)).all()


def test_fractions_equal_the_masks_histogram(tmp_path):
    source = write_bag(tmp_path / 'in', {'/image': (IMAGE, [raw(0)])})
    stats, _ = run(source, tmp_path / 'out', mask_size=(10, 15))
    bag = read_bag(tmp_path / 'out')
    _, fractions = bag['/segmentation/class_fractions'][1][0]
    mask = bag['/segmentation/class_mask'][1][0][1]
    assert (mask.height, mask.width) == (10, 15)
    assert fractions.header == header(0)
    assert (fractions.network, fractions.pixels) == ('bands', 150)
    assert [entry.label for entry in fractions.classes] == list(CLASSES.labels)
    for entry in fractions.classes:
        assert entry.fraction == pytest.approx((mask.data == entry.class_id).mean())
    total = fractions.unknown + sum(entry.fraction for entry in fractions.classes)
    assert total == pytest.approx(1) and len(fractions.regions) == 0
    assert stats.rows[0][0] == '/image 100.999999990'


def test_messages_are_those_that_ros_generated(tmp_path):
    messages = pytest.importorskip('fcn_seg_ros.msg')
    from rclpy.serialization import deserialize_message
    source = write_bag(tmp_path / 'in', {'/image': (IMAGE, [raw(3)])})
    run(source, tmp_path / 'out')
    with Reader(tmp_path / 'out') as reader:
        connection, = (c for c in reader.connections if c.msgtype == bags.FRACTIONS)
        (_, _, data), = reader.messages([connection])
    message = deserialize_message(bytes(data), messages.ClassFractions)
    assert message.header.frame_id == 'camera 3 é' and message.header.stamp.sec == 103
    assert [entry.label for entry in message.classes] == list(CLASSES.labels)
    generated = share_dir() / 'msg' / 'ClassFractions.json'
    if generated.is_file():  # installed, of a ROS that has type hashes
        hashes = json.loads(generated.read_text())['type_hashes']
        assert connection.digest in [entry['hash_string'] for entry in hashes]


def test_compressed_images_give_compressed_results(tmp_path):
    source = write_bag(tmp_path / 'in', {'/camera/compressed': (COMPRESSED, [compressed(4)])})
    run(source, tmp_path / 'out')
    bag = read_bag(tmp_path / 'out')
    assert bag['/segmentation/class_mask/compressed'][0] == COMPRESSED
    expected = FakeSegmenter()(picture(4))
    for topic, pixels in (('class_mask', expected.class_mask[:, :, None]),
                          ('color_mask', expected.color_mask),
                          ('confidence', expected.confidence[:, :, None])):
        _, message = bag[f'/segmentation/{topic}/compressed'][1][0]
        assert message.header == header(4) and 'png' in message.format
        assert (decode(message.data, message.format) == pixels).all()
    _, overlay = bag['/segmentation/overlay/compressed'][1][0]
    assert overlay.format == 'rgb8; jpeg compressed bgr8'
    assert decode(overlay.data, overlay.format).shape == (20, 30, 3)


def test_several_cameras_and_the_choice_of_topics(tmp_path):
    source = write_bag(tmp_path / 'in', {
        '/front/image': (IMAGE, [raw(0)]),
        '/front/image/compressed': (COMPRESSED, [compressed(0)]),
        '/rear/image/compressed': (COMPRESSED, [compressed(1)])})
    only = Renderer(('class-mask',))
    run(source, tmp_path / 'all', only)
    assert set(read_bag(tmp_path / 'all')) == {
        '/segmentation/front/image/class_mask', '/segmentation/front/image/class_fractions',
        '/segmentation/rear/image/class_mask/compressed',
        '/segmentation/rear/image/class_fractions'}
    run(source, tmp_path / 'one', only, topics=['/front/image/compressed'])
    assert set(read_bag(tmp_path / 'one')) == {
        '/segmentation/class_mask/compressed', '/segmentation/class_fractions'}
    with pytest.raises(MediaError, match="no image topic '/side', its image topics: /front/image"):
        run(source, tmp_path / 'none', only, topics=['/side'])
    assert not (tmp_path / 'none').exists()


def test_images_that_cannot_be_used_are_left_out_and_reported(tmp_path):
    jpeg = encode_jpeg(picture(0))
    source = write_bag(tmp_path / 'in', {
        '/image': (IMAGE, [raw(0), raw(1, step=90), raw(2, encoding='rgb16'), b'\0\1\0\0abc']),
        '/depth': (IMAGE, [raw(0, encoding='16UC1')] * 2),
        '/jpeg': (COMPRESSED, [compressed(0, jpeg[:-40]), compressed(1)])})
    stats, reports = run(source, tmp_path / 'out')
    assert len(stats.rows) == 3
    assert reports[0].startswith("/depth: left out 2 images: encoding '16UC1'")
    assert reports[1].startswith('/image: left out 2 images')
    assert reports[2].startswith('/jpeg: left out 1 image: JPEG image is truncated')


def test_a_bag_of_nothing_usable_leaves_nothing_behind(tmp_path):
    source = write_bag(tmp_path / 'in', {'/depth': (IMAGE, [raw(0, encoding='16UC1')])})
    with pytest.raises(MediaError, match="no image that can be used: encoding '16UC1'"):
        run(source, tmp_path / 'out')
    source = write_bag(tmp_path / 'in2', {
        '/note': ('std_msgs/msg/String', [TYPES['std_msgs/msg/String'](data='x')])})
    with pytest.raises(MediaError, match='has no topic of sensor_msgs/msg/Image'):
        run(source, tmp_path / 'out')
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ['in', 'in2']


def test_an_interruption_leaves_nothing_behind(tmp_path):
    source = write_bag(tmp_path / 'in', {'/image': (IMAGE, [raw(0), raw(1)])})

    def stop_after_one(messages, total):
        yield next(messages)
        raise KeyboardInterrupt

    job = bags.BagSegmenter(FakeSegmenter(), ALL)
    with pytest.raises(KeyboardInterrupt):
        job.run(source, tmp_path / 'out', StatsTable(CLASSES.labels, ''), progress=stop_after_one)
    assert [entry.name for entry in tmp_path.iterdir()] == ['in']


@pytest.mark.parametrize('storage', STORAGES)
def test_damaged_bags_are_one_clear_error(tmp_path, storage):
    topics = {'/image': (IMAGE, [raw(index) for index in range(8)])}
    rng = np.random.default_rng(0)
    for attempt in range(12):
        source = write_bag(tmp_path / f'in{attempt}', topics, storage)
        file = next(entry for entry in source.iterdir() if entry.suffix in ('.mcap', '.db3'))
        data = bytearray(file.read_bytes())
        if attempt % 2:
            del data[int(rng.integers(0, len(data))):]
        else:
            for at in rng.integers(0, len(data), 40):
                data[at] = rng.integers(0, 256)
        file.write_bytes(data)
        try:
            run(source, tmp_path / f'out{attempt}')
        except MediaError as error:
            assert '\n' not in str(error)
            assert not (tmp_path / f'out{attempt}').exists()


def test_checks_before_anything_is_loaded(tmp_path, monkeypatch):
    with pytest.raises(MediaError, match='exists already'):
        bags.check(tmp_path, ALL)
    with pytest.raises(MediaError, match='for pictures and videos'):
        bags.check(tmp_path / 'out', Renderer(legend=True))
    monkeypatch.setitem(sys.modules, 'rosbags', None)
    monkeypatch.setattr(bags, 'find_spec', lambda name: None)
    with pytest.raises(MediaError, match='pip install rosbags'):
        bags.check(tmp_path / 'out', ALL)


def test_missing_metadata(tmp_path):
    source = write_bag(tmp_path / 'in', {'/image': (IMAGE, [raw(0)])})
    stats, _ = run(source / 'in.mcap', tmp_path / 'out')  # a file on its own will do
    assert len(stats.rows) == 1
    (source / 'metadata.yaml').write_text('nonsense: [')
    with pytest.raises(MediaError, match='cannot read the bag'):
        run(source, tmp_path / 'out2')
