"""Bags in, bags out: both storages, both kinds of image, headers and times as they were."""

from contextlib import closing
import json
import shutil
import sqlite3
import struct
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
    COMPRESSED, compressed, header, IMAGE, picture, raw, read_bag, Reader, StoragePlugin, STORAGES,
    STORE, TYPES, write_bag, Writer)

pytestmark = pytest.mark.skipif(not STORAGES, reason='rosbags is not installed')
ALL = Renderer(('class-mask', 'mask', 'overlay', 'confidence'))


def run(source, target, renderer=ALL, **options):
    stats = StatsTable(CLASSES.labels, 'bands')
    bags.check(target, renderer)
    job = bags.BagSegmenter(FakeSegmenter(), renderer, mask_size=options.pop('mask_size', None))
    reports = []
    count = job.run(source, target, stats, report=reports.append,
                    progress=lambda messages, total: messages, **options)
    assert count == len(stats.rows)
    return stats, reports


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


def mcap_with(path, *, profile=None, encoding=None, source):
    """Copy an mcap with another profile in its header, or messages said to be otherwise coded."""
    data = source.read_bytes()
    if profile is not None:
        size, length = struct.unpack_from('<QI', data, 9)
        library = struct.unpack_from('<I', data, 21 + length)[0]
        # All offsets stay: what the profile loses, the library's name gains.
        name = data[25 + length:25 + length + library].ljust(library + length - len(profile))
        header = struct.pack('<I', len(profile)) + profile + struct.pack('<I', len(name)) + name
        assert len(header) == size
        data = data[:17] + header + data[17 + size:]
    if encoding is not None:
        # Channels lie in the summary, which has no checksum.
        data = data.replace(struct.pack('<I', 3) + b'cdr', struct.pack('<I', 3) + encoding)
    path.write_bytes(data)
    return path


@pytest.fixture
def mcap(tmp_path):
    source = write_bag(tmp_path / 'in', {'/image': (IMAGE, [raw(0), raw(1)])})
    return source / 'in.mcap'


def test_an_mcap_without_profile_is_read(tmp_path, mcap):
    source = mcap_with(tmp_path / 'recovered.mcap', profile=b'', source=mcap)
    stats, _ = run(source, tmp_path / 'out')
    assert len(stats.rows) == 2
    expected = read_bag(tmp_path / 'out')
    run(mcap, tmp_path / 'out2')
    for topic, (_, messages) in read_bag(tmp_path / 'out2').items():
        assert str(messages) == str(expected[topic][1])


@pytest.mark.parametrize(('profile', 'message'), [
    (b'ros1', 'recording of ROS 1: "rosbags-convert'), (b'px4', "a recording of 'px4'")])
def test_mcaps_of_others_are_named(tmp_path, mcap, profile, message):
    source = mcap_with(tmp_path / 'other.mcap', profile=profile, source=mcap)
    with pytest.raises(MediaError, match=message):
        run(source, tmp_path / 'out')


def test_messages_that_are_not_ros2s_are_named(tmp_path, mcap):
    source = mcap_with(tmp_path / 'other.mcap', encoding=b'xyz', source=mcap)
    with pytest.raises(MediaError, match='serialised as xyz, not as ROS 2 does'):
        run(source, tmp_path / 'out')


