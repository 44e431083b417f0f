"""The frames' way through the node, in a thread of its own."""

from dataclasses import dataclass
import time

import numpy as np
from std_msgs.msg import Header

from .camera import Camera
from .frame import Frame
from .guard import EngineDownError, EngineLostError
from .messages import image_to_rgb
from .worker import Worker
from ..errors import ImageError


@dataclass(frozen=True, eq=False)
class _Job:
    """A frame that somebody wants, decoded."""

    camera: Camera
    header: Header
    arrival: float
    wanted: list
    image: np.ndarray

    @property
    def wants_confidence(self):
        return any(group.needs_confidence(names) for group, names in self.wanted)


class Pipeline:
    """
    Decode, segment and publish the newest frame of each camera.

    :param cameras: the node's :class:`.Camera` objects.
    :param settings: the node's parameters, as of ``parameters.read``.
    :param guard: the network's :class:`.Guard`.
    :param navigation: :class:`.NavigationSession`.
    :param throttle: :class:`.Throttle` for what goes wrong with single frames.
    :param keep_on: tells whether the node's context is alive.
    :param on_fault: called once, without arguments and from the worker's thread, when
        no frame can be segmented any more; ``fault`` says why.

    :ivar fault: one line, or ''.
    """

    def __init__(self, cameras, settings, guard, navigation, throttle, *, keep_on, on_fault):
        self._cameras = cameras
        self._current = settings, guard, navigation
        self._throttle = throttle
        self._keep_on = keep_on
        self._on_fault = on_fault
        self._closed = False
        self._step_began = None
        self._unpublished = 0
        self.fault = ''
        self._worker = None

    def start(self):
        """Start the thread."""
        self._worker = Worker(self.work)

    def wake(self):
        """Say that a frame has come; callable from any thread."""
        if self._worker is not None:
            self._worker.wake()

    def swap(self, settings, guard, navigation):
        """Take other settings, or another network, between two frames."""
        self._current = settings, guard, navigation

    def step(self):
        """Note that the work goes on; see :meth:`stuck_for`."""
        self._step_began = time.monotonic()

    def stuck_for(self):
        """Return the seconds that the current step has taken, 0 when there is none."""
        began = self._step_began
        return 0.0 if began is None else time.monotonic() - began

    def close(self, timeout):
        """
        Stop; what a frame in work comes to later is thrown away.

        :param timeout: seconds that the frame in work may take.
        :returns: whether it has ended.
        """
        self._closed = True
        return self._worker is None or self._worker.close(timeout)

    def work(self):
        """
        Take the newest frame of every camera through.

        Together where a batch pays; else one after the other, each as new as it can be.

        :returns: whether there was any.
        """
        current = settings, guard, _ = self._current
        turns = [self._cameras] if guard.batches else [[camera] for camera in self._cameras]
        busy = False
        for cameras in turns:
            frames = [(camera, frame) for camera in cameras
                      if (frame := camera.input.take(settings.max_rate)) is not None]
            if not frames or self._closed or self.fault:
                continue
            busy = True
            self.step()
            try:
                self._segment(frames, *current)
            finally:
                self._step_began = None
        return busy

    def _segment(self, frames, settings, guard, navigation):
        """Segment a frame of each of some cameras; whatever goes wrong costs one frame only."""
        jobs = [job for camera, frame in frames
                if (job := self._guarded(camera, self._prepare, camera, *frame)) is not None]
        results = guard.try_batch(
            [job.image for job in jobs], settings,
            want_confidence=any(job.wants_confidence for job in jobs)) or [None] * len(jobs)
        self._unpublished = len(jobs)
        for job, result in zip(jobs, results):
            self._unpublished -= 1
            if not self.fault:
                self.step()
                self._guarded(job.camera, self._finish, job, result, settings, guard, navigation)

    def _prepare(self, camera, message, arrival):
        """Return the :class:`_Job` of a frame, or None where nobody wants it."""
        wanted = camera.wanted()
        if not wanted:
            camera.statistics.count('drop:unwanted')
            return None
        camera.note_header(message.header)
        return _Job(camera, message.header, arrival, wanted, image_to_rgb(message))

    def _finish(self, job, result, settings, guard, navigation):
        """Segment a frame unless its result is there, and publish it."""
        camera = job.camera
        if result is None:
            result = guard.segment(job.image, settings, want_confidence=job.wants_confidence)
        self._publish(camera, job.wanted, Frame(
            header=job.header, result=result, settings=settings, navigation=navigation,
            hurry=self._hurry, info=camera.input.info, network=guard.segmenter.network.name))
        camera.statistics.frame_done(time.monotonic() - job.arrival)

    def _guarded(self, camera, work, *args):
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
            if self._closed or not self._keep_on():
                return None  # its publishers are gone
            camera.statistics.frame_failed(type(error).__name__, str(error))
            self._throttle.exception(
                (camera.name, type(error)), f'frame on {camera.input.topic} failed', error)
        return None

    def _hurry(self):
        """Tell whether there is something else to do."""
        return self._closed or self._unpublished > 0 or any(
            camera.input.waiting for camera in self._cameras)

    def _publish(self, camera, wanted, frame):
        """Let each group publish: what fails in one does not keep the others back."""
        failure = None
        for group, names in wanted:
            if self._closed or not self._keep_on():
                return
            try:
                group.publish(frame, names)
            except Exception as error:
                failure = failure or error
        if failure:
            raise failure
