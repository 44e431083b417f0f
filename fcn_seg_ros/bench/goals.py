"""The figures that the package promises, and whether a run has met them."""


def check(results):
    """
    Return rows (what, measured, goal, met or not) for what a run has measured.

    :param results: of the benchmark, as for JSON: durations in milliseconds.
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


def _at_most(what, value, goal):
    return what, value, f'at most {goal:g}', value <= goal


def _at_least(what, value, goal):
    return what, value, f'at least {goal:g}', value >= goal
