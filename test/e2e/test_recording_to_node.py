"""From a recording by ``fcn-seg frames`` to a network that the node runs: the way of the docs."""

from importlib.util import find_spec
import os
from unittest import mock

from fcn_seg_ros import Segmenter
import garden
import pytest
import walk

# Not pytest.importorskip(): plugins of ROS 2 import modules to look for tests of their own, and
# skip the whole folder then.
needs_rosbags = pytest.mark.skipif(not find_spec('rosbags'), reason='rosbags is not installed')
needs_ros = pytest.mark.skipif(not find_spec('rclpy'), reason='ROS 2 is not installed')


@pytest.fixture(scope='module')
def way(tmp_path_factory):
    return walk.walk(tmp_path_factory.mktemp('way'))


@needs_rosbags
def test_what_is_picked_is_of_all_drives_and_standing_still_is_picked_once(way):
    assert len(way.picked) == walk.COUNT == len(set(way.picked.values()))
    assert {drive for drive, _ in way.picked.values()} == set(range(walk.DRIVES))


@needs_rosbags
def test_labels_make_it_better(way):
    assert way.after >= way.before + 0.10, (way.before, way.after)


@needs_rosbags
def test_what_was_fetched_is_right_where_nobody_has_been(way, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(way.robot / 'cache'))
    segmenter = Segmenter('garden', device='cpu')
    assert set(segmenter.classes.labels) == set(garden.LABELS)
    for step in range(0, walk.STEPS, 20):
        picture, _, truth = garden.scene(way.unseen, step)
        assert walk.right(segmenter.classes.labels, segmenter(picture).class_mask, truth) > 0.9


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
            # Who has just been discovered may miss a message: one is published until it is
            # answered, those that count then once.
            graph.send_until_answered(
                camera, image_message(garden.scene(way.unseen, 0)[0]), masks)
            for step in range(0, walk.STEPS, 20):
                picture, _, truth = garden.scene(way.unseen, step)
                message = image_message(picture)
                camera.publish(message)
                mask = mask_of(masks.wait_for_stamp(message.header.stamp))
                assert walk.right(labels, mask, truth) > 0.9
        finally:
            node.close()
            graph.close()
            domain.release()
