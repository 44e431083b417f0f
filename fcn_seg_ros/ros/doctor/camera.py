"""One camera's topics, listened to with the inputs of the node itself."""

from collections import deque
from dataclasses import dataclass, field
import time
from typing import Any

from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from .nodes import defaults, split
from .offered import misfit, publishers, words_of
from .watch import are_named, Watch
from ..inputs.image import CameraInput
from ..inputs.offers import Offers
from ..inputs.tf import check_stamp, tf2_ros, TransformError, Transforms
from ..messages import image_to_rgb
from ..navigation_messages import model_from_info
from ..qos import latched
from ..statistics import Statistics
from ..topic_specs import DEPTH, TF_STATIC
from ...doctor.finding import Finding, Level
from ...errors import CalibrationError, ImageError

_FRAMES = 20
"""As many make a rate."""
_FOR_PLACES = 'masks need none, clouds and the grid do'
_MEMORY = ("see that it runs, and give it the node's DDS profile (README, \"Large images over "
           'DDS")')


@dataclass(frozen=True)
class Topics:
    """
    Where a camera's messages come from.

    :param image: topic of the images, without /compressed at its end.
    :param info: topic of their calibration, '' for the one beside the images.
    :param depth: topic of depth images, '' for none that is known.
    :param namespace: in which relative names lie.
    :param expected: a running node or the user named the topic, so that its silence is a fault.
    :param parameters: of the node, as of :data:`.nodes.PARAMETERS`.
    """

    image: str = 'image'
    info: str = ''
    depth: str = ''
    namespace: str = ''
    expected: bool = False
    parameters: dict[str, Any] = field(default_factory=defaults)


