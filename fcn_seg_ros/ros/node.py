"""The segmentation node: life cycle, parameters, and the frames' way through."""

from concurrent.futures import ThreadPoolExecutor
import time

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import Node, State, TransitionCallbackReturn

from . import parameters
from .camera import Camera
from .messages import image_to_rgb
from .throttle import Throttle
from .worker import Worker
from ..errors import FcnSegError, ImageError
from ..segmenter import Segmenter

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE

_WATCH_PERIOD = 0.5
"""Seconds between looks at who subscribes and what cameras offer."""
_CLOSE_TIMEOUT = 1.5
"""Seconds that a frame in work may take at a shutdown; its thread dies with the process."""
_SEGMENTER_PARAMETERS = ('network', 'weights', 'models_dir', 'device', 'engine', 'precision',
                         'threads', 'deterministic', 'ignore_classes', 'min_confidence')


class SegmentationNode(Node):
    """
    Segments camera images with one network; a managed node.

    The executor's thread runs callbacks only (frames are put down, not worked on);
    a worker thread decodes, segments and publishes the newest frame of each camera.
    """

    def __init__(self, **kwargs):
        super().__init__('segmentation', **kwargs)
        parameters.declare(self)
        self._settings = None
        self._segmenter = None
        self._prepared = None  # settings and segmenter of a parameter request being granted
        self._cameras = []
        self._worker = None
        self._throttle = Throttle(self.get_logger())
        self._loader = ThreadPoolExecutor(1, 'loader')
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._apply_parameters)
        self._watch = None

    # -- life cycle ---------------------------------------------------------------------

    def on_configure(self, state: State):
        """Load the network and create the outputs; a failure logs one line."""
        try:
            settings = parameters.read(self)
            self._segmenter = self._load(settings)
            self._settings = settings
            self._cameras = [Camera(self, name, settings.image_transport, self._on_frame)
                             for name in settings.cameras or ['']]
        except (FcnSegError, ValueError, OSError) as error:
            self.get_logger().error(f'cannot configure: {error}')
            return self._undo_configure()
        except Exception as error:  # rclpy of older distributions swallows the traceback
            import traceback
            self.get_logger().error(f'cannot configure: {error!r}\n{traceback.format_exc()}')
            return self._undo_configure()
        self.get_logger().info(
            f'network {self._segmenter.network.name} ({len(self._segmenter.classes)} classes, '
            f'input {self._segmenter.input_size[1]}x{self._segmenter.input_size[0]}) on '
            f'{self._segmenter.device}, engine {self._segmenter.engine.name} '
            f'({self._segmenter.engine.detail})')
        return SUCCESS

    def _undo_configure(self):
        self._release()
        return FAILURE

    def on_activate(self, state: State):
        """Start to work on frames that somebody wants."""
        self._worker = Worker(self._work)
        # Of the steady clock: simulated time may stand still.
        self._watch = self.create_timer(
            _WATCH_PERIOD, self._follow, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._follow()
        for camera in self._cameras:
            self.get_logger().info(f'waiting for images on {camera.input.topic}')
        return super().on_activate(state)

    def on_deactivate(self, state: State):
        """Stop working; the network stays loaded."""
        self._pause()
        return super().on_deactivate(state)

    def on_cleanup(self, state: State):
        """Give the network's memory back."""
        self._release()
        return SUCCESS

    def on_shutdown(self, state: State):
        """Stop and release everything."""
        self._pause()
        self._release()
        return SUCCESS

    def on_error(self, state: State):
        """Go back to unconfigured after an error."""
        self._pause()
        self._release()
        return SUCCESS

    def _pause(self):
        if self._watch is not None:
            self.destroy_timer(self._watch)
            self._watch = None
        for camera in self._cameras:
            camera.input.close()
        if self._worker is not None:
            self._worker.close(_CLOSE_TIMEOUT)
            self._worker = None

    def _release(self):
        for camera in self._cameras:
            camera.close()
        self._cameras = []
        self._segmenter = None
        self._settings = None

    def close(self):
        """Stop the worker and destroy the node, at the process's end."""
        self._pause()
        self.destroy_node()

    # -- parameters ---------------------------------------------------------------------

    def _load(self, settings):
        """
        Return the segmenter for some settings.

        In a thread of its own, so that a signal ends the process in mid-load.
        """
        options = {name: getattr(settings, name) for name in _SEGMENTER_PARAMETERS}
        future = self._loader.submit(_load_segmenter, options, settings.download)
        while not future.done():
            if not self.context.ok():
                raise FcnSegError('interrupted while loading')
            time.sleep(0.02)
        return future.result()

    def _check_parameters(self, requested):
        """Grant a request only as a whole and only when it can be obeyed."""
        self._prepared = None
        changes = {p.name: p.value for p in requested}
        try:
            self._prepare(changes)
        except (FcnSegError, ValueError, OSError) as error:
            return _result(False, str(error))
        return _result(True)

    def _prepare(self, changes):
        if self._settings is None:
            for name, value in changes.items():
                parameters.check(name, value)
            return
        fixed = [name for name in parameters.fixed_while_configured(changes)
                 if changes[name] != self.get_parameter(name).value
                 and list(changes[name] if isinstance(changes[name], (list, tuple)) else ())
                 != list(self.get_parameter(name).value or ())]
        if fixed:
            raise ValueError(f"{', '.join(fixed)} cannot change while the node is configured: "
                             'deactivate and clean up first')
        settings = parameters.read(self, changes)
        segmenter = self._segmenter
        old = self._settings
        if (settings.network, settings.weights) != (old.network, old.weights):
            if settings.weights and settings.weights == old.weights:
                raise ValueError(f"the parameter weights ('{old.weights}') belongs to network "
                                 f"'{old.network}': change both in one request")
            segmenter = self._load(settings)
        self._prepared = settings, segmenter

    def _apply_parameters(self, requested):
        if self._prepared is None:
            return
        (settings, segmenter), self._prepared = self._prepared, None
        if segmenter is self._segmenter:
            segmenter.configure(ignore_classes=settings.ignore_classes,
                                min_confidence=settings.min_confidence)
        else:
            self.get_logger().info(f'switched to network {segmenter.network.name}')
        # The worker takes both once a frame: the swap falls between two frames.
        self._settings, self._segmenter = settings, segmenter

    # -- frames -------------------------------------------------------------------------

    def _follow(self):
        for camera in self._cameras:
            camera.input.follow(bool(camera.outputs.wanted()))

    def _on_frame(self):
        worker = self._worker
        if worker is not None:
            worker.wake()

    def _work(self):
        """Take the newest frame of every camera through; called by the worker."""
        settings, segmenter = self._settings, self._segmenter
        more = False
        for camera in self._cameras:
            frame = camera.input.take(settings.max_rate)
            if frame is not None:
                self._segment(camera, frame, settings, segmenter)
                more = True
        return more

    def _segment(self, camera, frame, settings, segmenter):
        message, arrival = frame
        try:
            wanted = camera.outputs.wanted()
            if not wanted:
                return
            camera.note_header(message.header)
            image = image_to_rgb(message)
            result, = segmenter.segment(
                [image], settings.mask_size,
                want_confidence=not wanted.isdisjoint(('confidence', 'confidence/compressed')))
            camera.outputs.publish(
                wanted, result, message.header, network=segmenter.network.name,
                alpha=settings.overlay_alpha, regions=settings.regions,
                info=camera.input.info)
            camera.statistics.frame_done(time.monotonic() - arrival)
        except ImageError as error:
            camera.statistics.frame_failed(error.kind, str(error))
            self._throttle.warning(
                (camera.name, error.kind), f'image on {camera.input.topic} dropped: {error}')
        except Exception as error:  # costs this frame only, whatever it was
            if not self.context.ok():
                return  # a publisher that the shutdown took away
            camera.statistics.frame_failed(type(error).__name__, str(error))
            self._throttle.exception(
                (camera.name, type(error)), f'frame on {camera.input.topic} failed', error)


def _load_segmenter(options, download):
    if download and not options['weights']:
        from ..fetch import fetch
        from ..registry import Registry
        registry = Registry.load(options['models_dir'])
        network = registry.get(options['network'])
        if registry.find_weights(network) is None:
            fetch(network, registry.models_dir)
    return Segmenter(**options)


def _result(successful, reason=''):
    from rcl_interfaces.msg import SetParametersResult
    return SetParametersResult(successful=successful, reason=reason)
