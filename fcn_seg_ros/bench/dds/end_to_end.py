"""What the node costs from end to end: processes of their own, over DDS."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
import os
import time
from typing import Any

import numpy as np

from .listener import FRACTIONS
from .processes import Process, ProcessGroup
from ..engines import Options
from ..timing import Timing
from ...support.arrays import Size

ALL = ('class_mask', 'color_mask', 'overlay', 'confidence', FRACTIONS)
MASK = ('class_mask', FRACTIONS)
CAMERA_RATE = 30.0
_WARM_UP_FRAMES = 500
_PATIENCE = 15.0
"""Seconds for the start of two processes and the first of their pictures, if any arrives."""
_FRAME_SIZES = {'0.9 MB': Size(480, 640), '2.1 MB': Size(720, 960), '6.2 MB': Size(1080, 1920)}


def start_node(processes: ProcessGroup, options: Mapping[str, object],
               cameras: Sequence[str] = (), namespace: str = 'ours', folder: str | None = None
               ) -> Process:
    """
    Start the package's node and wait until it is active.

    :param processes: the :class:`.ProcessGroup`.
    :param options: node parameters.
    :param cameras: names, for more than one.
    :param namespace: of the node.
    :param folder: a checkout to take the package from, instead of this one.
    :raises FcnSegError: when it does not start.
    """
    arguments = ['--ros-args', '-r', f'__ns:=/{namespace}']
    if cameras:
        arguments += ['-p', f"cameras:=[{', '.join(cameras)}]"]
    for key, value in options.items():
        # Quoted, since YAML would take some names for something else.
        arguments += ['-p', f"{key}:='{value}'" if isinstance(value, str) else f'{key}:={value}']
    node = processes.start('ros.main', *arguments, folder=folder)
    node.wait_for_log('waiting for images')
    return node


def start_usual_node(processes: ProcessGroup, options: Options) -> Process:
    """
    Start the node that is written the usual way, see ``usual_node.py``.

    :param processes: the :class:`.ProcessGroup`.
    :param options: which network, on what, with how many threads.
    :raises FcnSegError: when it does not start.
    """
    node = processes.start('bench.dds.usual_node', *(
        f'--{key.replace("_", "-")}={value}' for key, value in options.items()
        if key in ('network', 'weights', 'models_dir', 'device', 'threads')))
    node.wait_for_log('waiting for images')
    return node


def listen(processes: ProcessGroup, namespace: str, outputs: Sequence[str], seconds: float, *,
           rate: float = 0.0, cameras: Sequence[str] = ('',), rounds: int = 0) -> dict[str, Any]:
    """
    Let cameras publish for a node, and listen to what it makes of that.

    :param processes: the :class:`.ProcessGroup`.
    :param namespace: of the node.
    :param outputs: names of the topics to listen to.
    :param seconds: to listen, where ``rounds`` is 0.
    :param rate: pictures a second and camera; 0: each round begins when the outputs of the
        last one have arrived.
    :param cameras: their names, as the node has them.
    :param rounds: how many frames of each camera to listen to, or 0.
    :returns: what the listener has printed, see :class:`.Arrivals`; latencies in the order
        of the cameras.
    :raises FcnSegError: when nothing arrives.
    """
    prefixes = [f'/{namespace}/segmentation/{camera}{"/" if camera else ""}'
                for camera in cameras]
    topics = [f'/{namespace}/{camera}{"/" if camera else ""}image' for camera in cameras]
    listener = processes.start('bench.dds.listener', '--cameras', ','.join(prefixes), '--outputs',
                               ','.join(outputs), '--seconds', seconds, '--rounds', rounds)
    camera = processes.start_camera(*topics, rate=rate)
    with processes.running(camera, listener):
        result = listener.wait(seconds + rounds)
    result['latencies'] = [result['latencies'][prefix] for prefix in prefixes]
    return result


def _starts(processes: ProcessGroup, options: Options, against: str
            ) -> dict[str, Callable[[], Process]]:
    """Return {name: function that starts a node and waits until it is active}."""
    starts: dict[str, Callable[[], Process]] = {
        'ours': partial(start_node, processes, options),
        'usual': partial(start_usual_node, processes, options)}
    if against:
        # It runs in its own folder.
        given = {'weights': options['weights'], 'models_dir': options['models_dir']}
        if options['network'].endswith('.yaml'):
            given['network'] = options['network']
        paths = {name: os.path.abspath(path) for name, path in given.items() if path}
        starts['other'] = partial(start_node, processes, {**options, **paths},
                                  namespace='other', folder=against)
    return starts


def measure_start(processes: ProcessGroup, options: Options, rounds: int, against: str = ''
                  ) -> dict[str, dict[str, Any]]:
    """
    Start the node, the usual one and that of another version, in turns.

    :param processes: the :class:`.ProcessGroup`.
    :param options: what they run.
    :param rounds: how often each is started.
    :param against: a checkout of the other version, '' for none.
    :returns: {name: {'start': Timing from the process's start to waiting for images,
        'memory': resident memory then, bytes, the median}} of 'ours', 'usual' and 'other'.
    """
    starts = _starts(processes, options, against)
    durations: dict[str, list[float]] = defaultdict(list)
    memories: dict[str, list[int]] = defaultdict(list)
    for _ in range(rounds):
        for name, start in starts.items():
            node = start()
            durations[name].append(time.monotonic() - node.began)
            memories[name].append(node.memory('VmRSS'))
            node.stop()
    return {name: {'start': Timing.of(durations[name]),
                   'memory': int(np.median(memories[name]))} for name in starts}


def compare(processes: ProcessGroup, options: Options, forward: Callable[[], object],
            seconds: float, rounds: int, against: str = '') -> dict[str, dict[str, Any]]:
    """
    Compare the node with the usual one and with the forward pass alone, in turns.

    :param processes: the :class:`.ProcessGroup`.
    :param options: what they run.
    :param forward: function without arguments: the forward pass of the fastest engine.
    :param seconds: of each measurement.
    :param rounds: how often each is taken.
    :param against: a checkout of another version to compare with, '' for none.
    :returns: {'latency': {name: Timing}, 'rate': {name: frames a second}} of 'forward',
        'ours', 'mask' (ours, class mask and fractions only), 'usual' and 'other'.
    """
    nodes = {name: start() for name, start in _starts(processes, options, against).items()}
    listened = {'ours': ('ours', ALL), 'mask': ('ours', MASK),
                **{name: (name, ALL) for name in nodes if name != 'ours'}}
    latencies: dict[str, list[float]] = defaultdict(list)
    rates: dict[str, list[float]] = defaultdict(list)
    with processes.running(*nodes.values()):
        for _ in range(rounds):
            durations = _time(forward, seconds)
            latencies['forward'] += durations
            rates['forward'].append(len(durations) / sum(durations))
            for name, (namespace, outputs) in listened.items():
                answered = listen(processes, namespace, outputs, seconds)
                latencies[name] += answered['latencies'][0]
                pressed = listen(processes, namespace, outputs, seconds, rate=CAMERA_RATE)
                rates[name].append(len(pressed['latencies'][0]) / pressed['seconds'])
    return {'latency': {name: Timing.of(values) for name, values in latencies.items()},
            'rate': {name: float(np.median(values)) for name, values in rates.items()}}


def _time(function: Callable[[], object], seconds: float) -> list[float]:
    durations: list[float] = []
    end = time.perf_counter() + seconds
    while not durations or time.perf_counter() < end:
        began = time.perf_counter()
        function()
        durations.append(time.perf_counter() - began)
    return durations


def measure_idle(processes: ProcessGroup, options: Options, seconds: float) -> float:
    """
    Return the share of a core that the node takes while nobody subscribes to it.

    :param processes: the :class:`.ProcessGroup`.
    :param options: what it runs.
    :param seconds: to watch it for, five at least.
    """
    node = start_node(processes, options)
    camera = processes.start_camera('/ours/image', rate=CAMERA_RATE)
    with processes.running(camera, node):
        time.sleep(2.0)  # what the start leaves behind
        before, began = node.cpu_seconds(), time.monotonic()
        time.sleep(max(5.0, seconds))
        return (node.cpu_seconds() - before) / (time.monotonic() - began)


def measure_memory(processes: ProcessGroup, options: Options, frames: int) -> int:
    """
    Return the bytes that the node's memory has grown by, after a warm-up.

    :param processes: the :class:`.ProcessGroup`.
    :param options: what it runs.
    :param frames: to watch it for.
    """
    node = start_node(processes, options)
    with processes.running(node):
        listen(processes, 'ours', ALL, 0, rounds=_WARM_UP_FRAMES)
        before = node.memory()
        listen(processes, 'ours', ALL, 0, rounds=frames)
        return node.memory() - before


def measure_cameras(processes: ProcessGroup, options: Options, numbers: Sequence[int],
                    seconds: float, rounds: int) -> dict[int, dict[str, Any]]:
    """
    Let one node serve several cameras that publish at the same time.

    :param processes: the :class:`.ProcessGroup`.
    :param options: what the node runs.
    :param numbers: of cameras.
    :param seconds: of each measurement.
    :param rounds: how often each is taken.
    :returns: {number: {'round': Timing of a picture from every camera, 'rate': frames a
        second of all cameras under pressure, 'shares': of each camera in them}}.
    """
    nodes, cameras = {}, {n: [f'camera{i}' for i in range(n)] for n in numbers}
    durations: dict[int, list[float]] = defaultdict(list)
    frames: dict[int, list[list[int]]] = defaultdict(list)
    spans: dict[int, float] = defaultdict(float)
    for n in numbers:
        nodes[n] = start_node(processes, options, cameras[n], namespace=f'cameras{n}')
    with processes.running(*nodes.values()):
        for _ in range(rounds):
            for n in numbers:
                answered = listen(processes, f'cameras{n}', ALL, seconds, cameras=cameras[n])
                durations[n] += answered['rounds']
                pressed = listen(processes, f'cameras{n}', ALL, seconds, cameras=cameras[n],
                                 rate=CAMERA_RATE)
                frames[n].append([len(values) for values in pressed['latencies']])
                spans[n] += pressed['seconds']
    return {n: {'round': Timing.of(durations[n]),
                'rate': float(np.sum(frames[n]) / spans[n]),
                'shares': (np.sum(frames[n], axis=0) / np.sum(frames[n])).tolist()}
            for n in numbers}


def measure_profiles(processes: ProcessGroup, seconds: float
                     ) -> dict[str, dict[str, dict[str, Any]]]:
    """
    Send large pictures from one process to another, with and without the DDS profile.

    :param processes: the :class:`.ProcessGroup`.
    :param seconds: of each measurement.
    :returns: {size: {'shipped' or 'default', a comma, the reliability: {'latency': Timing or
        None, 'arrived': share}}}.
    """
    results: dict[str, dict[str, dict[str, Any]]] = {}
    for size, (height, width) in _FRAME_SIZES.items():
        picture = np.zeros((height, width, 3), np.uint8)
        results[size] = {}
        for reliability in ('reliable', 'best effort'):
            options = ['--best-effort'] if reliability == 'best effort' else []
            for profile in ('shipped', 'default'):
                shipped = profile == 'shipped'
                listener = processes.start(
                    'bench.dds.listener', '--cameras', '/profile/', '--outputs', 'image',
                    '--seconds', seconds, '--patience', _PATIENCE, *options, profile=shipped)
                camera = processes.start_camera(
                    '/profile/image', rate=CAMERA_RATE, picture=picture, options=options,
                    profile=shipped)
                with processes.running(camera, listener):
                    result = listener.wait(seconds)
                arrived = result['latencies']['/profile/']
                results[size][f'{profile}, {reliability}'] = {
                    'latency': Timing.of(arrived) if arrived else None,
                    'arrived': len(arrived) / (result['seconds'] * CAMERA_RATE) if arrived
                    else 0.0}
    return results


def measure_messages(processes: ProcessGroup, seconds: float) -> dict[str, Timing]:
    """
    Time making, sending and reading messages, see ``publisher.py``.

    :param processes: the :class:`.ProcessGroup`.
    :param seconds: about how long to go on.
    :returns: {step: :class:`.Timing`}.
    """
    height, width = processes.picture.shape[:2]
    listener = processes.start('bench.dds.listener', '--cameras', '/messages/', '--outputs',
                               'mono8,rgb8', '--rounds', 10**9)
    publisher = processes.start('bench.dds.publisher', '--width', width, '--height', height,
                                '--seconds', seconds)
    with processes.running(publisher, listener):
        return {name: Timing.of(values) for name, values in publisher.wait(seconds).items()}
