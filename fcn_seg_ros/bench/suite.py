"""All of the benchmark, or parts of it, one after the other."""

from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
import logging
from typing import Any

from . import engines, machine, stages
from .engines import Options
from .timing import Timing
from ..errors import FcnSegError
from ..segmenter import Segmenter
from ..support.arrays import Size, UInt8Array

CORE_PARTS = ('stages', 'engines')
ROS_PARTS = ('dds', 'start', 'idle', 'memory', 'cameras', 'profile')
PARTS = CORE_PARTS + ROS_PARTS
CAMERAS = (1, 2, 4, 8)

_log = logging.getLogger(__name__)


def choose_parts(asked: Sequence[str]) -> list[str]:
    """
    Return the parts to run.

    :param asked: names of :data:`PARTS`, empty: all that can be run here.
    :raises FcnSegError: when one needs ROS 2, and there is none.
    """
    has_ros = find_spec('rclpy') is not None
    parts = [part for part in PARTS if part in asked] if asked else list(PARTS)
    missing = [part for part in parts if part in ROS_PARTS and not has_ros]
    if missing and asked:
        raise FcnSegError(f"{', '.join(missing)} need ROS 2: source its setup.bash, or install "
                          'the ROS 2 wheels into this environment')
    if missing:
        _log.warning('no ROS 2 here: %s left out', ', '.join(missing))
    return [part for part in parts if part not in missing]


def run(options: Options, parts: Sequence[str], *, size: Size, seconds: float, rounds: int,
        frames: int, image: str = '', against: str = '',
        progress: Callable[[str], object] = print) -> dict[str, Any]:
    """
    Run parts of the benchmark.

    :param options: as for the :class:`.Segmenter`.
    :param parts: as of :func:`choose_parts`.
    :param size: of the camera's pictures.
    :param seconds: about how long each single measurement takes.
    :param rounds: how often those are taken that are compared with each other.
    :param frames: to watch the memory for.
    :param image: file with the picture that the cameras see, '' for the package's own.
    :param against: a checkout of another version to compare the node with, '' for none.
    :param progress: called with a line for each part.
    :returns: the results, ready for JSON; durations in milliseconds.  Under 'failed' are the
        parts over DDS that could not be measured, and why.
    :raises FcnSegError: when the network cannot be had.
    """
    picture = stages.camera_picture(size, image)
    segmenter = Segmenter(**options)
    results: dict[str, Any] = {'machine': machine.describe_machine(), 'run': {
        'network': segmenter.network.name, 'input': str(segmenter.input_size),
        'camera': str(size), 'device': str(segmenter.device),
        'engine': f'{segmenter.engine.name} ({segmenter.engine.detail})'}}
    published = machine.published_rate(segmenter.network, machine.board())
    if published:
        results['published'] = dict(zip(('machine', 'fps'), published))
    if 'stages' in parts:
        progress('steps of a frame')
        results['stages'] = stages.measure_stages(segmenter, picture, seconds)
        if segmenter.device.type == 'cuda':
            results['launches'] = stages.count_launches(partial(segmenter, picture))
    forward = None
    if {'engines', 'dds'} & set(parts):
        progress('engines')
        forwards = engines.load_forwards(options, segmenter.device)
        results['engines'], fastest = engines.measure_engines(forwards, seconds)
        results['run']['fastest engine'] = fastest
        forward = forwards[fastest]
        del forwards
    del segmenter  # the node's processes need the memory
    ros_parts = [part for part in parts if part in ROS_PARTS]
    if ros_parts:
        _run_ros(results, ros_parts, options, picture, forward, seconds, rounds, frames,
                 against, progress)
    return _for_json(results)


def _run_ros(results: dict[str, Any], parts: Sequence[str], options: Options,
             picture: UInt8Array, forward: Callable[[], object] | None, seconds: float,
             rounds: int, frames: int, against: str, progress: Callable[[str], object]) -> None:
    from .dds import end_to_end
    from .dds.processes import ProcessGroup
    processes = ProcessGroup(picture)
    steps: dict[str, tuple[str, Callable[[], object]]] = {
        'messages': ('dds', partial(end_to_end.measure_messages, processes, seconds))}
    if forward is not None:
        steps['end_to_end'] = 'dds', partial(
            end_to_end.compare, processes, options, forward, seconds, rounds, against)
    steps |= {
        'start': ('start', partial(
            end_to_end.measure_start, processes, options, rounds, against)),
        'idle': ('idle', partial(end_to_end.measure_idle, processes, options, seconds)),
        'memory': ('memory', lambda: {
            'bytes': end_to_end.measure_memory(processes, options, frames), 'frames': frames}),
        'cameras': ('cameras', partial(
            end_to_end.measure_cameras, processes, options, CAMERAS, seconds, rounds)),
        'profiles': ('profile', partial(end_to_end.measure_profiles, processes, seconds))}
    try:
        for name, (part, measure) in steps.items():
            if part not in parts:
                continue
            progress(name.replace('_', ' '))
            try:
                results[name] = measure()
            except FcnSegError as error:  # the other parts took minutes, too
                results.setdefault('failed', {})[name] = str(error)
    finally:
        processes.close()


def _for_json(value: Any) -> Any:
    if isinstance(value, Timing):
        return value.to_dict()
    if isinstance(value, dict):
        return {str(key): _for_json(item) for key, item in value.items()}
    return value
