"""What the node holds while it is configured."""

from collections.abc import Callable
from dataclasses import dataclass, replace
import time

from . import diagnostics
from .nav_session import NavigationSession
from .parameters import check_ignored
from .settings import Settings
from .topic_specs import TF_STATIC
from .topics import Topics
from ..inference.recovery import Guard


@dataclass(frozen=True, eq=False)
class Configured:
    """
    What a node holds from being configured to being cleaned up, all of it or nothing.

    :param settings: its parameters, as of ``parameters.read``.
    :param guard: what runs the network.
    :param navigation: what clouds and grids are made with.
    :param topics: all that it publishes and subscribes to.
    """

    settings: Settings
    guard: Guard
    navigation: NavigationSession
    topics: Topics

    def changed(self, settings: Settings, load: Callable[[Settings], Guard]) -> 'Configured':
        """
        Return the same for other parameters; nothing of this one is changed.

        :param settings: the new parameters.
        :param load: loads the network, where they name another one.
        :returns: with a guard of its own where the network has changed.
        :raises FcnSegError: when the network cannot be had, or lacks a class that is ignored.
        :raises ValueError: for parameters that do not go together.
        """
        old, guard, navigation = self.settings, self.guard, self.navigation
        # While the engine is loaded again, the classes are those from before.
        classes = navigation.classes
        if (settings.network, settings.weights) != (old.network, old.weights):
            if settings.weights and settings.weights == old.weights:
                raise ValueError(f"the parameter weights ('{old.weights}') belongs to network "
                                 f"'{old.network}': change both in one request")
            guard = load(settings)
            classes = guard.segmenter.classes
        elif guard.segmenter is not None:
            check_ignored(settings, guard.segmenter.classes)
        if not navigation.fits(settings, classes):
            navigation = NavigationSession(settings, classes)
        return replace(self, settings=settings, guard=guard, navigation=navigation)

    def statuses(self, device: str, state: str) -> list[diagnostics.Status]:
        """
        Return how each camera and its outputs are.

        :param device: what the network runs on.
        :param state: the node's, such as 'active'.
        """
        limits, mounts, now = self.settings.diagnostics, self.topics.mounts, time.monotonic()
        volatile = self.topics.transform_offers.problems.get(TF_STATIC, '')
        return [status for camera in self.topics.cameras for status in (
            diagnostics.input_status(camera, limits, now, state),
            diagnostics.output_status(camera, limits, device, state),
            diagnostics.navigation_status(
                camera, limits, state, mounts.states.get(camera.name, ''),
                mounts.differences.get(camera.name, ''), volatile))]
