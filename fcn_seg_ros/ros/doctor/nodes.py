"""Segmentation nodes on the graph: what they say of themselves, and who gets their outputs."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.srv import GetParameters
from rclpy.parameter import parameter_value_to_python

from .offered import subscribers_that_get_nothing
from .watch import are_named, Watch
from ..diagnostics import OK, PERIOD, WARN
from ..parameter_specs import SPECS
from ..topic_specs import DIAGNOSTICS
from ...doctor.finding import Finding, Level

PARAMETERS = ('image_transport', 'rectified', 'ground_frame', 'mount.height')
"""What has to be known of a node to listen as it does."""
_ASK_AGAIN = 2.0
"""Seconds after which a question counts as lost."""


@dataclass(frozen=True)
class SegmentationNode:
    """
    A segmentation node, as its diagnostics and its parameters describe it.

    :param name: the full one.
    :param statuses: of its last diagnostics.
    :param parameters: the values of :data:`PARAMETERS`, those of the defaults where it gave none.
    :param answers: whether it gave them.
    """

    name: str
    statuses: tuple[DiagnosticStatus, ...]
    parameters: dict[str, Any]
    answers: bool = True

    def values(self, what: str) -> list[dict[str, str]]:
        """
        Return the values of the statuses of a kind, one for each camera.

        :param what: the kind, such as 'camera image'.
        """
        return [_values(status) for status in self.statuses if status.name.endswith(what)]


def find(watch: Watch, name: str = '', namespace: str = '') -> list[SegmentationNode]:
    """
    Listen for segmentation nodes.

    :param watch: the doctor's node.
    :param name: only nodes of this name; '' for all.
    :param namespace: only nodes in this namespace; '' for all.
    """
    heard: dict[str, DiagnosticArray] = {}

    def listen(message: DiagnosticArray) -> None:
        for status in message.status:
            speaker = _values(status).get('node', '')
            if speaker and _is_meant(speaker, name, namespace):
                heard[speaker] = message

    subscription = watch.node.create_subscription(DiagnosticArray, DIAGNOSTICS, listen, 10)
    if watch.wait_until(lambda: heard):
        since = time.monotonic()
        watch.wait_until(lambda: time.monotonic() - since > 1.5 * PERIOD)  # others speak, too
    watch.node.destroy_subscription(subscription)
    return [_ask(watch, speaker, tuple(message.status)) for speaker, message in heard.items()]


def examine(watch: Watch, segmentation: SegmentationNode) -> list[Finding]:
    """
    Pass on what a node says of itself, and look for subscribers that get none of its outputs.

    :param watch: the doctor's node.
    :param segmentation: the node.
    """
    found = [_state(segmentation)]
    if not segmentation.answers:
        found.append(Finding(
            Level.WARNING, segmentation.name, 'it does not tell its parameters: those of the '
            'defaults are taken for it', f'ros2 param list {segmentation.name}'))
    for status in segmentation.statuses:
        if status.level != OK:
            level = Level.WARNING if status.level == WARN else Level.FAULT
            problem, remedy = split(status.message)
            found.append(Finding(level, status.name, problem, remedy
                                 or 'ros2 topic echo /diagnostics tells more'))
    namespace, _, name = segmentation.name.rpartition('/')
    outputs = watch.node.get_publisher_names_and_types_by_node(name, namespace or '/')
    for topic, _ in outputs:
        watch.wait_until(partial(are_named, watch.node, topic))
        found += subscribers_that_get_nothing(watch.node, topic)
    return found


def split(text: str) -> tuple[str, str]:
    """
    Return a line of the package's as problem and remedy, which follow a colon; '' for none.

    :param text: the line.
    """
    problem, _, remedy = text.partition(': ')
    return problem, remedy


def _state(segmentation: SegmentationNode) -> Finding:
    facts = next(iter(segmentation.values(': network')), {})
    state = facts.get('state', 'unknown')
    if state == 'active':
        network, engine, precision = (facts.get(key, 'unknown')
                                      for key in ('network', 'engine', 'precision'))
        return Finding(Level.OK, segmentation.name,
                       f'active, {network} with {engine} in {precision}')
    step = {'inactive': 'activate', 'unconfigured': 'configure'}.get(state)
    return Finding(Level.WARNING, segmentation.name, f'it is {state}: nothing comes out',
                   f'ros2 lifecycle set {segmentation.name} {step}' if step
                   else 'wait until it has loaded its network')


def _ask(watch: Watch, speaker: str, statuses: tuple[DiagnosticStatus, ...]) -> SegmentationNode:
    """
    Ask a node for its parameters; it may be too busy, or of another machine, to answer.

    It is asked again and again: rmw_fastrtps drops the answer to a client that the node has not
    discovered within 0.1 s, which a busy machine may take.
    """
    values = defaults()
    client: Any = watch.node.create_client(GetParameters, f'{speaker}/get_parameters')
    futures: list[Any] = []

    def answered() -> bool:
        if time.monotonic() > began + _ASK_AGAIN * len(futures):
            futures.append(client.call_async(GetParameters.Request(names=PARAMETERS)))
        return any(future.done() for future in futures)

    answers = False
    if watch.wait_until(client.service_is_ready):
        began = time.monotonic()
        if watch.wait_until(answered):
            response = next(future.result() for future in futures if future.done())
            values |= zip(PARAMETERS, map(parameter_value_to_python, response.values))
            answers = True
    watch.node.destroy_client(client)
    return SegmentationNode(speaker, statuses, values, answers)


def defaults() -> dict[str, Any]:
    """Return the values of :data:`PARAMETERS` that a node has unless it is told otherwise."""
    return {spec.name: spec.default for spec in SPECS if spec.name in PARAMETERS}


def _values(status: DiagnosticStatus) -> dict[str, str]:
    values: Iterable[Any] = status.values
    return {value.key: value.value for value in values}


def _is_meant(speaker: str, name: str, namespace: str) -> bool:
    of, _, called = speaker.rpartition('/')
    return ((not name or called == name.strip('/'))
            and (not namespace or of.strip('/') == namespace.strip('/')))
