"""The frames' way through the node, in a thread of its own."""

import time

from .frame import Frame
from .guard import EngineDownError, EngineLostError
from .messages import image_to_rgb
from .worker import Worker
from ..errors import ImageError


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

        :returns: whether there was any.
        """
        current = self._current
        busy = False
        for camera in self._cameras:
            frame = camera.input.take(current[0].max_rate)
            if frame is None or self._closed or self.fault:
                continue
            busy = True
            self.step()
            try:
                self._segment(camera, frame, *current)
            finally:
                self._step_began = None
        return busy

    def _segment(self, camera, frame, settings, guard, navigation):
        """Segment one frame; whatever goes wrong costs this frame only."""
        message, arrival = frame
        try:
            wanted = camera.wanted()
            if not wanted:
                camera.statistics.count('drop:unwanted')
                return
            camera.note_header(message.header)
            image = image_to_rgb(message)
            result = guard.segment(image, settings, want_confidence=any(
                group.needs_confidence(names) for group, names in wanted))
            self._publish(camera, wanted, Frame(
                header=message.header, result=result, settings=settings,
                navigation=navigation, hurry=self._hurry, info=camera.input.info,
                network=guard.segmenter.network.name))
            camera.statistics.frame_done(time.monotonic() - arrival)
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
                return  # its publishers are gone
            camera.statistics.frame_failed(type(error).__name__, str(error))
            self._throttle.exception(
                (camera.name, type(error)), f'frame on {camera.input.topic} failed', error)

    def _hurry(self):
        """Tell whether there is something else to do."""
        return self._closed or any(camera.input.waiting for camera in self._cameras)

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
