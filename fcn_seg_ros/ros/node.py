"""The segmentation node: life cycle and parameters."""

from collections.abc import Mapping
import faulthandler
import sys
import time
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import ParameterException
from rclpy.lifecycle import Node, State, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.timer import Timer

from . import diagnostics, parameters
from .configured import Configured
from .loading import describe, load_segmenter
from .nav_session import NavigationSession
from .pipeline import Pipeline
from .settings import Settings
from .throttle import format_traceback, Throttle
from .topics import Topics
from ..errors import FcnSegError
from ..inference.recovery import Guard
from ..segmenter import Segmenter
from ..support.process import release_memory

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE

_WATCH_PERIOD = 0.5
"""Seconds between looks at who subscribes, what cameras offer and whether the work hangs."""
_CLOSE_TIMEOUT = 1.5
"""Seconds that a frame in work may take when the node is deactivated."""
_END_TIMEOUT = 0.5
"""Seconds that it may take at the process's end, and a load after that."""
_POLL = 0.02
"""Seconds between two looks at whether a load has ended."""


class SegmentationNode(Node):
    """
    Segments camera images with one network; a managed node.

    Made for the :class:`.ServiceThreadExecutor`, so that images, timers and events go on
    while a service (parameters or life cycle) is loading a network.  Images are only put down
    there; the :class:`.Pipeline` works on them in threads of its own.

    :param kwargs: of rclpy's Node, such as ``context`` and ``namespace``.
    :ivar exit_status: what the process should end with, once the context is shut down.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('segmentation', **kwargs)
        self.exit_status = 0
        self._timers_group = MutuallyExclusiveCallbackGroup()
        self._configured: Configured | None = None
        self._pipeline: Pipeline | None = None  # while the node is active
        self._fault = ''
        self._configuring = False
        self._loads: list[object] = []  # the settings of each that is under way
        self._throttle = Throttle(self.get_logger())
        parameters.declare(self)
        self.add_on_set_parameters_callback(self._on_parameters)
        self._diagnostics = diagnostics.DiagnosticsPublisher(self, self._timers_group)
        # Steady clocks: simulated time may stand still.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(diagnostics.PERIOD, self._publish_diagnostics,
                          callback_group=self._timers_group, clock=self._steady)
        self.create_timer(_WATCH_PERIOD, self._watch,
                          callback_group=self._timers_group, clock=self._steady)
        self._change_signal = self.create_guard_condition(
            self._follow, callback_group=self._timers_group)
        self._fault_signal = self.create_guard_condition(self._give_up)
        self._start_timer: Timer | None = None

    # -- start and end ------------------------------------------------------------------

    def start(self) -> None:
        """Configure and activate as soon as the executor spins, if ``autostart`` says so."""
        if self.get_parameter('autostart').value:
            self._start_timer = self.create_timer(0.0, self._autostart, clock=self._steady)

    def _autostart(self) -> None:
        if self._start_timer is not None:
            self.destroy_timer(self._start_timer)
        started = self.trigger_configure() == SUCCESS and self.trigger_activate() == SUCCESS
        if not started and self.context.ok():  # else a signal has broken it off
            self._quit(1)

    def _give_up(self) -> None:
        """Clean up after a fault that no frame survives, and end so that a launch respawns."""
        pipeline = self._pipeline
        if pipeline is None or not pipeline.fault:
            return
        self._fault = pipeline.fault
        self.get_logger().fatal(f'{self._fault}: the node deactivates and cleans up')
        self.trigger_deactivate()
        self.trigger_cleanup()
        if self.get_parameter('autostart').value:
            self._quit(1)

    def _quit(self, status: int) -> None:
        """End the process, after a last word to who watches the diagnostics."""
        self.exit_status = status
        self._publish_diagnostics()
        self._diagnostics.flush()
        self.context.try_shutdown()

    def close(self) -> None:
        """Destroy the node at the process's end; what is in work may die with it."""
        if self._pipeline is not None:
            # A publisher in use would keep the node on the graph, seemingly alive.
            self._pipeline.close(_END_TIMEOUT)
        # A download or the building of an engine breaks off, and takes its files with it.
        end = time.monotonic() + _END_TIMEOUT
        while self._loads and time.monotonic() < end:
            time.sleep(_POLL)
        self.destroy_node()
        # destroy_node() forgets it, and it keeps the DDS participant: Fast DDS would leave
        # its segments of shared memory behind (config/fastdds.xml: 64 MiB).
        del self._state_machine

    # -- life cycle ---------------------------------------------------------------------

    def on_configure(self, state: State) -> TransitionCallbackReturn:
        """
        Load the network and create the outputs; a failure logs one line.

        :param state: the node's, before.
        """
        self._configuring = True
        try:
            settings = parameters.read(self)
            guard = self._load(settings)
            navigation = NavigationSession(settings, guard.segmenter.classes)
            topics = Topics(self, settings, self._throttle, self._on_frame,
                            self._change_signal.trigger)
        except (FcnSegError, ParameterException, ValueError, OSError) as error:
            return self._undo_configure(str(error))
        except Exception as error:  # rclpy swallows it without a word
            return self._undo_configure(f'{error!r}\n{format_traceback(error)}')
        finally:
            self._configuring = False
        self._configured = Configured(settings, guard, navigation, topics)
        self._fault = ''
        release_memory()  # which only loading has needed
        topics.announce(guard.segmenter.classes, settings.min_confidence)
        self.get_logger().info(describe(guard.segmenter))
        return SUCCESS

    def _undo_configure(self, reason: str) -> TransitionCallbackReturn:
        self._release()
        self._fault = f'cannot configure: {reason}'
        if self.context.ok():
            self.get_logger().error(self._fault)
        return FAILURE

    def on_activate(self, state: State) -> TransitionCallbackReturn:
        """
        Start to work on frames that somebody wants.

        :param state: the node's, before.
        """
        configured = self._configured
        if configured is None:  # rclpy activates configured nodes only
            return FAILURE
        cameras = configured.topics.cameras
        self._pipeline = Pipeline(
            cameras, configured.settings, configured.guard, configured.navigation,
            self._throttle, keep_on=self.context.ok, on_fault=self._fault_signal.trigger)
        self._pipeline.start()
        self._follow()
        for camera in cameras:
            self.get_logger().info(f'waiting for images on {camera.input.topic}')
        return super().on_activate(state)

    def on_deactivate(self, state: State) -> TransitionCallbackReturn:
        """
        Stop working; the network stays loaded.

        :param state: the node's, before.
        """
        self._pause()
        return super().on_deactivate(state)

    def on_cleanup(self, state: State) -> TransitionCallbackReturn:
        """
        Give the network's memory back.

        :param state: the node's, before.
        """
        self._release()
        return SUCCESS

    def on_shutdown(self, state: State) -> TransitionCallbackReturn:
        """
        Stop and release everything.

        :param state: the node's, before.
        """
        self._pause()
        self._release()
        return SUCCESS

    def on_error(self, state: State) -> TransitionCallbackReturn:
        """
        Go back to unconfigured after an error.

        :param state: the node's, before.
        """
        self._pause()
        self._release()
        return SUCCESS

    def _pause(self) -> None:
        pipeline, self._pipeline = self._pipeline, None
        self._follow()
        if pipeline is not None and not pipeline.close(_CLOSE_TIMEOUT):
            self.get_logger().warning('a frame in work is left to itself')

    def _release(self) -> None:
        configured, self._configured = self._configured, None
        if configured is not None:
            configured.topics.close()
        del configured  # the last that holds the network, whose memory is released here
        release_memory()

    # -- parameters ---------------------------------------------------------------------

    def _load(self, settings: Settings) -> Guard:
        def load(settings: Settings, **changes: Any) -> Segmenter:
            # While the node is active, with a frame in work or for a change of parameters, a load
            # ends with that.
            pipeline = self._pipeline
            keep_on = self.context.ok if pipeline is None else pipeline.keeps_on
            self._loads.append(settings)
            try:
                return load_segmenter(settings, self.get_logger(), keep_on, **changes)
            finally:
                self._loads.pop()

        return Guard(load(settings), settings, load, self.get_logger(), on_step=self._on_step)

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        """
        Set parameters as a client has written them: a whole number for a number, and so on.

        The parameter services end here, on every distribution.

        :param parameter_list: the request.
        """
        return super().set_parameters_atomically(parameters.in_types(parameter_list))

    def _on_parameters(self, requested: list[Parameter]) -> SetParametersResult:
        """Grant a request as a whole and when it can be obeyed, and obey it."""
        try:
            self._obey({p.name: p.value for p in requested})
        except (FcnSegError, ValueError, OSError) as error:
            return SetParametersResult(successful=False, reason=str(error))
        except Exception as error:  # would end the process
            self.get_logger().error(f'parameters not set: {format_traceback(error)}')
            return SetParametersResult(successful=False, reason=repr(error))
        return SetParametersResult(successful=True)

    def _obey(self, changes: Mapping[str, Any]) -> None:
        """
        Check some changes, then let the frames after this one be made with them.

        rclpy has checked types and ranges before, so that nothing can fail afterwards.
        """
        for name, value in changes.items():
            parameters.check(name, value)
        configured = self._configured
        if configured is None or not parameters.concerned(changes):
            return
        fixed = parameters.fixed_while_configured(self, changes)
        if fixed:
            raise ValueError(f"{', '.join(fixed)} cannot change while the node is configured: "
                             'deactivate and clean up first')
        old, settings = configured.settings, parameters.read(self, changes)
        self._configured = new = configured.changed(settings, self._load)
        if self._pipeline is not None:
            self._pipeline.swap(settings, new.guard, new.navigation)
        self._change_signal.trigger()
        classes = new.navigation.classes
        if new.guard is not configured.guard:
            new.topics.announce(classes, settings.min_confidence)
            self.get_logger().info(f'switched to {describe(new.guard.segmenter)}')
            release_memory()
        elif settings.min_confidence != old.min_confidence:
            new.topics.label_info.publish(classes, settings.min_confidence)

    # -- frames -------------------------------------------------------------------------

    def _follow(self) -> None:
        """Subscribe to the cameras whose frames somebody wants."""
        configured = self._configured
        if configured is not None:
            configured.topics.follow(self._pipeline is not None, configured.navigation)

    def _on_frame(self) -> None:
        pipeline = self._pipeline
        if pipeline is not None:
            pipeline.wake()

    def _on_step(self) -> None:
        pipeline = self._pipeline
        if pipeline is not None:
            pipeline.step()

    def _watch(self) -> None:
        self._follow()
        pipeline, configured = self._pipeline, self._configured
        if pipeline is None or configured is None or pipeline.fault:
            return
        timeout = configured.settings.diagnostics.hang_timeout
        stuck = pipeline.stuck_for()
        if timeout and stuck > timeout:
            faulthandler.dump_traceback(file=sys.stderr)
            pipeline.fault = f'the work on a frame hangs for {stuck:.0f} s'
            self._fault_signal.trigger()

    # -- diagnostics --------------------------------------------------------------------

    def _publish_diagnostics(self) -> None:
        self._follow()  # what has come to the graph is said at once, not with the next message
        configured = self._configured
        state = ('active' if self._pipeline is not None
                 else 'inactive' if configured is not None
                 else 'configuring' if self._configuring else 'unconfigured')
        statuses = [diagnostics.network_status(
            configured.settings if configured else None,
            configured.guard if configured else None, state, self._fault)]
        statuses[0].values['node'] = self.get_fully_qualified_name()  # several may have one name
        if configured is not None:
            missed = configured.topics.label_info.missed
            if missed:
                statuses[0].raise_to(diagnostics.WARN, missed)
            statuses += configured.statuses(statuses[0].hardware_id, state)
        self._diagnostics.publish(statuses)
