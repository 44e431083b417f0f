"""Results as tables, beside the figures that the package promises, and as a bar chart."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np

from ..support.arrays import UInt8Array

_NAMES = {'forward': 'forward pass alone', 'ours': 'this node, all outputs',
          'mask': 'this node, class mask and fractions', 'usual': 'the usual way, all outputs',
          'other': 'the other version, all outputs'}
_NODES = {'ours': 'this node', 'usual': 'the usual way', 'other': 'the other version'}
_Goal: TypeAlias = tuple[str, float, str, bool]
_BAR, _TEXT, _BACK = (66, 122, 190), (30, 30, 30), (255, 255, 255)


def to_text(results: Mapping[str, Any]) -> str:
    """
    Return all results as Markdown tables.

    :param results: of the benchmark, see :func:`.suite.run`.
    """
    blocks = [_facts(results['machine'], results['run'])]
    for key, title in (('stages', 'step of a frame'), ('messages', 'messages'),
                       ('engines', 'forward pass')):
        if key in results:
            blocks.append(_table((title, 'median ms', 'quartiles ms'), [
                (name, *_timing(timing)) for name, timing in results[key].items()]))
    if 'end_to_end' in results:
        latency, rate = results['end_to_end']['latency'], results['end_to_end']['rate']
        blocks.append(_table(
            ('end to end', 'latency ms', 'quartiles ms', 'frames/s'),
            [(_NAMES[name], *_timing(latency[name]), f'{rate[name]:.1f}') for name in latency]))
    if 'launches' in results:
        blocks.append(_table(('a frame on the GPU', 'how many'),
                             list(results['launches'].items())))
    if 'start' in results:
        ours = results['start']['ours']
        blocks.append(_table(
            ('start to waiting for images', 'median ms', 'quartiles ms', 'this, of it',
             'resident MB', 'this, of it'),
            [(_NODES[name], *_timing(r['start']),
              f'{ours["start"]["median"] / r["start"]["median"]:.2f}',
              f'{r["memory"] / 1e6:.0f}', f'{ours["memory"] / r["memory"]:.2f}')
             for name, r in results['start'].items()]))
    if 'published' in results:
        blocks.append(_table(('published for this board', 'frames/s'), [
            (f'jetson-inference on {results["published"]["machine"]}',
             results['published']['fps'])]))
    if 'cameras' in results:
        one = next(iter(results['cameras'].values()))['round']['median']
        blocks.append(_table(
            ('cameras', 'round ms', 'quartiles ms', 'of one camera', 'frames/s', 'shares %'),
            [(number, *_timing(r['round']), f'{r["round"]["median"] / one:.2f}',
              f'{r["rate"]:.1f}', f'{100 * min(r["shares"]):.1f} to {100 * max(r["shares"]):.1f}')
             for number, r in results['cameras'].items()]))
    if 'profiles' in results:
        blocks.append(_table(
            ('picture', 'DDS profile', 'latency ms', 'quartiles ms', 'arrived %'),
            [(size, profile, *(_timing(r['latency']) if r['latency'] else ('', '')),
              f'{100 * min(1, r["arrived"]):.0f}')
             for size, profiles in results['profiles'].items()
             for profile, r in profiles.items()]))
    goals = check(results)
    if goals:
        blocks.append(_table(('goal', 'measured', 'wanted', ''), [
            (what, f'{value:.2f}', goal, 'met' if met else 'missed')
            for what, value, goal, met in goals]))
    return '\n\n'.join(blocks)


def check(results: Mapping[str, Any]) -> list[_Goal]:
    """
    Compare what a run has measured with what the package promises.

    :param results: of the benchmark, durations in milliseconds.
    :returns: rows of what was measured, its value, the goal, and whether it is met.
    """
    rows = []
    if 'end_to_end' in results:
        latency = {name: timing['median']
                   for name, timing in results['end_to_end']['latency'].items()}
        rate = results['end_to_end']['rate']
        rows += [
            _at_least('throughput / usual node', rate['ours'] / rate['usual'], 3.0),
            _at_most('latency / forward pass', latency['ours'] / latency['forward'], 1.25),
            _at_most('latency / forward pass, class mask and fractions only',
                     latency['mask'] / latency['forward'], 1.15),
            _at_most('added to the forward pass, all outputs, ms',
                     latency['ours'] - latency['forward'], 8.0)]
        if 'other' in latency:
            rows.append(_at_most(
                'added to the forward pass / by the other version',
                (latency['ours'] - latency['forward']) / (latency['other'] - latency['forward']),
                1.0))
    if 'start' in results:
        ours = results['start']['ours']
        rows += [_at_most('start to waiting for images, s', ours['start']['median'] / 1e3, 1.5),
                 _at_most('resident memory, idle, MB', ours['memory'] / 1e6, 300.0)]
    if 'idle' in results:
        rows.append(_at_most('CPU with no subscriber, % of a core', 100 * results['idle'], 1.0))
    if 'memory' in results:
        growth = results['memory']['bytes'] / results['memory']['frames'] * 1000 / 1e6
        rows.append(_at_most('growth in 1,000 frames, MB', growth, 1.0))
    cameras = results.get('cameras', {})
    if '1' in cameras and '4' in cameras:
        four = cameras['4']
        rows += [
            _at_most('4 cameras, round / one camera',
                     four['round']['median'] / cameras['1']['round']['median'], 3.6),
            _at_most('4 cameras, largest / smallest share - 1, %',
                     100 * (max(four['shares']) / min(four['shares']) - 1), 10.0)]
    return rows


def _at_most(what: str, value: float, goal: float) -> _Goal:
    return what, value, f'at most {goal:g}', value <= goal


def _at_least(what: str, value: float, goal: float) -> _Goal:
    return what, value, f'at least {goal:g}', value >= goal


def _facts(*groups: Mapping[str, object]) -> str:
    return '\n'.join(f'{key}: {value}' for group in groups for key, value in group.items())


def _timing(timing: Mapping[str, float]) -> tuple[str, str]:
    return f'{timing["median"]:.2f}', f'{timing["low"]:.2f} to {timing["high"]:.2f}'


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    cells = [tuple(map(str, row)) for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    # The first column is text, the others are numbers.
    lines = ['| ' + ' | '.join(cell.ljust(width) if i == 0 else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(row, widths))) + ' |'
             for row in cells]
    rule = '| ' + ' | '.join('-' * width if i == 0 else '-' * (width - 1) + ':'
                             for i, width in enumerate(widths)) + ' |'
    return '\n'.join([lines[0], rule, *lines[1:]])


def to_chart(results: Mapping[str, Any]) -> UInt8Array:
    """
    Draw the times as bars, with their quartiles as lines.

    :param results: of the benchmark.
    :returns: uint8 array H x W x 3, RGB.
    """
    groups = []
    if 'end_to_end' in results:
        groups.append(('End to end, latency (ms)', {
            _NAMES[name]: timing for name, timing in results['end_to_end']['latency'].items()}))
    for key, title in (('engines', 'Forward pass (ms)'), ('stages', 'Steps of a frame (ms)'),
                       ('messages', 'Messages (ms)')):
        if key in results:
            groups.append((title, results[key]))
    if 'cameras' in results:
        groups.append(('A picture from each camera (ms)', {
            f'{number} camera{"s" if number != "1" else ""}': r['round']
            for number, r in results['cameras'].items()}))
    return np.concatenate([_chart(title, timings) for title, timings in groups])


def _chart(title: str, timings: Mapping[str, Mapping[str, float]], *, width: int = 1000,
           left: int = 360, row: int = 26) -> UInt8Array:
    canvas = np.full((row * (len(timings) + 2), width, 3), _BACK, np.uint8)
    _write(canvas, title, (12, row - 6), 0.55)
    scale = (width - left - 90) / max(timing['high'] for timing in timings.values())
    for i, (name, timing) in enumerate(timings.items()):
        y = row * (i + 1) + row // 2
        _write(canvas, name[:46], (12, y + 5), 0.42)
        end = left + round(timing['median'] * scale)
        cv2.rectangle(canvas, (left, y - 8), (end, y + 8), _BAR, -1)
        low, high = (left + round(timing[key] * scale) for key in ('low', 'high'))
        cv2.line(canvas, (low, y), (high, y), _TEXT, 1)
        _write(canvas, f'{timing["median"]:.1f}', (max(end, high) + 8, y + 5), 0.42)
    return canvas


def _write(canvas: UInt8Array, text: str, place: tuple[int, int], scale: float) -> None:
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, _TEXT, 1, cv2.LINE_AA)
