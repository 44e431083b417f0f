"""The way of docs/your-own-network.md, gone for real: from recordings to a network to install."""

from dataclasses import dataclass
import json
import os
from pathlib import Path
import shutil
from unittest import mock

from fcn_seg_ros.cli.main import main
import garden
import numpy as np

DRIVES, STEPS = 5, 60
COUNT = 50
"""Pictures to label; the network that picks them has learned from a tenth as many."""

_STANDING = 10  # pictures from where the robot stands before it drives on


@dataclass(frozen=True)
class Walk:
    """
    What came of it.

    :ivar picked: {name: (drive, step)} of the pictures that were labelled.
    :ivar before: mIoU on the drive that validates, of the network that picked.
    :ivar after: the same, of the network that has learned from them.
    :ivar robot: folder of a robot; what it has fetched lies in its folder ``cache``.
    :ivar unseen: number of a drive that no network has seen.
    """

    picked: dict
    before: float
    after: float
    robot: Path
    unseen: int


def walk(folder, first=0):
    """
    Record, label a tenth, train, pick with that, label, train, pack and fetch.

    :param folder: an empty one, for all that arises.
    :param first: number of the first of the drives through the garden.
    """
    drives = range(first, first + DRIVES)
    steps = [0] * _STANDING + list(range(STEPS))
    bags = [garden.write_bag(folder / f'drive{drive}', drive, steps) for drive in drives]
    places = {garden.name_of(drive, number): (drive, step)
              for drive in drives for number, step in enumerate(steps)}
    few = {garden.name_of(drive, 0): (drive, 0) for drive in drives}
    assert len(few) == COUNT // 10
    garden.write_labelme(folder / 'labelme', few)
    start, mine = folder / 'start', folder / 'garden'
    _train('labelme', folder / 'labelme', start, 'network.weights=')

    to_label = folder / 'to_label'
    _run('frames', *bags, to_label, '--count', COUNT, '--rate', garden.RATE, '--network',
         start / 'best/network.yaml', '--device', 'cpu')
    picked = {path.stem: places[path.stem] for path in (to_label / 'images').iterdir()}
    garden.write_cvat(to_label, picked)
    export = shutil.make_archive(str(folder / 'export'), 'zip', to_label)
    _train('cvat', export, mine, f'network.weights={start}/best/model.safetensors')
    before, after = (_mean_iou(export, network) for network in (start, mine))

    robot = folder / 'robot'
    _run('pack', mine / 'best/network.yaml', folder / 'garden.tar.gz')
    with mock.patch.dict(os.environ, XDG_CACHE_HOME=str(robot / 'cache')):
        _run('fetch', folder / 'garden.tar.gz')
    return Walk(picked, before, after, robot, first + DRIVES)


def right(labels, class_mask, truth):
    """Return the share of the pixels whose class is the true one."""
    places = np.array([garden.LABELS.index(label) for label in labels])
    return (places[class_mask] == truth).mean()


def _run(*arguments):
    assert main([str(argument) for argument in arguments]) == 0


def _train(kind, root, output, *settings):
    size = f'[{garden.WIDTH}, {garden.HEIGHT}]'
    options = [word for setting in (
        f'network.size={size}', f'network.crop={size}', 'run.evaluate_every=10', 'run.batch=4',
        'run.epochs=20', 'optimizer.rate=0.002', *settings) for word in ('--set', setting)]
    _run('train', 'finetune', '--data', kind, '--root', root, '--name', output.name, '--output',
         output, '--device', 'cpu', '--quiet', *options)


def _mean_iou(root, folder):
    report = folder / 'report.json'
    _run('evaluate', '--data', 'cvat', '--root', root, '--network', folder / 'best/network.yaml',
         '--device', 'cpu', '--quiet', '--json', report)
    return json.loads(report.read_text())['mean_iou']
