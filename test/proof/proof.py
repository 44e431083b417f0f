"""
The long proof of docs/your-own-network.md: the whole way, and what picking is worth.

Over several seeds each; `make proof` runs it.  What is done is kept in the work folder and not
done again.  Writes a report, and ends with status 1 when a network got better by less than it
should.
"""

import argparse
from functools import partial
import json
from pathlib import Path
import shutil
import sys
import tempfile

import camvid
from fcn_seg_ros.cli.main import main as fcn_seg
import numpy as np
from picking import camvid_world, COUNTS, garden_world
import torch
import walk

LEAST_GAIN = 0.10
GARDENS = {'garden, the robot stands half of the time': True, 'garden, it never stands': False}
CAMVID = "CamVid's drives by day, a picture a second, a fifth left out"
_APART = 20  # numbers of drives from one seed to the next


class Results:
    """
    What is known so far, in a file of a JSON list a line: (part, seed, values).

    :param path: of the file.
    """

    def __init__(self, path):
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self._values = {(part, seed): values for part, seed, values in map(json.loads, lines)}

    def get(self, part, seed, make):
        """Return the values of a part with a seed, of ``make()`` where they are not known."""
        if (part, seed) not in self._values:
            self._values[part, seed] = make()
            with self._path.open('a') as file:
                file.write(json.dumps([part, seed, self._values[part, seed]]) + '\n')
            print(f'{part}, seed {seed}: {self._values[part, seed]}', flush=True)
        return self._values[part, seed]


class Proof:
    """
    All parts of it.

    :param folder: of what is kept.
    :param root: CamVid's folder, or None.
    """

    def __init__(self, folder, root):
        self._folder, self._root = folder, root
        folder.mkdir(parents=True, exist_ok=True)
        self._results = Results(folder / 'results.jsonl')
        self._camvid_world = None

    def ways(self, seeds):
        """Return [(mIoU before, after)] of going the whole way."""
        return [self._results.get('way', seed, partial(self._way, seed))
                for seed in range(seeds)]

    def picking(self, seeds):
        """Return {recording: {number of labels: [(mIoU of picks, of every n-th)]}}."""
        names = [*GARDENS, *([CAMVID] if self._root else [])]
        rows = {name: [self._results.get(name, seed, partial(self._compare, name, seed))
                       for seed in range(seeds)] for name in names}
        return {name: {count: [row[place] for row in rows[name]]
                       for place, count in enumerate(COUNTS)} for name in names}

    def _way(self, seed):
        with tempfile.TemporaryDirectory() as folder:
            gone = walk.walk(Path(folder), _APART * seed)
            start = self._garden_start(seed)
            if not start.exists():
                shutil.copytree(Path(folder) / 'start' / 'best', start)
        return gone.before, gone.after

    def _garden_start(self, seed):
        return self._folder / f'start{seed}'

    def _compare(self, name, seed):
        with tempfile.TemporaryDirectory() as folder:
            world = self._world(name, seed, Path(folder))
            return [[world.mean_iou(choose(count, seed), seed)
                     for choose in (world.picked, world.every_nth)] for count in COUNTS]

    def _world(self, name, seed, folder):
        if name in GARDENS:
            start = self._garden_start(seed) / 'network.yaml'
            return garden_world(folder, start, _APART * seed + 8, stops=GARDENS[name])
        if self._camvid_world is None:
            self._camvid_world = camvid_world(self._root, self._camvid_start())
        self._camvid_world.leave_out(seed)
        return self._camvid_world

    def _camvid_start(self):
        """Return the network.yaml of a network that has learned from CamVid's drive at dusk."""
        output = self._folder / 'dusk'
        settings = ('network.weights=', 'network.size=[192, 144]', 'network.crop=[160, 128]',
                    "data.train.include=['0001TP_*']", 'run.epochs=24', 'run.evaluate_every=12')
        options = [word for setting in settings for word in ('--set', setting)]
        assert fcn_seg(['train', 'finetune', '--data', 'camvid', '--root', str(self._root),
                        '--name', 'dusk', '--output', str(output), '--device', 'cpu', '--quiet',
                        '--resume', *options]) == 0
        return output / 'best' / 'network.yaml'


def report(ways, picking, *, with_camvid):
    """
    Return the report in Markdown.

    :param ways: as :meth:`Proof.ways` returns them.
    :param picking: as :meth:`Proof.picking` returns it.
    :param with_camvid: whether CamVid was at hand.
    """
    lines = ['# Report: your own network, the long proof', '',
             f'Made by `make proof`: {len(ways)} seeds, PyTorch {torch.__version__}. What is '
             'proved, [the page](../your-own-network.md#that-it-works) says.', '',
             '## From a recording to a network', '',
             'mIoU on the drive that validates, of the network that has learned from five '
             'pictures, and of the one that has learned from the fifty that were picked with it.',
             '',
             '| seed | before | after | better by |', '| ---: | ---: | ---: | ---: |']
    lines += [f'| {seed} | {before:.3f} | {after:.3f} | {after - before:.3f} |'
              for seed, (before, after) in enumerate(ways)]
    lines += ['', '## What picking is worth', '', 'mIoU on other drives, of a linear classifier '
              'of features of the present network, which has learned from as many pictures.', '',
              '| recording | labels | picked by `frames` | every n-th | difference, each seed |',
              '| --- | ---: | ---: | ---: | --- |']
    for name, counts in picking.items():
        for count, pairs in counts.items():
            picked, nth = np.transpose(pairs)
            each = ', '.join(f'{difference:+.3f}' for difference in picked - nth)
            lines.append(f'| {name} | {count} | {picked.mean():.3f} | {nth.mean():.3f} | {each} |')
    if not with_camvid:
        lines += ['', 'CamVid was not at hand: not measured on it.']
    return '\n'.join(lines) + '\n'


def main():
    """Prove it; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--seeds', type=int, choices=range(1, 6), default=5, help='repetitions')
    parser.add_argument('--work', type=Path, default='build/proof', metavar='DIR',
                        help='what is done is kept here (default: %(default)s)')
    parser.add_argument('--report', type=Path, default='docs/reports/own_network.md',
                        metavar='FILE', help='to write (default: %(default)s)')
    args = parser.parse_args()
    root = camvid.find()
    if root is None:
        print('CamVid is not here (CAMVID_ROOT names its folder): picking is measured in the '
              'garden alone')
    proof = Proof(args.work, root)
    ways, picking = proof.ways(args.seeds), proof.picking(args.seeds)
    args.report.write_text(report(ways, picking, with_camvid=root is not None), encoding='utf-8')
    print(args.report.read_text(encoding='utf-8'))
    gains = [after - before for before, after in ways]
    if min(gains) < LEAST_GAIN:
        print(f'better by {min(gains):.3f} alone, it should be {LEAST_GAIN}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
