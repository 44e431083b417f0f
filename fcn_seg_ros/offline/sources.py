"""Where pictures come from: image files, folders, globs, videos, cameras of this machine."""

from collections.abc import Iterator
import itertools
import os

from .kinds import kind_of as kind_of, list_images as list_images, local_source
from .video_reading import Video as Video
from ..errors import MediaError
from ..images.files import read_picture
from ..support.arrays import UInt8Array


def read_image(path: str | os.PathLike[str]) -> UInt8Array:
    """
    Read an image file the right way up (by its EXIF orientation), whatever its name says.

    :param path: of the file.
    :returns: uint8 array, H x W x 3, RGB.
    :raises MediaError: when it is damaged, too large, or not an image.
    """
    return read_picture(local_source(path))


def play(source: str | os.PathLike[str], *, loop: bool = False) -> Iterator[UInt8Array]:
    """
    Yield the pictures of an image, a folder, a glob, a video or a camera, in order.

    :param source: as :func:`.kind_of` takes it.
    :param loop: begin again at the end, without end; a camera has none.
    :returns: uint8 arrays H x W x 3, RGB.
    :raises MediaError: when a picture cannot be read, or there is none.
    """
    kind = kind_of(source)
    if kind == 'bag':
        raise MediaError(f'{source} is a bag: "ros2 bag play" publishes it')
    if kind == 'image':
        picture = read_image(source)
        yield from itertools.repeat(picture) if loop else (picture,)
        return
    one_round = _read_images if kind == 'images' else _read_video
    while True:
        yield from one_round(source)
        if not loop:
            return


def _read_images(source: str | os.PathLike[str]) -> Iterator[UInt8Array]:
    for path in list_images(source)[1]:
        yield read_image(path)


def _read_video(source: str | os.PathLike[str]) -> Iterator[UInt8Array]:
    with Video(source) as video:
        frame = None
        for frame in video:
            yield frame
        if frame is None:
            raise MediaError(f'{source} holds no frame that can be read')
