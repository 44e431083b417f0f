"""From the exports of labelling tools to a network that segments: the way of the docs."""

import json
import shutil

from fcn_seg_ros import Segmenter
from fcn_seg_ros.cli.main import main
import garden
from garden import HEIGHT, LABELS, WIDTH
import numpy as np
from PIL import Image


def scene(number):
    """Return a picture of a garden, its outlines and its truth; another one for each number."""
    rng = np.random.default_rng(number)
    horizon = int(rng.integers(30, 50))
    left, right = sorted(rng.integers(0, WIDTH, 2) * 0.4 + np.array([0, 0.6 * WIDTH]))
    posts = [(int(rng.integers(5, WIDTH - 20)), int(rng.integers(10, 40)))
             for _ in range(int(rng.integers(1, 4)))]
    light = rng.uniform(0.7, 1.2)
    return garden.painted(horizon, left, right, posts, light,
                          rng.normal(0, 18, (HEIGHT, WIDTH, 3)))


def write_cvat(folder, names):
    (folder / 'images').mkdir(parents=True)
    for name, place in names.items():
        Image.fromarray(scene(*place)[0]).save(folder / 'images' / f'{name}.png')
    garden.write_cvat(folder, names, scene, '.png')


def train(kind, root, output, *settings):
    options = [word for setting in (
        f'network.size=[{WIDTH}, {HEIGHT}]', f'network.crop=[{WIDTH}, {HEIGHT}]',
        'run.evaluate_every=5', 'run.batch=4', 'optimizer.rate=0.002', *settings)
        for word in ('--set', setting)]
    assert main(['train', 'finetune', '--data', kind, '--root', str(root), '--name', output.name,
                 '--output', str(output), '--device', 'cpu', '--quiet', *options]) == 0


def evaluate(root, folder, report):
    assert main(['evaluate', '--data', 'cvat', '--root', str(root), '--network',
                 f'{folder}/best/network.yaml', '--device', 'cpu', '--quiet', '--json',
                 str(report)]) == 0
    return json.loads(report.read_text())['mean_iou']


def test_from_labels_to_a_network_on_the_robot(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    drives = [f'drive{drive}_{frame:03d}' for drive in range(5) for frame in range(10)]
    names = {name: (number,) for number, name in enumerate(drives)}
    few = {name: place for name, place in names.items()
           if name.endswith('_000')}  # a tenth of the labels
    garden.write_labelme(tmp_path / 'labelme', few, scene)
    write_cvat(tmp_path / 'cvat', names)
    export = shutil.make_archive(str(tmp_path / 'export'), 'zip', tmp_path / 'cvat')

    start = tmp_path / 'start'
    train('labelme', tmp_path / 'labelme', start, 'network.weights=', 'run.epochs=20')
    grown = tmp_path / 'garden'
    train('cvat', export, grown, f'network.weights={start}/best/model.safetensors',
          'run.epochs=20')
    before, after = (evaluate(export, folder, tmp_path / f'{folder.name}.json')
                     for folder in (start, grown))
    assert after >= before + 0.10, (before, after)

    assert main(['pack', f'{grown}/best/network.yaml', str(tmp_path / 'garden.tar.gz')]) == 0
    assert main(['fetch', str(tmp_path / 'garden.tar.gz')]) == 0
    segmenter = Segmenter('garden', device='cpu')
    assert set(segmenter.classes.labels) == set(LABELS)
    to_label = np.array([LABELS.index(label) for label in segmenter.classes.labels])
    right = []
    for number in (1001, 1002, 1003):  # never seen
        picture, _, truth = scene(number)
        right.append((to_label[segmenter(picture).class_mask] == truth).mean())
    assert min(right) > 0.9, right
