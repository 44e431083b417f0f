"""A segmented frame on its way to the outputs."""

from collections.abc import Callable
from dataclasses import dataclass

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from .nav_session import NavigationSession
from .settings import Settings
from ..segmenter import Segmentation


@dataclass(frozen=True, eq=False)
class Frame:
    """
    What the output groups make their messages of.

    :param header: the camera image's header, passed on as it came.
    :param result: what the network saw.
    :param network: the network's name.
    :param settings: the node's parameters, as of ``parameters.read``.
    :param navigation: what clouds and grids are made with.
    :param hurry: tells whether another frame waits to be published.
    :param info: the camera's newest CameraInfo, or None.
    """

    header: Header
    result: Segmentation
    network: str
    settings: Settings
    navigation: NavigationSession
    hurry: Callable[[], bool]
    info: CameraInfo | None = None
