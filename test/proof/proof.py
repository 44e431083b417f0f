"""Does it pay to let ``fcn-seg frames`` pick?  Writes the report of docs/reports/picking.md."""

import argparse
from pathlib import Path
import sys
import tempfile

sys.path.append(str(Path(__file__).parents[1]))


def main():
    """Compare picks with every n-th frame over some seeds, and write a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seeds', type=int, default=5, metavar='N', help='repetitions')
    parser.add_argument('--camvid', metavar='DIR', help='also on CamVid, which lies here')
    parser.add_argument('--start', metavar='FILE',
                        help='network.yaml of the present network for CamVid: one that has '
                             'learned from its drive at dusk (0001TP) alone')
    parser.add_argument('--report', default='build/picking.md', metavar='FILE',
                        help='table to write (default: %(default)s)')
    args = parser.parse_args()
    if bool(args.camvid) != bool(args.start):
        parser.error('--camvid and --start go together')
    from picking import camvid_world, garden_world
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        worlds = {
            'garden, the robot stands half of the time':
                lambda seed: garden_world(_new(root / f'stops{seed}'), seed, stops=True),
            'garden, it never stands':
                lambda seed: garden_world(_new(root / f'moving{seed}'), seed, stops=False)}
        if args.camvid:
            camvid = camvid_world(args.camvid, args.start)
            worlds["CamVid's drives by day, a picture a second"] = lambda _: camvid
        table = to_table({name: _scores(make, args.seeds) for name, make in worlds.items()})
    Path(args.report).parent.mkdir(parents=True, exist_ok=True)
    Path(args.report).write_text(table, encoding='utf-8')
    print(table)


def to_table(results):
    """
    Return a table in Markdown.

    :param results: {world: {number of labels: {way: [mIoU of each seed]}}}.
    """
    import numpy as np
    lines = ['| recording | labels | picked by `frames` | every n-th | difference, each seed |',
             '| --- | ---: | ---: | ---: | --- |']
    for name, counts in results.items():
        for count, ways in counts.items():
            picked, nth = (np.array(ways[way]) for way in ('frames', 'every n-th'))
            each = ', '.join(f'{value:+.3f}' for value in picked - nth)
            lines.append(f'| {name} | {count} | {picked.mean():.3f} | {nth.mean():.3f} | {each} |')
    return '\n'.join(lines) + '\n'


def _scores(make_world, seeds):
    from picking import compare
    result = {}
    for seed in range(seeds):
        world = make_world(seed)
        for count, way, score in compare(world, seed):
            result.setdefault(count, {}).setdefault(way, []).append(score)
            print(f'seed {seed}, {count} labels, {way}: {score:.3f}', flush=True)
    return result


def _new(folder):
    folder.mkdir(parents=True)
    return folder


if __name__ == '__main__':
    main()
