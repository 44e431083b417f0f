"""All of the benchmark, or parts of it, one after the other."""

from functools import partial
from importlib.util import find_spec
import logging

from . import engines, machine, stages
from .launches import count_launches
from .timing import Timing
from ..errors import FcnSegError
from ..segmenter import Segmenter

CORE_PARTS = ('stages', 'engines')
ROS_PARTS = ('dds', 'start', 'idle', 'memory', 'cameras', 'profile')
PARTS = CORE_PARTS + ROS_PARTS
CAMERAS = (1, 2, 4, 8)

_log = logging.getLogger(__name__)


def choose_parts(asked):
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


def run(options, parts, *, size, seconds, rounds, frames, image='', against='',
        progress=print):
    """
    Run parts of the benchmark.

    :param options: network, weights, models_dir, device, engine, precision and threads,
        as for the :class:`.Segmenter`.
    :param parts: as of :func:`choose_parts`.
    :param size: (width, height) of the camera's pictures.
    :param seconds: about how long each single measurement takes.
    :param rounds: how often those are taken that are compared with each other.
    :param frames: to watch the memory for.
    :param image: file with the picture that the cameras see, '' for the package's own.
    :param against: a checkout of another version to compare the node with, '' for none.
    :param progress: called with a line for each part.
    :returns: the results, ready for JSON; durations in milliseconds.  Under 'failed' are the
        parts over DDS that could not be measured, and why.
    """
    picture = stages.camera_picture(size, image)
    segmenter = Segmenter(**options)
    height, width = segmenter.input_size
    results = {'machine': machine.describe_machine(), 'run': {
        'network': segmenter.network.name, 'input': f'{width}x{height}',
        'camera': f'{size[0]}x{size[1]}', 'device': str(segmenter.device),
        'engine': f'{segmenter.engine.name} ({segmenter.engine.detail})'}}
    published = machine.published_rate(segmenter.network, machine.board())
    if published:
        results['published'] = dict(zip(('machine', 'fps'), published))
    if 'stages' in parts:
        progress('steps of a frame')
        results['stages'] = stages.measure_stages(segmenter, picture, seconds)
        if segmenter.device.type == 'cuda':
            results['launches'] = count_launches(partial(segmenter, picture))
    forward = None
    if {'engines', 'dds'} & set(parts):
        progress('engines')
        forwards = engines.load_forwards(
            options['network'], options['weights'], options['models_dir'], segmenter.device,
            options['threads'], options['precision'])
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


def _run_ros(results, parts, options, picture, forward, seconds, rounds, frames, against,
             progress):
    from .dds import end_to_end
    from .dds.processes import ProcessGroup
    processes = ProcessGroup(picture)
    steps = (
        ('dds', 'messages', lambda: end_to_end.measure_messages(processes, seconds)),
        ('dds', 'end_to_end', lambda: end_to_end.compare(
            processes, options, forward, seconds, rounds, against)),
        ('start', 'start', lambda: end_to_end.measure_start(
            processes, options, rounds, against)),
        ('idle', 'idle', lambda: end_to_end.measure_idle(processes, options, seconds)),
        ('memory', 'memory', lambda: {
            'bytes': end_to_end.measure_memory(processes, options, frames), 'frames': frames}),
        ('cameras', 'cameras', lambda: end_to_end.measure_cameras(
            processes, options, CAMERAS, seconds, rounds)),
        ('profile', 'profiles', lambda: end_to_end.measure_profiles(processes, seconds)))
    try:
        for part, name, measure in steps:
            if part not in parts:
                continue
            progress(name.replace('_', ' '))
            try:
                results[name] = measure()
            except FcnSegError as error:  # the other parts took minutes, too
                results.setdefault('failed', {})[name] = str(error)
    finally:
        processes.close()


def _for_json(value):
    if isinstance(value, Timing):
        return value.to_dict()
    if isinstance(value, dict):
        return {str(key): _for_json(item) for key, item in value.items()}
    return value
