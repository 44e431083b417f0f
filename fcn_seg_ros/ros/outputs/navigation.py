"""The outputs that a robot drives by: clouds of each camera, and one grid of all."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
import time

from nav_msgs.msg import OccupancyGrid
from rclpy.node import Node
from sensor_msgs.msg import Image, PointCloud2

from .group import Publishers
from ..frame import Frame
from ..inputs.depth import DepthInput
from ..inputs.tf import TransformError, Transforms
from ..navigation import robot_in_grid, SharedGrid
from ..navigation_messages import points_message, seconds, selection_message
from ..qos import latched
from ..statistics import Statistics
from ..throttle import Throttle
from ..topic_specs import CLOUDS, COSTMAP, GROUND, OBSTACLES, POINTS
from ...errors import CalibrationError
from ...geometry.pose import Pose

_POLL = 0.002
"""Seconds between looks for depth or a transform that is on its way."""
_SILENCE = 0.5
"""Seconds without a frame after which the grid is published as it ages."""
_GRACE = 2.0
"""Seconds in which calibration, depth and transforms may come at first, without complaints."""


class CostmapOutput(Publishers):
    """
    The grid's publisher, which the :class:`NavigationOutputs` of all cameras share.

    :param node: the node to publish with.
    :param on_change: called, without arguments, when a subscriber came or went.
    """

    def __init__(self, node: Node, on_change: Callable[[], None]) -> None:
        super().__init__(node, {COSTMAP: OccupancyGrid}, '~/', on_change, latched())
        self._newest: SharedGrid | None = None  # whose frame was published last
        self._published_ns = 0  # when, by the node's clock
        self._forgotten = False

    def publish_grid(self, grid: SharedGrid) -> None:
        """
        Publish the grid as of its newest frame.

        :param grid: the grid.
        """
        self._newest, self._forgotten = grid, False
        self._published_ns = self._node.get_clock().now().nanoseconds
        self._publishers[COSTMAP].publish(grid.message())

    def keep_up(self, grid: SharedGrid) -> None:
        """
        Publish the grid as it ages while no frame comes, until all of it is forgotten.

        Whoever reads it, StaticLayer for one, would go on with what a dead camera saw last.

        :param grid: the grid that frames are added to now; one that no frame has come to
            yet is left alone.
        """
        age = (self._node.get_clock().now().nanoseconds - self._published_ns) * 1e-9
        if grid is not self._newest or self._forgotten or age < _SILENCE or not self.wanted():
            return
        message = grid.message(age)
        if message is not None:
            self._forgotten = set(message.data) == {grid.grid.settings.unobserved}
            self._publishers[COSTMAP].publish(message)


@dataclass
class _Places:
    """
    What the places of a frame's pixels are worked out from, as far as it has come.

    :ivar late: some of it may still be on its way.
    :ivar expected: that it lacks something is no problem.
    """

    depth: Image | None = None
    pose: Pose | None = None
    grid_pose: Pose | None = None
    problems: dict[str, str] = field(default_factory=dict)
    late: bool = False
    expected: bool = False


class NavigationOutputs(Publishers):
    """
    One camera's clouds, and its votes for the grid; they share what is worked out per frame.

    What is wrong with calibration, depth or transforms costs only what depends on it.  It is
    counted as ``nav:calibration``, ``nav:depth``, ``nav:transform`` or ``nav:pose``, and
    logged now and then.

    :param node: the node to publish with.
    :param prefix: of the topics, such as '~/' or '~/front/'.
    :param on_change: called, without arguments, when a subscriber came or went.
    :param camera: the camera's name, '' for the only one.
    :param transforms: :class:`.Transforms`.
    :param costmap: :class:`CostmapOutput`.
    :param statistics: the camera's :class:`.Statistics`.
    :param throttle: :class:`.Throttle` for problems.

    :ivar problems: {kind: what was wrong last}.
    :ivar places_from: what the last clouds were made from: 'depth' or 'the ground plane'.
    """

    def __init__(self, node: Node, prefix: str, on_change: Callable[[], None], camera: str, *,
                 transforms: Transforms, costmap: CostmapOutput, statistics: Statistics,
                 throttle: Throttle) -> None:
        clouds = dict.fromkeys(CLOUDS, PointCloud2)
        super().__init__(node, clouds, prefix, on_change)
        self._camera = camera
        self._transforms = transforms
        self._costmap = costmap
        self._statistics = statistics
        self._throttle = throttle
        self.depth = DepthInput(node, camera, on_change)
        self.problems: dict[str, str] = {}
        self.places_from = 'nothing yet'
        self._wanted_since: float | None = None
        self._newest = 0.0  # stamp of the last frame, s

    def wanted(self) -> set[str]:
        """Return the names of the outputs that somebody subscribes to, the grid among them."""
        return super().wanted() | self._costmap.wanted()

    def needs_confidence(self, wanted: Collection[str]) -> bool:
        """
        Return True: points carry it, and it weighs the votes.

        :param wanted: names of the outputs that are to be made.
        """
        return True

    def follow(self, wanted: bool) -> None:
        """
        Subscribe to depth while somebody wants any of the outputs.

        :param wanted: whether somebody does.
        """
        if not wanted:
            self._wanted_since = None
        elif self._wanted_since is None:
            self._wanted_since = time.monotonic()
        self.depth.follow(wanted)

    def publish(self, frame: Frame, wanted: Collection[str]) -> None:
        """
        Publish what is wanted and can be made of a frame.

        :param frame: the frame.
        :param wanted: names of the outputs that somebody wants.
        """
        self._mind_jumps(frame)
        places = self._wait_for_places(frame, wanted)
        clouds, problems = frame.navigation.camera(self._camera).frame(
            frame.result, frame.result.image_size, info=frame.info, depth=places.depth,
            pose=places.pose)
        problems |= places.problems
        if 'transform' in problems:
            problems.pop('pose', None)  # there is no pose without it: report the cause only
        if clouds is not None and clouds.geometry.measured and wanted == {POINTS}:
            problems.pop('transform', None)  # measured points need no transform
        if places.expected:
            problems.pop('transform', None)  # from before TF was listened to
        for kind, text in problems.items():
            self._complain(kind, text)
        if clouds is None:
            return
        self.places_from = 'depth' if clouds.geometry.measured else 'the ground plane'
        for name, make in (
                (POINTS, lambda: points_message(clouds, frame.header)),
                (OBSTACLES, lambda: selection_message(clouds, clouds.marked, frame.header)),
                (GROUND, lambda: selection_message(clouds, clouds.cleared, frame.header))):
            if name in wanted:
                self._publishers[name].publish(make())
        if places.grid_pose is not None and places.pose is not None:
            grid = frame.navigation.grid
            grid.add(clouds, frame.header.stamp, places.grid_pose,
                     robot_in_grid(places.grid_pose, places.pose))
            self._costmap.publish_grid(grid)

    def _wait_for_places(self, frame: Frame, wanted: Collection[str]) -> _Places:
        """Return the :class:`_Places` of a frame; what is late is waited for in idle time only."""
        end = time.monotonic() + frame.settings.points.patience
        while True:
            places = self._look(frame, wanted)
            if not places.late or time.monotonic() >= end or frame.hurry():
                return places
            time.sleep(_POLL)

    def _look(self, frame: Frame, wanted: Collection[str]) -> _Places:
        places, slop = _Places(), frame.settings.points.depth_slop
        if self.depth.expected:
            places.depth = self.depth.nearest(frame.header.stamp, slop)
            if places.depth is None:
                places.late = True
                places.problems['depth'] = (
                    f"no depth image on {self.depth.topic} within {slop:g} s of the image's "
                    'stamp: publish depth with the stamps of the images')
        session = frame.navigation
        try:
            places.pose = session.ground_pose(self._camera, frame.header, self._transforms)
            if COSTMAP in wanted:
                places.grid_pose = session.grid_pose(
                    places.pose, frame.header, self._transforms)
        except TransformError as error:
            places.late |= error.late
            places.expected = error.expected
            places.problems['transform'] = str(error)
        except CalibrationError as error:  # numbers that make no transform
            places.problems['transform'] = str(error)
        return places

    def _mind_jumps(self, frame: Frame) -> None:
        """Let TF forget when the stamps say that time was set back, as by a bag's new start."""
        stamp = seconds(frame.header.stamp)
        if not stamp:  # a zero stamp: nothing to compare
            return
        if stamp < self._newest - frame.settings.costmap.time_jump:
            self._transforms.forget()
        self._newest = stamp

    def _complain(self, kind: str, text: str) -> None:
        since = self._wanted_since
        # Nobody wants the rest of a frame in work, and inputs are dropped with the last
        # subscriber.
        if since is None or time.monotonic() - since < _GRACE:
            return
        self.problems[kind] = text
        self._statistics.count(f'nav:{kind}')
        self._throttle.warning((self._camera, 'navigation', kind), (
            f'{self._camera}: {text}' if self._camera else text))

    def close(self) -> None:
        """Destroy publishers and subscription."""
        self.depth.close()
        super().close()
