"""rosbag2 recordings (mcap and sqlite3): camera images in, masks and shares out."""

from contextlib import contextmanager, ExitStack
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .render import ARRANGEMENTS, LOSSLESS
from ..errors import ImageError, MediaError
from ..images.compressed import decode, encode_jpeg, encode_png
from ..images.raw import to_rgb
from ..support.atomic_files import new_folder
from ..support.paths import PACKAGE, share_dir

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
FRACTIONS = f'{PACKAGE}/msg/ClassFractions'
NAMESPACE = '/segmentation'
"""Where the new topics lie, as those of the node under its default name."""

TOPICS = {'class-mask': 'class_mask', 'mask': 'color_mask', 'overlay': 'overlay',
          'confidence': 'confidence'}
"""Picture to topic, as the node names them."""

_MESSAGES = ('ClassFraction', 'RegionFractions', 'ClassFractions')
_BAG_VERSION = 8  # the newest that Humble reads


class BagSegmenter:
    """
    Segments the camera images of a bag into a new bag.

    Each picture keeps its header and its place in time.  Pictures of a compressed topic
    are written compressed (``<topic>/compressed``), those of a raw one raw.

    :param segmenter: a :class:`~fcn_seg_ros.segmenter.Segmenter`.
    :param renderer: a :class:`~fcn_seg_ros.offline.render.Renderer`.
    :param mask_size: (height, width) or None, see ``Segmenter.segment``.
    """

    def __init__(self, segmenter, renderer, *, mask_size=None):
        self._segmenter, self._renderer, self._mask_size = segmenter, renderer, mask_size
        self._types = _typestore()

    def run(self, source, target, stats, *, topics=(), progress=iter, report=print):
        """
        Read a bag and write the new one.

        :param source: folder of the bag, or one .mcap or .db3 file.
        :param target: folder of the new bag; it must not exist.
        :param stats: a :class:`~fcn_seg_ros.offline.stats.StatsTable` to fill, rows are
            named 'TOPIC SECONDS.NANOSECONDS' by the images' stamps.
        :param topics: image topics to take; by default all, of a raw and a compressed one
            of the same camera the raw.
        :param progress: wraps the iteration, called with (iterator, number of messages).
        :param report: called with one line for each topic of which images were left out.
        :returns: number of images segmented.
        :raises MediaError: when the bag cannot be read, has no such topic, or none of its
            images can be used.
        """
        skipped, done = {}, 0
        with _open_reader(source) as reader, new_folder(target) as folder:
            connections = _choose(reader.connections, topics, source)
            total = sum(connection.msgcount for connection in connections)
            with _open_writer(folder, source) as writer:
                outputs = self._add_topics(writer, connections)
                messages = _read_messages(reader, connections, source)
                for connection, time, data in progress(messages, total):
                    try:
                        self._segment(writer, outputs[connection.topic], connection, time, data,
                                      stats)
                        done += 1
                    except ImageError as error:
                        first, count = skipped.get(connection.topic, (error, 0))
                        skipped[connection.topic] = first, count + 1
            if not done:
                reason = ''.join(f': {error}' for error, _ in skipped.values())
                raise MediaError(f'{source} holds no image that can be used{reason}')
        for topic, (error, count) in sorted(skipped.items()):
            report(f'{topic}: left out {count} image{"s" if count > 1 else ""}: {error}')
        return done

    def _add_topics(self, writer, connections):
        """Return {input topic: {output: connection of the new bag}}."""
        outputs = {}
        for connection in connections:
            base = NAMESPACE
            if len(connections) > 1:
                base += connection.topic.removesuffix('/compressed')
            compressed = connection.msgtype == COMPRESSED
            names = {name: f'{base}/{TOPICS[name]}' + ('/compressed' if compressed else '')
                     for name in self._renderer.pictures}
            outputs[connection.topic] = {
                name: writer.add_connection(topic, connection.msgtype, typestore=self._types)
                for name, topic in names.items()}
            outputs[connection.topic]['fractions'] = writer.add_connection(
                f'{base}/class_fractions', FRACTIONS, typestore=self._types)
        return outputs

    def _segment(self, writer, outputs, connection, time, data, stats):
        """Segment one message and write what comes of it."""
        message = self._deserialize(data, connection.msgtype)
        compressed = connection.msgtype == COMPRESSED
        if compressed:
            image = decode(message.data, message.format)
        else:
            image = to_rgb(message.data, height=message.height, width=message.width,
                           encoding=message.encoding, step=message.step,
                           is_bigendian=message.is_bigendian)
        result = self._segmenter(image, self._mask_size)
        make = self._compressed_message if compressed else self._raw_message
        messages = {name: make(message.header, name, picture)
                    for name, picture in self._renderer.render(image, result).items()}
        messages['fractions'] = self._fractions_message(message.header, result)
        for name, out in messages.items():
            writer.write(outputs[name], time,
                         self._types.serialize_cdr(out, outputs[name].msgtype))
        stamp = message.header.stamp
        stats.add(f'{connection.topic} {stamp.sec}.{stamp.nanosec:09d}', result)

    def _deserialize(self, data, msgtype):
        try:
            return self._types.deserialize_cdr(data, msgtype)
        except Exception as error:
            raise ImageError('truncated', f'damaged message: {_one_line(error)}') from None

    def _raw_message(self, header, _, picture):
        height, width = picture.shape[:2]
        channels = picture.size // (height * width)
        return self._types.types[IMAGE](
            header=header, height=height, width=width,
            encoding='mono8' if channels == 1 else 'rgb8', is_bigendian=0,
            step=width * channels, data=np.ascontiguousarray(picture).reshape(-1))

    def _compressed_message(self, header, name, picture):
        lossless = name in LOSSLESS or name == 'mask'
        encoded = encode_png(picture) if lossless else encode_jpeg(picture)
        # As image_transport writes it: raw encoding; codec, and the encoder's channel order.
        raw, order = ('mono8', 'mono8') if picture.ndim == 2 else ('rgb8', 'bgr8')
        codec = 'png' if lossless else 'jpeg'
        return self._types.types[COMPRESSED](
            header=header, format=f'{raw}; {codec} compressed {order}',
            data=np.frombuffer(encoded, np.uint8))

    def _fractions_message(self, header, result):
        make_class = self._types.types[f'{PACKAGE}/msg/ClassFraction']
        return self._types.types[FRACTIONS](
            header=header, network=self._segmenter.network.name,
            pixels=int(result.class_mask.size), unknown=float(result.unknown),
            classes=[make_class(class_id=index, label=label, fraction=fraction)
                     for index, (label, fraction) in enumerate(result.fractions.items())],
            regions=[])


