"""All that a configured node publishes and subscribes to, but for its diagnostics."""

from collections.abc import Callable
import threading

from rclpy.node import Node

from .camera import Camera
from .inputs.offers import TransformOffers
from .inputs.tf import Transforms
from .nav_session import NavigationSession
from .outputs.label_info import LabelInfoOutput
from .outputs.legend import LegendOutput
from .outputs.mount_transforms import MountTransforms
from .outputs.navigation import CostmapOutput
from .settings import Settings
from .throttle import Throttle
from ..networks.classes import ClassSet


class Topics:
    """
    The cameras, and what they share.

    :param node: the node.
    :param settings: its parameters, as of ``parameters.read``.
    :param throttle: for what goes wrong with single frames.
    :param on_frame: called, without arguments, after a frame arrived.
    :param on_change: called, without arguments, when :meth:`follow` should be.

    :ivar cameras: all of them, in the order of the parameter.
    :ivar label_info: the map from ids to names.
    :ivar mounts: the transforms of cameras on fixed mounts.
    :ivar transform_offers: what is wrong with who publishes fixed transforms.
    """

    def __init__(self, node: Node, settings: Settings, throttle: Throttle,
                 on_frame: Callable[[], None], on_change: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._transforms = Transforms(node)
        self.transform_offers = TransformOffers(node)
        self.mounts = MountTransforms(node, self._transforms, throttle)
        self._throttle = throttle
        self.cameras: list[Camera] = []
        self._shared: list[LabelInfoOutput | LegendOutput | CostmapOutput] = []
        try:
            self.label_info = LabelInfoOutput(node, on_change)
            self._shared.append(self.label_info)
            self._legend = LegendOutput(node)
            self._shared.append(self._legend)
            self._costmap = CostmapOutput(node, on_change)
            self._shared.append(self._costmap)
            for name in settings.cameras or ['']:
                self.cameras.append(Camera(
                    node, name, settings.image_transport, on_frame, on_change,
                    transforms=self._transforms, costmap=self._costmap, throttle=throttle,
                    hold_masks=self.label_info.is_on_its_way))
        except BaseException:
            self.close()
            raise

    def announce(self, classes: ClassSet, min_confidence: float) -> None:
        """
        Tell names and colours of a new network's classes to who wants to know.

        :param classes: the classes.
        :param min_confidence: the threshold below which pixels are unknown, 0 to 1.
        """
        self.label_info.publish(classes, min_confidence)
        self._legend.publish(classes)

    def follow(self, active: bool, navigation: NavigationSession) -> None:
        """
        Subscribe to what the outputs that somebody wants are made of; age what no frame renews.

        :param active: whether the node is; else it subscribes to nothing.
        :param navigation: the session in use.
        """
        with self._lock:
            self.label_info.renew()
            for camera in self.cameras:
                camera.follow(active)
            self._follow_transforms(active, navigation)
            if self.label_info.missed:
                self._throttle.warning('label_info', self.label_info.missed)
            if active and self.cameras:
                self._costmap.keep_up(navigation.grid)

    def _follow_transforms(self, active: bool, navigation: NavigationSession) -> None:
        """Listen to TF where somebody wants what depends on it; publish the mounts' part of it."""
        wanted = {camera.name: camera.navigation.wanted() for camera in self.cameras if active}
        mounted = {camera.name: found for camera in self.cameras
                   if (found := navigation.mounted(camera.name, camera.frame_id))}
        listens = any(navigation.needs_transforms(name, outputs)
                      or (outputs and name in mounted) for name, outputs in wanted.items())
        self._transforms.follow(listens)
        self.transform_offers.look(listens)
        # What is published already follows its parameters at once, for who has it from TF.
        if any(wanted.values()) or self.mounts.publishes:
            self.mounts.follow(mounted)

    def close(self) -> None:
        """Destroy all of it."""
        with self._lock:
            cameras, self.cameras = self.cameras, []
            shared, self._shared = self._shared, []
            for part in (*cameras, *shared, self.mounts, self._transforms):
                part.close()
