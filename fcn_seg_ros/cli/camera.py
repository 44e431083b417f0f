"""``fcn-seg camera``: files or a V4L2 device as a ROS camera."""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
import itertools
from typing import TYPE_CHECKING

import cv2
import numpy as np

from .values import number_argument, size_argument
from ..errors import FcnSegError, MediaError
from ..images.raw import ENCODABLE
from ..support.arrays import Size, UInt8Array

if TYPE_CHECKING:
    from ..geometry.calibration import Calibration
    from ..offline.sources import Video

_DEFAULT_RATE = 10.0

_EXAMPLES = """
examples:
  fcn-seg camera clip.mp4                         image and camera_info, over and over
  fcn-seg camera /dev/video0 --size 1280x720 --hfov 70
  fcn-seg camera photos/ --rate 1 --topic front/image --transport both
  fcn-seg camera clip.mp4 --once --wait --calibration camera.yaml
"""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """
    Add the command to the ``fcn-seg`` parser.

    :param commands: of ``ArgumentParser.add_subparsers``.
    """
    parser = commands.add_parser(
        'camera', help='publish a video, images or a webcam as a ROS camera',
        description='Publish a video, an image, a folder or glob of images, or a V4L2 device '
                    'as sensor_msgs/Image with camera_info.',
        epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', metavar='SOURCE',
                        help='video, image, folder, glob (in quotes), /dev/videoN or N')
    parser.add_argument('--rate', type=number_argument(0.001, 1000), metavar='HZ',
                        help="pictures a second (default: the video's or the device's own, "
                             f'{_DEFAULT_RATE:g} for images)')
    end = parser.add_mutually_exclusive_group()
    end.add_argument('--loop', action='store_true', default=True,
                     help='begin again at the end (default)')
    end.add_argument('--once', action='store_false', dest='loop', help='end after one round')
    parser.add_argument('--wait', action='store_true',
                        help='publish nothing before somebody subscribes')
    parser.add_argument('--size', type=partial(size_argument, least=1), metavar='WxH',
                        help='size to stretch pictures to, or to ask a device for')
    parser.add_argument('--encoding', choices=ENCODABLE, default='rgb8',
                        help='of the images (default: %(default)s)')
    parser.add_argument('--transport', choices=('raw', 'compressed', 'both'), default='raw',
                        help='images, JPEG images, or both (default: %(default)s)')
    parser.add_argument('--topic', default='image', metavar='NAME',
                        help='of the images; camera_info lies beside it (default: %(default)s)')
    parser.add_argument('--namespace', default='', metavar='NAME', help="the node's namespace")
    parser.add_argument('--frame-id', default='camera_optical_frame', metavar='NAME',
                        help='(default: %(default)s)')
    calibration = parser.add_mutually_exclusive_group()
    calibration.add_argument('--hfov', type=float, metavar='DEGREES',
                             help='horizontal field of view, for the camera_info of a camera '
                                  'without distortion (default: an uncalibrated one)')
    calibration.add_argument('--calibration', metavar='FILE',
                             help='YAML file of camera_calibration or of OpenCV')
    parser.add_argument('--qos', choices=('reliable', 'best_effort'), default='reliable',
                        help='(default: %(default)s)')
    parser.add_argument('--stamp', choices=('now', 'media'), default='now',
                        help='stamps: the clock, or the time since the first picture, which '
                             'is the same in every run (default: %(default)s)')
    parser.add_argument('--ros-args', nargs=argparse.REMAINDER, default=[],
                        help='what follows goes to ROS: remappings, parameters')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """
    Publish until the pictures end or the process is told to stop.

    :param args: the parsed options.
    :raises FcnSegError: when the source or the calibration cannot be used, or there is
        no ROS.
    """
    calibrate = _calibration(args)
    is_device, rate, pictures = _open(args)
    # Before ROS starts: what cannot be read is said at once.
    first = next(pictures)
    calibrate(first.shape[1], first.shape[0])
    try:
        from ..ros import camera_tool
    except ImportError as error:
        raise FcnSegError(
            f'"fcn-seg camera" needs ROS 2 ({error}): source its setup.bash, or install the '
            "wheels of PyPI: pip install 'fcn_seg_ros[ros]'") from None
    options = camera_tool.SourceOptions(
        topic=args.topic, namespace=args.namespace, rate=rate, encoding=args.encoding,
        transport=args.transport, frame_id=args.frame_id, qos=args.qos, stamp=args.stamp)
    camera_tool.run(itertools.chain((first,), pictures), options, calibrate, live=is_device,
                    wait=args.wait, ros_args=args.ros_args)


def _open(args: argparse.Namespace) -> tuple[bool, float, Iterator[UInt8Array]]:
    """Return whether the source is a device, the rate, and an iterator of its pictures."""
    from ..offline import sources
    kind = sources.kind_of(args.source)
    if kind == 'device':
        video = sources.Video(args.source)
        height, width = args.size or (None, None)
        video.ask_for(width=width, height=height, rate=args.rate)
        return True, args.rate or video.rate, _live(video)
    rate = args.rate or _DEFAULT_RATE
    if kind == 'video' and not args.rate:
        with sources.Video(args.source) as video:
            rate = video.rate
    return False, rate, _stretched(sources.play(args.source, loop=args.loop), args.size)


def _live(video: 'Video') -> Iterator[UInt8Array]:
    with video:
        yield from video
    raise MediaError(f'{video.source} sends no pictures any more')


def _stretched(pictures: Iterator[UInt8Array], size: Size | None) -> Iterator[UInt8Array]:
    for picture in pictures:
        if size and picture.shape[:2] != size:
            shrinks = size.height * size.width < picture.shape[0] * picture.shape[1]
            yield np.asarray(cv2.resize(
                picture, (size.width, size.height),
                interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.uint8)
        else:
            yield picture


def _calibration(args: argparse.Namespace) -> 'Callable[[int, int], Calibration]':
    """Return a function (width, height) -> Calibration of pictures of that size."""
    from ..geometry.calibration import Calibration
    if args.calibration:
        return Calibration.from_yaml(args.calibration).resized
    if args.hfov is not None:
        return lambda width, height: Calibration.from_field_of_view(width, height, args.hfov)
    return Calibration
