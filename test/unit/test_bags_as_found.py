"""Recordings as they are found: merged, cut off, renamed, zipped, without metadata.yaml."""

from contextlib import closing
import shutil
import sqlite3
import struct

from fcn_seg_ros.errors import MediaError
from fcn_seg_ros.offline.kinds import kind_of
import numpy as np
import pytest
from small_bags import (
    COMPRESSED, compressed, header, IMAGE, raw, read_bag, run, StoragePlugin, STORAGES, STORE,
    TYPES, write_bag, Writer)

pytestmark = pytest.mark.skipif(not STORAGES, reason='rosbags is not installed')


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


@pytest.mark.parametrize('storage', STORAGES)
@pytest.mark.parametrize('name', ['recording', 'a.MCAP', 'a.db3', 'a.mcap', 'a.jpg'])
def test_content_decides_how_a_recording_is_read(tmp_path, storage, name):
    source = write_bag(tmp_path / 'in', {'/image': (IMAGE, [raw(0)])}, storage)
    suffix = '.mcap' if storage == StoragePlugin.MCAP else '.db3'
    (source / f'in{suffix}').rename(tmp_path / name)
    assert kind_of(tmp_path / name) == 'bag'
    stats, _ = run(tmp_path / name, tmp_path / 'out')
    assert len(stats.rows) == 1
    assert (tmp_path / 'out' / f'out{suffix}').is_file()


def test_two_topics_of_one_camera_are_not_mixed(tmp_path):
    topics = {'/image': (IMAGE, []), '/image/compressed': (COMPRESSED, [])}
    source = write_bag(tmp_path / 'empty', topics)
    with pytest.raises(MediaError, match='holds no image that can be used'):
        run(source, tmp_path / 'out')
    topics = {'/image': (IMAGE, [raw(0)]), '/image/compressed': (COMPRESSED, [compressed(0)])}
    source = write_bag(tmp_path / 'in', topics)
    with pytest.raises(MediaError, match='are of one camera: choose one'):
        run(source, tmp_path / 'out', topics=list(topics))


def test_a_bag_of_depth_alone_is_named(tmp_path):
    depth = TYPES[COMPRESSED](header=header(0), format='16UC1; compressedDepth png',
                              data=np.zeros(20, np.uint8))
    source = write_bag(tmp_path / 'in', {
        '/image': (IMAGE, []), '/depth/compressedDepth': (COMPRESSED, [depth])})
    with pytest.raises(MediaError, match='holds no image that can be used'):
        run(source, tmp_path / 'out')
    source = write_bag(tmp_path / 'in2', {'/depth/compressedDepth': (COMPRESSED, [depth])})
    with pytest.raises(MediaError, match='no camera images, but depth: /depth/compressedDepth'):
        run(source, tmp_path / 'out')


@pytest.mark.parametrize('storage', STORAGES)
def test_zipped_messages_need_the_metadata(tmp_path, storage):
    from rosbags.rosbag2.enums import CompressionFormat, CompressionMode
    writer = Writer(tmp_path / 'in', version=8, storage_plugin=storage)
    writer.set_compression(CompressionMode.MESSAGE, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection('/image', IMAGE, typestore=STORE)
        writer.write(connection, 1000, STORE.serialize_cdr(raw(0), IMAGE))
    stats, _ = run(tmp_path / 'in', tmp_path / 'out')
    assert len(stats.rows) == 1
    (tmp_path / 'in/metadata.yaml').unlink()
    with pytest.raises(MediaError, match='zipped, and the metadata.yaml that says so is missing'):
        run(tmp_path / 'in', tmp_path / 'out2')


@pytest.mark.parametrize('opened', ['.', 'in.db3', 'walk.sqlite'])
def test_messages_that_a_crash_left_in_sqlites_journal_are_not_passed_over(tmp_path, opened):
    bag = write_bag(tmp_path / 'in', {'/image': (IMAGE, [raw(0), raw(1)])}, StoragePlugin.SQLITE3)
    with closing(sqlite3.connect(bag / 'in.db3')) as recorder:
        recorder.execute('PRAGMA journal_mode=WAL')
        recorder.execute('INSERT INTO messages(topic_id, timestamp, data) '
                         'SELECT topic_id, timestamp + 1000, data FROM messages')
        recorder.commit()
        # As they lie on the disk while the recorder runs, and when it is killed.
        killed = tmp_path / 'killed'
        shutil.copytree(bag, killed)
    name = 'in.db3' if opened == '.' else opened
    for suffix in ('', '-wal'):
        (killed / f'in.db3{suffix}').rename(killed / f'{name}{suffix}')
    with pytest.raises(MediaError, match=f'"sqlite3 .*{name} .PRAGMA wal_checkpoint') as caught:
        run(killed / opened, tmp_path / 'out')
    assert f'{name}-wal' in str(caught.value) and '\n' not in str(caught.value)
    with closing(sqlite3.connect(killed / name)) as tool:
        tool.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    stats, _ = run(killed / name, tmp_path / 'out')
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