def test_two_connections_of_one_topic_are_both_read(tmp_path):
    with Writer(tmp_path / 'in', version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        # As merged recordings have them: the same name and type, another publisher.
        for index in range(2):
            connection = writer.add_connection(
                '/image', IMAGE, typestore=STORE, offered_qos_profiles=[qos(index + 1)])
            for number in range(3):
                writer.write(connection, 1000 + 10 * index + number,
                             STORE.serialize_cdr(raw(number), IMAGE))
    stats, _ = run(tmp_path / 'in' / 'in.mcap', tmp_path / 'out')
    assert len(stats.rows) == 6
    assert len(read_bag(tmp_path / 'out')['/segmentation/class_mask'][1]) == 6


def qos(depth):
    from rosbags.interfaces import (
        Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime)
    return Qos(QosHistory.KEEP_LAST, depth, QosReliability.RELIABLE, QosDurability.VOLATILE,
               QosTime(0, 0), QosTime(0, 0), QosLiveliness.AUTOMATIC, QosTime(0, 0),
               avoid_ros_namespace_conventions=False)


@pytest.mark.parametrize('storage', STORAGES)
def test_compressed_images_beside_an_empty_raw_topic_are_taken(tmp_path, storage):
    source = write_bag(tmp_path / 'in', {
        '/image': (IMAGE, []),
        '/image/compressed': (COMPRESSED, [compressed(index) for index in range(4)])}, storage)
    stats, _ = run(source, tmp_path / 'out')
    assert len(stats.rows) == 4


def test_a_bag_without_metadata_is_its_one_file(tmp_path):
    topics = {'/image': (IMAGE, [raw(0)])}
    source = write_bag(tmp_path / 'in', topics)
    (source / 'metadata.yaml').unlink()
    (source / '._in.mcap').write_bytes(b'of macOS')
    stats, _ = run(source, tmp_path / 'out')
    assert len(stats.rows) == 1
    (source / 'in_1.mcap').write_bytes((source / 'in.mcap').read_bytes())
    with pytest.raises(MediaError, match='2 recordings: "ros2 bag reindex'):
        run(source, tmp_path / 'out2')


def test_a_bag_whose_files_were_renamed_names_reindex(tmp_path):
    source = write_bag(tmp_path / 'in', {'/image': (IMAGE, [raw(0)])})
    (source / 'in.mcap').rename(source / 'drive.mcap')
    with pytest.raises(MediaError, match='"ros2 bag reindex'):
        run(source, tmp_path / 'out')


@pytest.mark.parametrize('whole_folder', [True, False])
def test_a_cut_off_mcap_names_what_saves_it(tmp_path, mcap, whole_folder):
    mcap.write_bytes(mcap.read_bytes()[:-200])
    with pytest.raises(MediaError, match='cut off, "mcap recover'):
        run(mcap.parent if whole_folder else mcap, tmp_path / 'out')


@pytest.mark.parametrize('whole_folder', [True, False])
def test_messages_that_a_crash_left_in_sqlites_journal_are_not_passed_over(tmp_path, whole_folder):
    bag = write_bag(tmp_path / 'in', {'/image': (IMAGE, [raw(0), raw(1)])}, StoragePlugin.SQLITE3)
    with closing(sqlite3.connect(bag / 'in.db3')) as recorder:
        recorder.execute('PRAGMA journal_mode=WAL')
        recorder.execute('INSERT INTO messages(topic_id, timestamp, data) '
                         'SELECT topic_id, timestamp + 1000, data FROM messages')
        recorder.commit()
        # As they lie on the disk while the recorder runs, and when it is killed.
        killed = tmp_path / 'killed'
        shutil.copytree(bag, killed)
    source = killed if whole_folder else killed / 'in.db3'
    with pytest.raises(MediaError, match='"sqlite3 .*in.db3 .PRAGMA wal_checkpoint') as caught:
        run(source, tmp_path / 'out')
    assert 'in.db3-wal' in str(caught.value) and '\n' not in str(caught.value)
    with closing(sqlite3.connect(killed / 'in.db3')) as tool:
        tool.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    stats, _ = run(killed / 'in.db3', tmp_path / 'out')
    assert len(stats.rows) == 4


@pytest.mark.parametrize(('name', 'data', 'message'), [
    ('x.bag', b'#ROSBAG V2.0\n', '"rosbags-convert --src'),
    ('x.db3.zstd', b'(\xb5/\xfd', '"zstd -d'),
    ('x.mcap', b'\x89MCAP0\r\n\1', 'cut off within its first record')])
def test_recordings_that_need_a_tool(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    for source in (tmp_path / name, tmp_path):
        with pytest.raises(MediaError, match=message):
            run(source, tmp_path / 'out')
