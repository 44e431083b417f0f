"""What a rosbag2 recording says of itself in its metadata.yaml; needs no bag library."""

import os
from pathlib import Path
from typing import Any

from ..errors import FcnSegError, MediaError
from ..support.safe_yaml import load_yaml

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'

BAG_KEY = 'rosbag2_bagfile_information'
"""The one entry of rosbag2's metadata.yaml."""

COMPRESSED_SUFFIX = '/compressed'
"""What image_transport appends to the name of a topic whose pictures are compressed."""

# Of depth cameras and of this node: images, but none that a network could read.
_NO_PICTURES = ('depth', 'disparity', 'mask', 'confidence')
# Folders of topics in which drivers publish depth as image_raw; a whole name, since a camera may
# be called "..._depth" and publish colours.
_NO_PICTURE_SPACES = (*_NO_PICTURES, 'depth_registered', 'aligned_depth_to_color', 'depth_to_rgb')
_PLAIN_WORDS = ('image', 'raw', 'rect', 'color')


def image_topics(folder: str | os.PathLike[str]) -> dict[str, str]:
    """
    List the topics of a bag that may hold camera images.

    Types come first, then the last word of a name: of ``/r200_depth/image_raw`` that is no
    word about what it holds, of ``/cam/depth/image_raw`` it is 'depth'.  Topics without
    messages count only where all are empty.

    :param folder: of the bag.
    :returns: {base topic: 'raw' or 'compressed'}, sorted by topic; raw where both were
        recorded, and the name of a compressed topic without its '/compressed', as a
        node's ``image`` is remapped.
    :raises MediaError: when there is no metadata.yaml or it is none of rosbag2.
    """
    path = Path(folder) / 'metadata.yaml'
    try:
        data: Any = load_yaml(path)
        topics = [(entry['topic_metadata']['name'], entry['topic_metadata']['type'],
                   entry.get('message_count', 1))
                  for entry in data[BAG_KEY][
                      'topics_with_message_count']]
        if not all(isinstance(value, str) for name, kind, _ in topics for value in (name, kind)):
            raise TypeError
    except FcnSegError as error:
        raise MediaError(str(error)) from None
    except (AttributeError, KeyError, TypeError):
        raise MediaError(f'{path} is not the metadata of a rosbag2 recording') from None
    images = [(name, count) for name, kind, count in topics
              if (kind == IMAGE or (kind == COMPRESSED and name.endswith(COMPRESSED_SUFFIX)))
              and not is_no_picture(name)]
    compressed = {name for name, kind, _ in topics if kind == COMPRESSED}
    some = any(count for _, count in images)
    transports: dict[str, str] = {}
    for name, count in images:
        if some and not count:
            continue
        if name in compressed:
            transports.setdefault(name.removesuffix(COMPRESSED_SUFFIX), 'compressed')
        else:
            transports[name] = 'raw'
    return dict(sorted(transports.items()))


def is_no_picture(topic: str) -> bool:
    """
    Tell by a topic's name whether its images are no pictures of a camera, but depth or masks.

    :param topic: its name.
    """
    *spaces, last = topic.lower().removesuffix(COMPRESSED_SUFFIX).strip('/').split('/')
    words = [word for word in last.split('_') if word not in _PLAIN_WORDS]
    if words:
        return words[-1] in _NO_PICTURES or words[0] in _NO_PICTURES
    return bool(spaces) and spaces[-1] in _NO_PICTURE_SPACES


def only_image_topic(folder: str | os.PathLike[str]) -> tuple[str, str]:
    """
    Return the image topic of a bag and its transport.

    :param folder: of the bag.
    :raises MediaError: when the bag has none or several, with their names.
    """
    topics = image_topics(folder)
    if not topics:
        raise MediaError(f'the bag {folder} has no topic with camera images')
    if len(topics) > 1:
        raise MediaError(f'the bag {folder} has several image topics: choose one of '
                         f'{", ".join(topics)}')
    return next(iter(topics.items()))
