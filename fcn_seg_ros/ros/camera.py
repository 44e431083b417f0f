"""One camera of the node: input, outputs and what happened to its frames."""

from .inputs.image import CameraInput
from .inputs.offers import Offers
from .outputs.images import FractionOutputs, InfoOutputs, PictureOutputs
from .outputs.navigation import NavigationOutputs
from .statistics import Statistics


class Camera:
    """
    Everything the node holds for one camera.

    :param node: the node.
    :param name: '' for the only camera.
    :param transport: 'raw' or 'compressed'.
    :param on_frame: called, without arguments, after a frame arrived.
    :param on_change: called, without arguments, when a subscriber or the camera came or went.
    :param shared: ``transforms``, ``costmap`` and ``throttle`` of :class:`.NavigationOutputs`.
    """

    def __init__(self, node, name, transport, on_frame, on_change, **shared):
        self.name = name
        self.statistics = Statistics()
        prefix = f'~/{name}/' if name else '~/'
        self.navigation = NavigationOutputs(
            node, prefix, on_change, name, statistics=self.statistics, **shared)
        # In this order: the masks do not wait for clouds.
        self.groups = [*(group(node, prefix, on_change)
                         for group in (PictureOutputs, FractionOutputs, InfoOutputs)),
                       self.navigation]
        self.input = CameraInput(node, name, transport, self.statistics, on_frame, on_change)
        self.offers = Offers(
            node, image=self.input.topic, compressed=transport == 'compressed',
            info=self.input.info_topic, depth=self.navigation.depth.topic)

    def follow(self, active):
        """Subscribe to what the outputs that somebody wants are made of, if ``active``."""
        if active:
            self.offers.look()
        self.input.follow(active and bool(self.wanted()))
        self.navigation.follow(active and bool(self.navigation.wanted()))

    def wanted(self):
        """Return [(group, names that somebody subscribes to)], without the unwanted groups."""
        wanted = [(group, group.wanted()) for group in self.groups]
        return [(group, names) for group, names in wanted if names]

    def note_header(self, header):
        """Count headers that cannot be used for more than being passed on."""
        if not header.frame_id:
            self.statistics.count('note:empty frame_id')
        if header.stamp.sec == 0 and header.stamp.nanosec == 0:
            self.statistics.count('note:zero stamp')

    def close(self):
        """Destroy subscriptions and publishers."""
        self.input.close()
        for group in self.groups:
            group.close()
