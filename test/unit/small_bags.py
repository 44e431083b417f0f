"""Bags of both storages: two kinds of image to write, all that is in a bag, and its masks."""

from importlib.util import find_spec

from fake_segmenter import CLASSES, FakeSegmenter
from fcn_seg_ros.images.compressed import encode_png
from fcn_seg_ros.offline import bags
from fcn_seg_ros.offline.render import Renderer
from fcn_seg_ros.offline.stats import StatsTable
import numpy as np

# Not pytest.importorskip(): plugins of ROS 2 import modules to look for tests of their own, and
# skip the whole folder then.
if find_spec('rosbags'):
    from rosbags.rosbag2 import Reader, StoragePlugin, Writer
    from rosbags.typesys import get_typestore, Stores
    STORE = get_typestore(Stores.LATEST)
    TYPES = STORE.types
    STORAGES = [StoragePlugin.MCAP, StoragePlugin.SQLITE3]
else:
    Reader = StoragePlugin = Writer = STORE = None
    TYPES, STORAGES = {}, []

IMAGE, COMPRESSED = bags.IMAGE, bags.COMPRESSED
ALL = Renderer(('class-mask', 'mask', 'overlay', 'confidence'))


def picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def header(index):
    time = TYPES['builtin_interfaces/msg/Time'](sec=100 + index, nanosec=999_999_990 + index)
    return TYPES['std_msgs/msg/Header'](stamp=time, frame_id=f'camera {index} é')


def raw(index, *, encoding='bgr8', step=97):
    pixels = picture(index)
    rows = np.zeros((20, step), np.uint8)
    rows[:, :90] = pixels[:, :, ::-1].reshape(20, 90)
    return TYPES[IMAGE](header=header(index), height=20, width=30, encoding=encoding,
                        is_bigendian=0, step=step, data=rows.reshape(-1))


def compressed(index, data=None):
    data = encode_png(picture(index)) if data is None else data
    return TYPES[COMPRESSED](header=header(index), format='rgb8; png compressed bgr8',
                             data=np.frombuffer(data, np.uint8))


def write_bag(path, topics, storage=STORAGES and STORAGES[0]):
    """Write {topic: (type, messages)}, the n-th message of each at time 1000 + n."""
    with Writer(path, version=8, storage_plugin=storage) as writer:
        connections = {topic: writer.add_connection(topic, msgtype, typestore=STORE)
                       for topic, (msgtype, _) in topics.items()}
        for topic, (msgtype, messages) in topics.items():
            for index, message in enumerate(messages):
                data = message if isinstance(message, bytes) else \
                    STORE.serialize_cdr(message, msgtype)
                writer.write(connections[topic], 1000 + index, data)
    return path


def read_bag(path):
    """Return {topic: (type, [(time, message)])}."""
    store = bags._typestore()
    out = {}
    with Reader(path) as reader:
        for connection in reader.connections:
            out[connection.topic] = connection.msgtype, []
        for connection, time, data in reader.messages():
            out[connection.topic][1].append(
                (time, store.deserialize_cdr(data, connection.msgtype)))
    return out


def run(source, target, renderer=ALL, **options):
    """Segment a bag, and return the table of shares and the lines that were reported."""
    stats = StatsTable(CLASSES.labels, 'bands')
    bags.check(target, renderer)
    job = bags.BagSegmenter(FakeSegmenter(), renderer, mask_size=options.pop('mask_size', None))
    reports = []
    count = job.run(source, target, stats, report=reports.append,
                    progress=lambda messages, total: messages, **options)
    assert count == len(stats.rows)
    return stats, reports