class CameraExamination:
    """
    Looks at a camera.

    :param topics: where its messages come from.
    :param patience: seconds that something is waited for which may not be there.
    """

    def __init__(self, topics: Topics, patience: float) -> None:
        self._topics = topics
        renamed = {'image': topics.image, 'camera_info': topics.info, 'depth': topics.depth}
        self._watch = Watch(patience, namespace=topics.namespace, remappings={
            name: topic for name, topic in renamed.items() if topic and topic != name})
        node, transport = self._watch.node, topics.parameters['image_transport']
        self._statistics = Statistics()
        self._arrivals: list[float] = []
        self._input = CameraInput(node, '', transport, self._statistics, self._on_frame,
                                  lambda: None)
        self._depth = node.resolve_topic_name(DEPTH)
        self._offers = Offers(node, image=self._input.topic, compressed=transport == 'compressed',
                              info=self._input.info_topic, depth=self._depth)
        self._transforms = Transforms(node)
        self._frame: Image | CompressedImage | None = None
        self._headers: deque[Header] = deque(maxlen=_FRAMES)

    def _on_frame(self) -> None:
        self._arrivals.append(time.monotonic())
        taken = self._input.take()
        if taken is not None:
            self._frame = taken[0]
            self._headers.append(taken[0].header)

    def run(self) -> list[Finding]:
        """Return what is found, and leave the graph."""
        try:
            self._transforms.follow(True)
            found = self._of_images()
            if self._frame is not None:
                found += self._of_info(self._frame) + self._of_pose(self._frame)
            return found + self._of_depth()
        finally:
            self._input.close()
            self._transforms.close()
            self._watch.close()

    def _wait(self, condition: Any) -> bool:
        """Wait for something while the subscriptions follow what is offered."""
        def step() -> object:
            self._input.follow(True)
            self._offers.look()
            return condition()

        return self._watch.wait_until(step)

    def _of_images(self) -> list[Finding]:
        node, topic = self._watch.node, self._input.topic
        self._wait(lambda: self._offers.problems.get('image') or self._arrivals)
        if 'image' in self._offers.problems:
            problem, remedy = split(self._offers.problems['image'])
            return [Finding(Level.FAULT, topic, problem, remedy)]
        if not node.count_publishers(topic):
            return [self._nobody(topic)]
        self._wait(lambda: len(self._arrivals) >= _FRAMES)
        found = self._publishers(topic)
        if self._frame is None:
            found.append(Finding(Level.FAULT, topic, 'no image has come in '
                                 f'{self._watch.patience:g} s', _MEMORY))
            return found
        return [*found, *self._of_frame(topic, self._frame)]

    def _nobody(self, topic: str) -> Finding:
        compressed = self._topics.parameters['image_transport'] == 'compressed'
        kind = CompressedImage if compressed else Image
        others = self._watch.images(f'sensor_msgs/msg/{kind.__name__}')
        level = Level.FAULT if self._topics.expected else Level.WARNING
        if not others:
            return Finding(level, topic, 'nobody publishes it, nor any other image',
                           'start the camera driver; without one: fcn-seg camera VIDEO')
        return Finding(level, topic, f"nobody publishes it; images are on {', '.join(others)}",
                       f"remap image:={others[0].removesuffix('/compressed')}")

    def _of_frame(self, topic: str, frame: Image | CompressedImage) -> list[Finding]:
        try:
            height, width = image_to_rgb(frame).shape[:2]
        except ImageError as error:
            return [Finding(Level.FAULT, topic, str(error), 'let the driver send another encoding '
                            '(README, "The node")')]
        kind = frame.format if isinstance(frame, CompressedImage) else frame.encoding
        count, passed = len(self._arrivals) - 1, self._arrivals[-1] - self._arrivals[0]
        rate = f'{count / passed:.1f} Hz' if count and passed else 'one image'
        found = [Finding(Level.OK, topic, f'{kind}, {width}x{height}, {rate}, frame_id '
                         f"'{frame.header.frame_id}'")]
        try:
            check_stamp(frame.header.stamp)
        except TransformError as error:
            found.append(Finding(Level.WARNING, topic, *split(str(error))))
        return found

    def _of_info(self, frame: Image | CompressedImage) -> list[Finding]:
        topic = self._input.info_topic
        self._wait(lambda: self._input.info or self._offers.problems.get('camera_info'))
        info = self._input.info
        if 'camera_info' in self._offers.problems:
            return [Finding(Level.WARNING, topic, *split(self._offers.problems['camera_info']))]
        if info is None:
            what = ('nothing comes of it' if self._watch.node.count_publishers(topic)
                    else 'nobody publishes it')
            return [Finding(Level.WARNING, topic, f'{what}: {_FOR_PLACES}',
                            'publish it beside the image, or remap camera_info')]
        return [*self._publishers(topic), *self._of_calibration(topic, info, frame)]

    def _of_calibration(self, topic: str, info: CameraInfo, frame: Image | CompressedImage
                        ) -> list[Finding]:
        try:
            size = image_to_rgb(frame).shape[:2]
            model_from_info(info, self._topics.parameters['rectified']).check_image_size(*size)
        except ImageError:
            return []  # said before
        except CalibrationError as error:
            problem, remedy = split(str(error))
            return [Finding(Level.WARNING, topic, f'{problem} ({_FOR_PLACES})', remedy)]
        if info.header.frame_id != frame.header.frame_id:
            return [Finding(Level.WARNING, topic, f"its frame_id is '{info.header.frame_id}', the "
                            f"image's '{frame.header.frame_id}'",
                            'let the driver give both the same; the node takes that of the image')]
        return [Finding(Level.OK, topic, f'calibrated, for images of {size[1]}x{size[0]}, of the '
                        'same frame')]

    def _of_pose(self, frame: Image | CompressedImage) -> list[Finding]:
        ground, height = (self._topics.parameters[name] for name in ('ground_frame',
                                                                     'mount.height'))
        if height > 0.0:
            return [Finding(Level.OK, 'camera pose', f'mount.height is {height:g} m: no TF is '
                            'needed for clouds')]
        problem = ''

        def known() -> bool:
            nonlocal problem
            for header in reversed(self._headers):  # TF of the newest may be on its way
                try:
                    self._transforms.pose(ground, header.frame_id, header.stamp)
                except CalibrationError as error:
                    problem = str(error)
                else:
                    problem = ''
                    return True
            return tf2_ros is None or not frame.header.frame_id  # waiting helps neither

        self._wait(known)
        if not problem:
            return [Finding(Level.OK, 'TF', f'{frame.header.frame_id} is known in {ground} at the '
                            'stamps of the images'), *self._of_static()]
        return [Finding(Level.WARNING, 'TF', f'{problem} ({_FOR_PLACES})',
                        'publish TF of the camera (camera_frame:= of the launch files does), set '
                        'ground_frame, or mount.height'), *self._of_static()]

    def _of_static(self) -> list[Finding]:
        """Find publishers of fixed transforms that nobody who comes later hears."""
        return [Finding(Level.WARNING, TF_STATIC, f'/{info.node_name} offers '
                        f'{words_of(info.qos_profile)}: nobody takes it, listeners ask for '
                        f'{words_of(latched())}', 'publish it transient local')
                for info in self._watch.node.get_publishers_info_by_topic(TF_STATIC)
                if misfit(info.qos_profile, latched())]

    def _of_depth(self) -> list[Finding]:
        if 'depth' in self._offers.problems:
            return [Finding(Level.WARNING, self._depth, *split(self._offers.problems['depth']))]
        if not self._watch.node.count_publishers(self._depth):
            return []
        return self._publishers(self._depth)

    def _publishers(self, topic: str) -> list[Finding]:
        """Name and judge the publishers of a topic, once their nodes' names have come."""
        self._wait(lambda: are_named(self._watch.node, topic))
        return publishers(self._watch.node, topic)
