"""From a recording by ``fcn-seg frames`` to a network that the node runs: the way of the docs."""

from importlib.util import find_spec
import json
import os
import shutil
from types import SimpleNamespace
from unittest import mock

from fcn_seg_ros import Segmenter
from fcn_seg_ros.cli.main import main
import garden
import numpy as np
import pytest

DRIVES, STEPS = 5, 60
COUNT = 50
UNSEEN = 9
"""A drive that no network has seen."""

# Not pytest.importorskip(): plugins of ROS 2 import modules to look for tests of their own, and
# skip the whole folder then.
needs_rosbags = pytest.mark.skipif(not find_spec('rosbags'), reason='rosbags is not installed')
needs_ros = pytest.mark.skipif(not find_spec('rclpy'), reason='ROS 2 is not installed')


def record(folder):
    """Return five bags: in each the robot stands for a while and drives on."""
    steps = [0] * 10 + list(range(STEPS))
    bags = [garden.write_bag(folder / f'drive{drive}', drive, steps) for drive in range(DRIVES)]
    places = {garden.name_of(drive, number): (drive, step)
              for drive in range(DRIVES) for number, step in enumerate(steps)}
    return bags, places


def run(*arguments):
    assert main([str(argument) for argument in arguments]) == 0


def train(kind, root, output, *settings):
    size = f'[{garden.WIDTH}, {garden.HEIGHT}]'
    options = [word for setting in (
        f'network.size={size}', f'network.crop={size}', 'run.evaluate_every=10', 'run.batch=4',
        'run.epochs=20', 'optimizer.rate=0.002', *settings) for word in ('--set', setting)]
    run('train', 'finetune', '--data', kind, '--root', root, '--name', output.name, '--output',
        output, '--device', 'cpu', '--quiet', *options)


def mean_iou(root, folder):
    report = folder / 'report.json'
    run('evaluate', '--data', 'cvat', '--root', root, '--network', folder / 'best/network.yaml',
        '--device', 'cpu', '--quiet', '--json', report)
    return json.loads(report.read_text())['mean_iou']


@pytest.fixture(scope='module')
def way(tmp_path_factory):
    """Go it once: record, label a tenth, train, pick with that, label, train, pack, fetch."""
    folder = tmp_path_factory.mktemp('way')
    robot = folder / 'robot'
    bags, places = record(folder)
    few = {garden.name_of(drive, 0): (drive, 0) for drive in range(DRIVES)}
    assert len(few) == COUNT // 10
    garden.write_labelme(folder / 'labelme', few)
    start, mine = folder / 'start', folder / 'garden'
    train('labelme', folder / 'labelme', start, 'network.weights=')

    to_label = folder / 'to_label'
    run('frames', *bags, to_label, '--count', COUNT, '--rate', garden.RATE, '--network',
        start / 'best/network.yaml', '--device', 'cpu')
    picked = {path.stem: places[path.stem] for path in (to_label / 'images').iterdir()}
    garden.write_cvat(to_label, picked)
    export = shutil.make_archive(str(folder / 'export'), 'zip', to_label)
    train('cvat', export, mine, f'network.weights={start}/best/model.safetensors')
    before, after = (mean_iou(export, network) for network in (start, mine))

    run('pack', mine / 'best/network.yaml', folder / 'garden.tar.gz')
    with mock.patch.dict(os.environ, XDG_CACHE_HOME=str(robot / 'cache')):
        run('fetch', folder / 'garden.tar.gz')
    return SimpleNamespace(picked=picked, before=before, after=after, robot=robot)


def right(labels, class_mask, truth):
    """Return the share of the pixels whose class is the true one."""
    places = np.array([garden.LABELS.index(label) for label in labels])
    return (places[class_mask] == truth).mean()


@needs_rosbags
def test_what_is_picked_is_of_all_drives_and_standing_still_is_picked_once(way):
    assert len(way.picked) == COUNT == len(set(way.picked.values()))
    assert {drive for drive, _ in way.picked.values()} == set(range(DRIVES))


@needs_rosbags
def test_labels_make_it_better(way):
    assert way.after >= way.before + 0.04, (way.before, way.after)


@needs_rosbags
def test_what_was_fetched_is_right_where_nobody_has_been(way, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(way.robot / 'cache'))
    segmenter = Segmenter('garden', device='cpu')
    assert set(segmenter.classes.labels) == set(garden.LABELS)
    for step in range(0, STEPS, 20):
        picture, _, truth = garden.scene(UNSEEN, step)
        assert right(segmenter.classes.labels, segmenter(picture).class_mask, truth) > 0.9


@needs_ros
@needs_rosbags
def test_the_node_takes_it_while_it_runs_and_its_masks_agree_with_the_truth(way):
    from fcn_seg_ros.ros.dds import closed, profile_environment, PROFILE_NAMES
    from graph import Domain, Graph, image_message, mask_of, NodeProcess
    from sensor_msgs.msg import Image
    environment = {name: value for name, value in closed(os.environ).items()
                   if name not in PROFILE_NAMES}
    with mock.patch.dict(os.environ, environment, clear=True):
        os.environ.update(profile_environment(), XDG_CACHE_HOME=str(way.robot / 'cache'))
        domain = Domain()
        graph = Graph(domain.number)
        node = NodeProcess(domain.number, way.robot, {'device': 'cpu'})
        try:
            masks = graph.listen(Image, '/segmentation/class_mask')
            camera = graph.camera()
            graph.wait_for_subscribers(camera)
            assert graph.set_atomically(network='garden') == (True, '')
            labels = Segmenter('garden', device='cpu').classes.labels
            for step in range(0, STEPS, 20):
                picture, _, truth = garden.scene(UNSEEN, step)
                message = image_message(picture)
                camera.publish(message)
                mask = mask_of(masks.wait_for_stamp(message.header.stamp))
                assert right(labels, mask, truth) > 0.9
        finally:
            node.close()
            graph.close()
            domain.release()
