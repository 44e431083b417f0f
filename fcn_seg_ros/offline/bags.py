"""rosbag2 recordings (mcap and sqlite3): camera images in, masks and shares out."""

from collections.abc import Callable, Iterable
from importlib.util import find_spec
import os
from pathlib import Path
from typing import Any, TYPE_CHECKING

import numpy as np

from .bag_metadata import COMPRESSED as COMPRESSED, COMPRESSED_SUFFIX, IMAGE as IMAGE
from .bag_reading import choose_connections, deserialize, open_bag, picture_in, read_messages
from .jobs import MaskSize
from .kinds import local_source
from .render import ARRANGEMENTS, picture_of, Renderer, wants_lossless
from .stats import StatsTable
from ..errors import ImageError, MediaError
from ..images.compressed import encode_jpeg, encode_png
from ..segmentation import Segmentation
from ..support.arrays import UInt8Array
from ..support.atomic_files import new_folder
from ..support.paths import PACKAGE, share_dir

if TYPE_CHECKING:
    from ..segmenter import Segmenter

FRACTIONS = f'{PACKAGE}/msg/ClassFractions'
NAMESPACE = '/segmentation'
"""Where the new topics lie, as those of the node under its default name."""

_MESSAGES = ('ClassFraction', 'RegionFractions', 'ClassFractions')


class BagSegmenter:
    """
    Segments the camera images of a bag into a new bag.

    Each picture keeps its header and its place in time.  Pictures of a compressed topic
    are written compressed (``<topic>/compressed``), those of a raw one raw.

    :param segmenter: a :class:`~fcn_seg_ros.segmenter.Segmenter`.
    :param renderer: a :class:`~fcn_seg_ros.offline.render.Renderer`.
    :param mask_size: (height, width) or None, see ``Segmenter.segment``.
    """

    def __init__(self, segmenter: 'Segmenter', renderer: Renderer, *,
                 mask_size: MaskSize = None) -> None:
        self._segmenter, self._renderer, self._mask_size = segmenter, renderer, mask_size
        self._types = _typestore()

    def run(self, source: str | os.PathLike[str], target: str | os.PathLike[str],
            stats: StatsTable, *, topics: Iterable[str] = (),
            progress: Callable[[Iterable[Any], int], Iterable[Any]],
            report: Callable[[str], object] = print) -> int:
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
        source = Path(local_source(source))
        skipped: dict[str, tuple[str, int]] = {}
        done = 0
        with open_bag(source) as reader, new_folder(target) as folder:
            chosen = choose_connections(reader.connections, tuple(topics), source)
            connections = [connection for group in chosen.values() for connection in group]
            total = sum(connection.msgcount for connection in connections)
            with _open_writer(folder, reader.path) as writer:
                outputs = self._add_topics(writer, chosen)
                messages = read_messages(reader, connections, source)
                for connection, time, data in progress(messages, total):
                    try:
                        self._segment(writer, outputs[connection.topic, connection.msgtype],
                                      connection, time, data, stats)
                        done += 1
                    except ImageError as error:
                        first, count = skipped.get(connection.topic, (str(error), 0))
                        skipped[connection.topic] = first, count + 1
            if not done:
                reason = ''.join(f': {problem}' for problem, _ in skipped.values())
                raise MediaError(f'{source} holds no image that can be used{reason}')
        for topic, (problem, count) in sorted(skipped.items()):
            report(f'{topic}: left out {count} image{"s" if count > 1 else ""}: {problem}')
        return done

    def _add_topics(self, writer: Any, chosen: dict[str, list[Any]]
                    ) -> dict[tuple[str, str], dict[str, Any]]:
        """Return {(input topic, type): {output: connection of the new bag}}."""
        outputs = {}
        for topic, msgtype in dict.fromkeys(
                (c.topic, c.msgtype) for group in chosen.values() for c in group):
            base = NAMESPACE
            if len(chosen) > 1:
                base += topic.removesuffix(COMPRESSED_SUFFIX)
            end = COMPRESSED_SUFFIX if msgtype == COMPRESSED else ''
            made = {name: writer.add_connection(f'{base}/{picture_of(name)}{end}', msgtype,
                                                typestore=self._types)
                    for name in self._renderer.pictures}
            made['fractions'] = writer.add_connection(
                f'{base}/class_fractions', FRACTIONS, typestore=self._types)
            outputs[topic, msgtype] = made
        return outputs

    def _segment(self, writer: Any, outputs: dict[str, Any], connection: Any, time: int,
                 data: bytes, stats: StatsTable) -> None:
        """Segment one message and write what comes of it."""
        message = deserialize(self._types, data, connection.msgtype)
        compressed = connection.msgtype == COMPRESSED
        image = picture_in(message, connection.msgtype)
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

    def _raw_message(self, header: Any, _: str, picture: UInt8Array) -> Any:
        height, width = picture.shape[:2]
        channels = picture.size // (height * width)
        return self._types.types[IMAGE](
            header=header, height=height, width=width,
            encoding='mono8' if channels == 1 else 'rgb8', is_bigendian=0,
            step=width * channels, data=np.ascontiguousarray(picture).reshape(-1))

    def _compressed_message(self, header: Any, name: str, picture: UInt8Array) -> Any:
        lossless = wants_lossless(name)
        encoded = encode_png(picture) if lossless else encode_jpeg(picture)
        # As image_transport writes it: raw encoding; codec, and the encoder's channel order.
        raw, order = ('mono8', 'mono8') if picture.ndim == 2 else ('rgb8', 'bgr8')
        codec = 'png' if lossless else 'jpeg'
        return self._types.types[COMPRESSED](
            header=header, format=f'{raw}; {codec} compressed {order}',
            data=np.frombuffer(encoded, np.uint8))

    def _fractions_message(self, header: Any, result: Segmentation) -> Any:
        make_class = self._types.types[f'{PACKAGE}/msg/ClassFraction']
        return self._types.types[FRACTIONS](
            header=header, network=self._segmenter.network.name,
            pixels=int(result.class_mask.size), unknown=float(result.unknown),
            classes=[make_class(class_id=index, label=label, fraction=fraction)
                     for index, (label, fraction) in enumerate(result.fractions.items())],
            regions=[])


def check(target: str | os.PathLike[str], renderer: Renderer) -> None:
    """
    Check, before a network is loaded for it, that a bag can be segmented.

    :param target: folder of the new bag.
    :param renderer: what is to be drawn.
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


def _typestore() -> Any:
    """Return ROS's message types and this package's own, from its msg/ files."""
    from rosbags.typesys import get_types_from_msg, get_typestore, Stores
    store = get_typestore(Stores.LATEST)
    types = {}
    for name in _MESSAGES:
        text = (share_dir() / 'msg' / f'{name}.msg').read_text(encoding='utf-8')
        types.update(get_types_from_msg(text, f'{PACKAGE}/msg/{name}'))
    store.register(types)
    return store


def _open_writer(folder: Path, source: Path) -> Any:
    """Return a writer that stores as ``source`` does: mcap or sqlite3."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    names = [entry.name for entry in source.iterdir()] if source.is_dir() else [source.suffix]
    is_mcap = any('.mcap' in name for name in names)
    return Writer(folder, version=8,  # the newest that Humble reads
                  storage_plugin=StoragePlugin.MCAP if is_mcap else StoragePlugin.SQLITE3)
