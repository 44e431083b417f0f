"""The node's health on ``/diagnostics``, once a second."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.callback_groups import CallbackGroup
from rclpy.duration import Duration
from rclpy.node import Node

from .camera import Camera
from .settings import Limits, Settings
from .statistics import Statistics
from .topic_specs import CAMERA_INFO, DEPTH, DIAGNOSTICS, IMAGE
from ..inference.devices import Device
from ..inference.recovery import Guard

OK, WARN = DiagnosticStatus.OK, DiagnosticStatus.WARN
ERROR, STALE = DiagnosticStatus.ERROR, DiagnosticStatus.STALE
PERIOD = 1.0
"""Seconds between messages."""


@dataclass
class Status:
    """
    One line of an operator's screen.

    :param name: what it is about, appended to the node's name.
    :param hardware_id: the part that it runs on.
    :param level: how bad it is, one of DiagnosticStatus.
    :param message: one line, '' where nothing is wrong.
    :param values: {what: value}, shown as texts.
    """

    name: str
    hardware_id: str
    level: bytes = OK
    message: str = ''
    values: dict[str, object] = field(default_factory=dict)

    def raise_to(self, level: bytes, message: str) -> None:
        """
        Report a problem; of several the worst one, and of equally bad ones the first.

        :param level: how bad it is.
        :param message: one line.
        """
        if level > self.level or not self.message:
            self.level, self.message = max(level, self.level), message

    def to_message(self, node_name: str) -> DiagnosticStatus:
        """
        Return the message.

        :param node_name: what the status's name begins with.
        """
        return DiagnosticStatus(
            level=self.level, name=f'{node_name}: {self.name}', message=self.message or 'OK',
            hardware_id=self.hardware_id,
            values=[KeyValue(key=key, value=str(value)) for key, value in self.values.items()])


class DiagnosticsPublisher:
    """
    Publish statuses on ``/diagnostics``.

    :param node: the node to publish with.
    :param callback_group: for the publisher's events.
    """

    def __init__(self, node: Node, callback_group: CallbackGroup) -> None:
        self._node = node
        self._publisher = node.create_publisher(
            DiagnosticArray, DIAGNOSTICS, 1, callback_group=callback_group)

    def publish(self, statuses: Iterable[Status]) -> None:
        """
        Publish some statuses as one message.

        :param statuses: in the order in which they are shown.
        """
        msg = DiagnosticArray(status=[
            status.to_message(self._node.get_name()) for status in statuses])
        msg.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(msg)

    def flush(self) -> None:
        """Wait a little until those who listen have it: the last words of a process."""
        self._publisher.wait_for_all_acked(Duration(seconds=0.3))


def input_status(camera: Camera, limits: Limits, now: float, state: str) -> Status:
    """
    Judge what comes from a camera.

    :param camera: the camera.
    :param limits: the parameters ``diagnostics.*``.
    :param now: time.monotonic().
    :param state: label of the node's lifecycle state.
    """
    source, statistics = camera.input, camera.statistics
    status = Status(_named(camera, 'camera image'), source.topic)
    rate, age = statistics.rate('received'), statistics.age('received')
    status.values = {
        'topic': source.topic,
        'reliability': 'not subscribed' if not source.subscribed
                       else 'reliable' if source.reliable else 'best effort',
        'frames received': statistics.total('received'),
        'frame rate (Hz)': f'{rate:.2f}',
        'age of the last frame (s)': 'none yet' if age is None else f'{age:.2f}',
        CAMERA_INFO: 'received' if source.info is not None else 'none',
        'camera_info topic': source.info_topic,
        **_counts(statistics, 'error:', 'errors: '),
        **_counts(statistics, 'note:', 'odd headers: '),
    }
    if statistics.last_error:
        status.values['last error'] = statistics.last_error
    if state == 'active':
        for name in (IMAGE, CAMERA_INFO):
            if name in camera.offers.problems:
                status.raise_to(WARN, camera.offers.problems[name])
    since = source.subscribed_at
    if state != 'active' or since is None:
        status.message = status.message or _resting(state)
        return status
    # Count silence only from the moment we subscribed.
    age = now - since if age is None else min(age, now - since)
    if age > limits.age_stale:
        status.raise_to(STALE, f'no image on {source.topic} for {age:.0f} s')
    elif age > limits.age_warn:
        status.raise_to(WARN, f'no image on {source.topic} for {age:.1f} s')
    if now - since > limits.window:  # a rate takes time to be one
        for level, least in ((ERROR, limits.rate_error), (WARN, limits.rate_warn)):
            if rate < least:
                status.raise_to(level, f'{rate:.1f} frames a second, less than {least:g}')
    failed = statistics.recent('error:', limits.window)
    share = failed / max(1, failed + statistics.recent('done', limits.window))
    if failed and share > limits.errors_warn:
        status.raise_to(ERROR if share > limits.errors_error else WARN,
                        f'{failed} frames failed lately: {statistics.last_error}')
    for kind in statistics.by_name('note:'):
        if statistics.recent(f'note:{kind}', limits.window):
            status.raise_to(WARN, f'images come with {kind}')
    status.message = status.message or f'{rate:.1f} frames a second'
    return status


def output_status(camera: Camera, limits: Limits, device: str, state: str) -> Status:
    """
    Judge what the node makes of a camera's images.

    :param camera: the camera.
    :param limits: the parameters ``diagnostics.*``.
    :param device: name of the device that the network runs on.
    :param state: label of the node's lifecycle state.
    """
    statistics = camera.statistics
    status = Status(_named(camera, 'masks'), device)
    rate, latency = statistics.rate('done'), statistics.latency()
    wanted = sorted(name for _, names in camera.wanted() for name in names)
    status.values = {
        'frames done': statistics.total('done'),
        'frame rate (Hz)': f'{rate:.2f}',
        'frames failed': statistics.total('error:'),
        **_counts(statistics, 'drop:', 'dropped: '),
        **_counts(statistics, 'held:', 'held back: '),
        'subscribed outputs': ', '.join(wanted) or 'none',
    }
    for percent, seconds in zip((50, 95, 99), latency or ()):
        status.values[f'latency p{percent} (ms)'] = f'{1000 * seconds:.1f}'
    recent = statistics.recent('done', limits.window)
    if state != 'active' or not wanted:
        status.message = _resting(state)
        return status
    if recent and latency:
        for level, most in ((ERROR, limits.latency_error), (WARN, limits.latency_warn)):
            if latency[1] > most:
                status.raise_to(level, f'latency p95 is {latency[1]:.2f} s, above {most:g} s')
    drops = statistics.recent('drop:overload', limits.window)
    if drops > limits.drops_warn * max(1, statistics.recent('received', limits.window)):
        status.raise_to(WARN, f'too slow for the camera: {drops} frames dropped lately')
    status.message = status.message or f'{rate:.1f} frames a second'
    return status


def navigation_status(camera: Camera, limits: Limits, state: str, mount: str = '',
                      difference: str = '', static: str = '') -> Status:
    """
    Judge what clouds and grid are made from.

    :param camera: the camera.
    :param limits: the parameters ``diagnostics.*``.
    :param state: label of the node's lifecycle state.
    :param mount: what becomes of the transform of the camera's mount, '' without any.
    :param difference: how TF's place of the camera differs from its mount's, '' where not.
    :param static: what keeps fixed transforms from arriving, '' where nothing does.
    """
    navigation, statistics = camera.navigation, camera.statistics
    status = Status(_named(camera, 'navigation'), navigation.depth.topic)
    wanted = sorted(navigation.wanted())
    status.values = {
        'subscribed outputs': ', '.join(wanted) or 'none',
        'places from': navigation.places_from,
        'depth topic': navigation.depth.topic,
        'depth images': 'expected' if navigation.depth.expected else 'none offered',
        **({'transform of the mount': mount} if mount else {}),
        **_counts(statistics, 'nav:', 'problems: '),
    }
    for kind, text in sorted(dict(navigation.problems).items()):
        status.values[f'last problem: {kind}'] = text
    if state == 'active' and DEPTH in camera.offers.problems:
        status.raise_to(WARN, camera.offers.problems[DEPTH])
    if state != 'active' or not wanted:
        status.message = status.message or _resting(state)
        return status
    for problem in (difference, static):
        if problem:
            status.raise_to(WARN, problem)
    for kind in sorted(statistics.by_name('nav:')):
        if statistics.recent(f'nav:{kind}', limits.window):
            status.raise_to(WARN, navigation.problems[kind])
    status.message = status.message or f'places from {navigation.places_from}'
    return status


def network_status(settings: Settings | None, guard: Guard | None, state: str,
                   fault: str = '') -> Status:
    """
    Tell what runs, and whether it runs as it should.

    :param settings: the node's parameters, or None while not configured.
    :param guard: what runs the network, or None while there is none.
    :param state: label of the node's lifecycle state.
    :param fault: why the node has no network although it should.
    """
    segmenter = guard.segmenter if guard is not None else None
    status = Status('network', str(segmenter.device) if segmenter else 'none',
                    values={'state': state})
    if fault:
        status.raise_to(ERROR, fault)
    if guard is None:
        status.message = status.message or f'no network loaded ({state})'
        return status
    status.values['reloads'] = guard.reloads
    if segmenter is None:
        status.raise_to(ERROR, 'the engine failed and is loaded again')
        return status
    status.values |= {
        'network': segmenter.network.name,
        'weights': segmenter.weights,
        'classes': len(segmenter.classes),
        'device': _device_name(segmenter.device),
        'engine': segmenter.engine.name,
        'engine detail': segmenter.engine.detail,
        'precision': segmenter.engine.precision,
    }
    if segmenter.device.type == 'cuda':
        import torch  # it is loaded: the network runs with it
        free, total = torch.cuda.mem_get_info(segmenter.device.torch())
        status.values['GPU memory of the node (MB)'] = \
            torch.cuda.memory_reserved(segmenter.device.torch()) >> 20
        status.values['GPU memory free (MB)'] = f'{free >> 20} of {total >> 20}'
    missing = [label for label in (settings.ignore_classes if settings else ())
               if label != 'void' and label not in segmenter.classes.labels]
    if missing:
        status.raise_to(WARN, f"ignore_classes names what the network lacks: {', '.join(missing)}")
    if guard.degraded:
        status.raise_to(WARN, f'the network runs {guard.degraded}')
    status.message = status.message or f'{segmenter.network.name} on {segmenter.device}'
    return status


def _resting(state: str) -> str:
    return 'idle, nobody subscribes' if state == 'active' else f'the node is {state}'


def _named(camera: Camera, what: str) -> str:
    return f'{camera.name} {what}' if camera.name else what


def _counts(statistics: Statistics, prefix: str, label: str) -> dict[str, int]:
    return {label + kind: count for kind, count in sorted(statistics.by_name(prefix).items())}


def _device_name(device: Device) -> str:
    if device.type != 'cuda':
        return str(device)
    import torch
    return f'{device} ({torch.cuda.get_device_name(device.torch())})'