def check(target, renderer):
    """
    Check, before a network is loaded for it, that a bag can be segmented.

    :raises MediaError: when the package ``rosbags`` is missing, ``target`` exists, or
        the renderer asks for a picture that no topic is for.
    """
    if find_spec('rosbags') is None:
        raise MediaError("bags need the Python package 'rosbags': pip install rosbags")
    if Path(target).exists():
        raise MediaError(f'{target} exists already: give another output')
    if renderer.legend or renderer.beside:
        raise MediaError(f'{" and ".join(ARRANGEMENTS)} are for pictures and videos: '
                         'the topics of a bag hold plain images')


def _typestore():
    """Return ROS's message types and this package's own, from its msg/ files."""
    from rosbags.typesys import get_types_from_msg, get_typestore, Stores
    store = get_typestore(Stores.LATEST)
    types = {}
    for name in _MESSAGES:
        text = (share_dir() / 'msg' / f'{name}.msg').read_text(encoding='utf-8')
        types.update(get_types_from_msg(text, f'{PACKAGE}/msg/{name}'))
    store.register(types)
    return store


def _choose(connections, topics, source):
    """Return the connections of the image topics to take, one a topic."""
    images = {c.topic: c for c in connections if c.msgtype in (IMAGE, COMPRESSED)}
    listing = ', '.join(images) or 'none'
    for topic in topics:
        if topic not in images:
            raise MediaError(f"{source} has no image topic '{topic}', its image topics: {listing}")
    if not images:
        raise MediaError(f'{source} has no topic of {IMAGE} or {COMPRESSED}')
    if topics:
        return [images[topic] for topic in dict.fromkeys(topics)]
    return [c for topic, c in images.items()
            if not (c.msgtype == COMPRESSED and topic.removesuffix('/compressed') in images
                    and topic.endswith('/compressed'))
            and not topic.endswith('/compressedDepth')]


def _open_writer(folder, source):
    """Return a writer that stores as ``source`` does: mcap or sqlite3."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    source = Path(source)
    names = [entry.name for entry in source.iterdir()] if source.is_dir() else [source.name]
    is_mcap = any('.mcap' in name for name in names)
    return Writer(folder, version=_BAG_VERSION,
                  storage_plugin=StoragePlugin.MCAP if is_mcap else StoragePlugin.SQLITE3)


# On damaged files the reader of rosbags raises whatever its parsers come to: its own
# ReaderError, but also UnicodeDecodeError, struct.error, apsw.Error and others.

@contextmanager
def _open_reader(source):
    from rosbags.rosbag2 import Reader
    with ExitStack() as stack:
        try:
            reader = stack.enter_context(Reader(Path(source)))
        except Exception as error:
            raise MediaError(f'cannot read the bag {source}: {_one_line(error)}') from None
        yield reader


def _read_messages(reader, connections, source):
    messages = reader.messages(connections)
    while True:
        try:
            message = next(messages)
        except StopIteration:
            return
        except Exception as error:
            raise MediaError(f'the bag {source} is damaged: {_one_line(error)}') from None
        yield message


def _one_line(error):
    return ' '.join(str(error).split()) or type(error).__name__
