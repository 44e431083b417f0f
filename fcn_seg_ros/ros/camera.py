"""One camera of the node: input, outputs and what happened to its frames."""

from collections.abc import Callable

from rclpy.node import Node
from std_msgs.msg import Header

from .inputs.image import CameraInput
from .inputs.offers import Offers
from .inputs.tf import Transforms
from .outputs.group import OutputGroup
from .outputs.images import FractionOutputs, InfoOutputs, PictureOutputs
from .outputs.navigation import CostmapOutput, NavigationOutputs
from .statistics import Statistics
from .throttle import Throttle


class Camera:
    """
    Everything the node holds for one camera.

    :param node: the node.
    :param name: '' for the only camera.
    :param transport: 'raw' or 'compressed'.
    :param on_frame: called, without arguments, after a frame arrived.
    :param on_change: called, without arguments, when a subscriber or the camera came or went.
    :param transforms: where all cameras look transforms up.
    :param costmap: the grid that all cameras vote for.
    :param throttle: for problems that come with every frame.
    :param hold_masks: tells whether class masks have to wait, see :class:`.PictureOutputs`.
    """

    def __init__(self, node: Node, name: str, transport: str, on_frame: Callable[[], None],
                 on_change: Callable[[], None], *, transforms: Transforms,
                 costmap: CostmapOutput, throttle: Throttle,
                 hold_masks: Callable[[bool], bool]) -> None:
        self.name = name
        self.frame_id = ''  # of the newest image that told one
        self.statistics = Statistics()
        prefix = f'~/{name}/' if name else '~/'
        self.navigation = NavigationOutputs(
            node, prefix, on_change, name, transforms=transforms, costmap=costmap,
            statistics=self.statistics, throttle=throttle)
        # In this order: the masks do not wait for clouds.
        self.groups: list[OutputGroup] = [
            PictureOutputs(node, prefix, on_change, hold_masks, self.statistics),
            FractionOutputs(node, prefix, on_change), InfoOutputs(node, prefix, on_change),
            self.navigation]
        self.input = CameraInput(node, name, transport, self.statistics, on_frame, on_change)
        self.offers = Offers(
            node, image=self.input.topic, compressed=transport == 'compressed',
            info=self.input.info_topic, depth=self.navigation.depth.topic)

    def follow(self, active: bool) -> None:
        """
        Subscribe to what the outputs that somebody wants are made of.

        :param active: whether the node is; else it subscribes to nothing.
        """
        if active:
            self.offers.look()
        self.input.follow(active and bool(self.wanted()))
        self.navigation.follow(active and bool(self.navigation.wanted()))

    def wanted(self) -> list[tuple[OutputGroup, set[str]]]:
        """Return [(group, names that somebody subscribes to)], without the unwanted groups."""
        wanted = [(group, group.wanted()) for group in self.groups]
        return [(group, names) for group, names in wanted if names]

    def note_header(self, header: Header) -> None:
        """
        Note the frame of an image; count headers that are good for being passed on only.

        :param header: an image's.
        """
        if header.frame_id:
            self.frame_id = header.frame_id
        else:
            self.statistics.count('note:empty frame_id')
        if header.stamp.sec == 0 and header.stamp.nanosec == 0:
            self.statistics.count('note:zero stamp')

    def close(self) -> None:
        """Destroy subscriptions and publishers."""
        self.input.close()
        for group in self.groups:
            group.close()
