"""What a rosbag2 recording says of itself in its metadata.yaml; needs no bag library."""

from pathlib import Path

from ..errors import FcnSegError, MediaError
from ..support.safe_yaml import load_yaml

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'

_COMPRESSED_SUFFIX = '/compressed'
# Of depth cameras and of image transports: images, but none that a network could read.
_NO_PICTURES = ('depth', 'disparity', 'mask', 'confidence')


def image_topics(folder):
    """
    List the topics of a bag that may hold camera images.

    :param folder: of the bag.
    :returns: {base topic: 'raw' or 'compressed'}, sorted by topic; raw where both were
        recorded, and the name of a compressed topic without its '/compressed', as a
        node's ``image`` is remapped.
    :raises MediaError: when there is no metadata.yaml or it is none of rosbag2.
    """
    path = Path(folder) / 'metadata.yaml'
    try:
        topics = [(entry['topic_metadata']['name'], entry['topic_metadata']['type'])
                  for entry in load_yaml(path)['rosbag2_bagfile_information'][
                      'topics_with_message_count']]
    except FcnSegError as error:
        raise MediaError(str(error)) from None
    except (KeyError, TypeError):
        raise MediaError(f'{path} is not the metadata of a rosbag2 recording') from None
    transports = {}
    for name, kind in topics:
        if any(word in name.lower() for word in _NO_PICTURES):
            continue
        if kind == IMAGE:
            transports[name] = 'raw'
        elif kind == COMPRESSED and name.endswith(_COMPRESSED_SUFFIX):
            transports.setdefault(name.removesuffix(_COMPRESSED_SUFFIX), 'compressed')
    return dict(sorted(transports.items()))


def only_image_topic(folder):
    """
    Return the image topic of a bag and its transport.

    :raises MediaError: when the bag has none or several, with their names.
    """
    topics = image_topics(folder)
    if not topics:
        raise MediaError(f'the bag {folder} has no topic with camera images')
    if len(topics) > 1:
        raise MediaError(f'the bag {folder} has several image topics: choose one of '
                         f'{", ".join(topics)}')
    return next(iter(topics.items()))
