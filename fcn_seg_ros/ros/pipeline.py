"""The frames' way through the node: segmented in one thread, published in another."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
import threading
import time
from typing import Any, TypeVar

from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from .camera import Camera
from .frame import Frame
from .messages import image_to_rgb
from .nav_session import NavigationSession
from .outputs.group import OutputGroup
from .settings import Settings
from .throttle import Throttle
from .worker import Worker
from ..errors import ImageError
from ..inference.recovery import EngineDownError, EngineLostError, Guard
from ..segmentation import Segmentation
from ..support.arrays import UInt8Array

_T = TypeVar('_T')


@dataclass(frozen=True, eq=False)
class _Job:
    """A frame that somebody wants, decoded."""

    camera: Camera
    header: Header
    arrival: float
    wanted: list[tuple[OutputGroup, set[str]]]
    image: UInt8Array

    @property
    def wants_confidence(self) -> bool:
        return any(group.needs_confidence(names) for group, names in self.wanted)


class Pipeline:
    """
    Decode and segment the newest frame of each camera, and publish what becomes of it.

    A frame is published while the next one is segmented.  None is taken before the last one's
    turn to be published has come, so that each is as new as it can be.

    :param cameras: the node's cameras.
    :param settings: the node's parameters, as of ``parameters.read``.
    :param guard: what runs the network.
    :param navigation: what clouds and grids are made with.
    :param throttle: for what goes wrong with single frames.
    :param keep_on: tells whether the node's context is alive.
    :param on_fault: called once, without arguments and from the segmenting thread, when
        no frame can be segmented any more; ``fault`` says why.

    :ivar fault: one line, or ''.
    """

    def __init__(self, cameras: Sequence[Camera], settings: Settings, guard: Guard,
                 navigation: NavigationSession, throttle: Throttle, *, keep_on: Callable[[], bool],
                 on_fault: Callable[[], None]) -> None:
        self._cameras = cameras
        self._current = settings, guard, navigation
        self._throttle = throttle
        self._keep_on = keep_on
        self._on_fault = on_fault
        self._closed = False
        self._segmenting_since: float | None = None
        self._publishing_since: float | None = None
        self._ready: deque[tuple[_Job, Frame]] = deque()  # to be published
        self._taken = threading.Condition()
        self.fault = ''
        self._segmenting: Worker | None = None
        self._publishing: Worker | None = None

    def start(self) -> None:
        """Start the threads; without them, :meth:`work` does everything in its caller's."""
        self._publishing = Worker(self._publish_next, 'publishing')
        self._segmenting = Worker(self.work, 'segmentation')

    def wake(self) -> None:
        """Say that a frame has come; callable from any thread."""
        if self._segmenting is not None:
            self._segmenting.wake()

    def swap(self, settings: Settings, guard: Guard, navigation: NavigationSession) -> None:
        """
        Take other settings, or another network, between two frames.

        :param settings: the node's parameters.
        :param guard: what runs the network.
        :param navigation: what clouds and grids are made with.
        """
        self._current = settings, guard, navigation

    def step(self) -> None:
        """Note that segmenting goes on; see :meth:`stuck_for`."""
        self._segmenting_since = time.monotonic()

    def keeps_on(self) -> bool:
        """Tell whether somebody wants what is in work: neither node nor process is to end."""
        return not self._closed and self._keep_on()

    def stuck_for(self) -> float:
        """Return the seconds that the longer of the current steps has taken, 0 without any."""
        now = time.monotonic()
        return max((now - since for since in (self._segmenting_since, self._publishing_since)
                    if since is not None), default=0.0)

    def close(self, timeout: float) -> bool:
        """
        Stop; what a frame in work comes to later is thrown away.

        :param timeout: seconds that the frames in work may take.
        :returns: whether they have ended.
        """
        with self._taken:
            self._closed = True
            self._taken.notify_all()
        end = time.monotonic() + timeout
        ended = [worker.close(max(0.0, end - time.monotonic()))
                 for worker in (self._segmenting, self._publishing) if worker is not None]
        return all(ended)

    def work(self) -> bool:
        """
        Take the newest frame of every camera through.

        Together where a batch pays; else one after the other, each as new as it can be.

        :returns: whether there was any.
        """
        _, guard, _ = self._current
        turns = ([self._cameras] if guard.prefers_batches
                 else [[camera] for camera in self._cameras])
        busy = False
        for cameras in turns:
            with self._taken:
                self._taken.wait_for(lambda: self._closed or not self._ready)
            current = settings, _, _ = self._current
            frames = [(camera, frame) for camera in cameras
                      if (frame := camera.input.take(settings.max_rate)) is not None]
            if not frames or self._closed or self.fault:
                continue
            busy = True
            self.step()
            try:
                self._segment(frames, *current)
            finally:
                self._segmenting_since = None
        return busy

    def _segment(self, frames: Sequence[tuple[Camera, tuple[Image | CompressedImage, float]]],
                 settings: Settings, guard: Guard, navigation: NavigationSession) -> None:
        """Segment a frame of each of some cameras; whatever goes wrong costs one frame only."""
        jobs = [job for camera, frame in frames
                if (job := self._guarded(camera, self._prepare, camera, *frame)) is not None]
        results = guard.try_batch(
            [job.image for job in jobs], settings,
            want_confidence=any(job.wants_confidence for job in jobs)) or [None] * len(jobs)
        for job, result in zip(jobs, results):
            if not self.fault:
                self.step()
                self._guarded(job.camera, self._finish, job, result, settings, guard, navigation)

    def _prepare(self, camera: Camera, message: Image | CompressedImage, arrival: float
                 ) -> _Job | None:
        """Return the :class:`_Job` of a frame, or None where nobody wants it."""
        wanted = camera.wanted()
        if not wanted:
            camera.statistics.count('drop:unwanted')
            return None
        camera.note_header(message.header)
        return _Job(camera, message.header, arrival, wanted, image_to_rgb(message))

    def _finish(self, job: _Job, result: Segmentation | None, settings: Settings, guard: Guard,
                navigation: NavigationSession) -> None:
        """Segment a frame unless its result is there, and hand it on."""
        if result is None:
            result = guard.segment(job.image, settings, want_confidence=job.wants_confidence)
        self._ready.append((job, Frame(
            header=job.header, result=result, settings=settings, navigation=navigation,
            hurry=self._hurry, info=job.camera.input.info,
            network=guard.segmenter.network.name)))
        if self._publishing is not None:
            self._publishing.wake()
        else:
            self._publish_next()

    def _publish_next(self) -> bool:
        """Publish the frame that has waited longest; return whether there was any."""
        with self._taken:
            if not self._ready:
                return False
            job, frame = self._ready.popleft()
            self._taken.notify_all()
        self._publishing_since = time.monotonic()
        try:
            self._guarded(job.camera, self._publish, job, frame)
        finally:
            self._publishing_since = None
        return True

    def _publish(self, job: _Job, frame: Frame) -> None:
        """Let each group publish: what fails in one does not keep the others back."""
        failure = None
        for group, names in job.wanted:
            if not self.keeps_on():
                return
            try:
                group.publish(frame, names)
            except Exception as error:
                failure = failure or error
        if failure:
            raise failure
        job.camera.statistics.frame_done(time.monotonic() - job.arrival)

    def _guarded(self, camera: Camera, work: Callable[..., _T], *args: Any) -> _T | None:
        """Return what ``work`` returns; None, and count and log it, when it raises."""
        try:
            return work(*args)
        except ImageError as error:
            camera.statistics.frame_failed(error.kind, str(error))
            self._throttle.warning(
                (camera.name, error.kind), f'image on {camera.input.topic} dropped: {error}')
        except EngineDownError as error:
            camera.statistics.frame_failed('engine_down', str(error))
        except EngineLostError as error:
            camera.statistics.frame_failed('engine_down', str(error))
            self.fault = str(error)
            self._on_fault()
        except Exception as error:
            if not self.keeps_on():
                return None  # its publishers are gone
            camera.statistics.frame_failed(type(error).__name__, str(error))
            self._throttle.exception(
                (camera.name, type(error)), f'frame on {camera.input.topic} failed', error)
        return None

    def _hurry(self) -> bool:
        """Tell whether there is something else to publish."""
        return self._closed or bool(self._ready)
