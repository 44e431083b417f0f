"""What the graph offers is followed, or named with what would take it."""

import re

from diagnostic_msgs.msg import DiagnosticArray
from fcn_seg_ros.ros.inputs.offers import Offers, TransformOffers
from graph import image_message, picture, RELIABLE
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2


def named(nodes, topic, message_type, words, **arguments):
    """Publish something and return once log and diagnostics say some words."""
    node = nodes.start(**arguments)
    graph = nodes.graph
    statuses = graph.listen(DiagnosticArray, '/diagnostics')
    node.wait_for_log('waiting for images')
    graph.camera(topic, message_type)
    graph.wait_until(lambda: words in node.log, f'{words} in the log: {node.log}')
    statuses.wait_for(lambda message: any(words in status.message for status in message.status))
    assert node.log.count(words) == 1


@pytest.mark.parametrize(('topic', 'message_type', 'arguments', 'words'), [
    ('/cam/compressed', CompressedImage, {'remap': {'image': '/cam/compressed'}},
     '/cam/compressed carries sensor_msgs/msg/CompressedImage: image_transport:=compressed with '
     'image:=/cam takes it'),
    ('/cam/compressed', CompressedImage,
     {'remap': {'image': '/cam/compressed'}, 'image_transport': 'compressed'},
     'nobody publishes /cam/compressed/compressed, but /cam/compressed is there: remap '
     'image:=/cam'),
    ('/cam/compressed', CompressedImage, {'remap': {'image': '/cam'}},
     'image_transport:=compressed takes it'),
    ('/cam', Image, {'remap': {'image': '/cam'}, 'image_transport': 'compressed'},
     'image_transport:=raw takes it'),
    ('/cam', CameraInfo, {'remap': {'image': '/cam'}},
     '/cam carries sensor_msgs/msg/CameraInfo, not sensor_msgs/msg/Image'),
    ('/cam/info', Image, {'remap': {'camera_info': '/cam/info'}},
     '/cam/info carries sensor_msgs/msg/Image, not sensor_msgs/msg/CameraInfo'),
    ('/depth/compressedDepth', CompressedImage, {'remap': {'depth': '/depth/compressedDepth'}},
     'remap depth:=/depth'),
])
def test_a_topic_that_cannot_be_taken_is_named_with_what_would(
        nodes, topic, message_type, arguments, words):
    named(nodes, topic, message_type, words, **arguments)


@pytest.mark.parametrize(('image', 'depth', 'topic', 'words'), [
    ('/cam', '/depth', '/cam/theora', 'on /cam, but /cam/theora is there: have'),
    ('/cam/zstd', '/depth', '/cam/zstd', 'not sensor_msgs/msg/Image: have'),
    ('/cam', '/depth', '/depth/compressedDepth', 'on /depth, but /depth/compressedDepth is there'),
    ('/cam', '/depth', '/depth/compressed', 'on /depth, but /depth/compressed is there: have')])
def test_other_transports_that_are_there_are_named(nodes, image, depth, topic, words):
    graph = nodes.graph
    offers = Offers(graph.node, image=image, compressed=False, info='/camera_info', depth=depth)
    graph.camera(topic, CompressedImage)
    graph.wait_until(lambda: offers.look() or offers.problems, 'the word about the topic')
    line, = offers.problems.values()
    assert words in line and line.endswith("image_transport's republish make that of it")


VOLATILE_TF = 'a publisher of /tf_static offers volatile, and no listener of TF takes that'
# Its type comes with tf2_ros, which not every environment has, and only the offer is looked at.
ANY_TYPE = CameraInfo


def test_fixed_transforms_that_no_listener_takes(nodes):
    graph = nodes.graph
    offers = TransformOffers(graph.node)

    def found(wanted=True):
        offers.look(wanted)
        return list(offers.problems.values())

    kept = graph.node.create_publisher(ANY_TYPE, '/tf_static', QoSProfile(
        depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))
    graph.wait_until(lambda: graph.node.get_publishers_info_by_topic('/tf_static'), 'the topic')
    graph.spin_for(0.5)
    assert not found()
    volatile = graph.camera('/tf_static', ANY_TYPE)
    graph.wait_until(found, 'the word about the volatile one')
    assert found()[0].startswith(f'{VOLATILE_TF}: let it offer transient local')
    assert not found(wanted=False)
    graph.wait_until(found, 'the word for who listens')
    graph.node.destroy_publisher(volatile)
    graph.wait_until(lambda: not found(), 'the end of the volatile one')
    graph.node.destroy_publisher(kept)


def test_fixed_transforms_that_no_listener_takes_are_named_where_clouds_are_wanted(nodes):
    node = nodes.start()
    graph = nodes.graph
    statuses = graph.listen(DiagnosticArray, '/diagnostics')
    graph.camera('/tf_static', ANY_TYPE)
    node.wait_for_log('waiting for images')
    graph.spin_for(1.5)
    assert VOLATILE_TF not in node.log
    graph.listen(PointCloud2, '/segmentation/points')
    graph.wait_until(lambda: VOLATILE_TF in node.log, 'the word in the log')
    statuses.wait_for(lambda message: any(
        status.name.endswith('navigation') and VOLATILE_TF in status.message
        for status in message.status))
    assert node.log.count(VOLATILE_TF) == 1


# The node says when it looked, by the clock that it goes by, whether there was a camera, and what
# it has named so far; and of each message of diagnostics, whether it looked for it.
LOOKS = """
import time
from types import SimpleNamespace
from fcn_seg_ros.ros import diagnostics, node
from fcn_seg_ros.ros.inputs import offers
stamps, look = [0.0], offers.Offers.look
offers.time = SimpleNamespace(monotonic=lambda: stamps.append(time.monotonic()) or stamps[-1])
def logged(self):
    there = bool(self._node.get_publishers_info_by_topic(self._image))
    look(self)
    print(f'LOOK there={there:d} named={len(self.problems)} at={stamps[-1]:.6f}', flush=True)
offers.Offers.look = logged
publish = node.SegmentationNode._publish_diagnostics
def said(self):
    before = len(stamps)
    publish(self)
    active = self._pipeline is not None
    print(f'SAID active={active:d} looked={len(stamps) > before:d}', flush=True)
node.SegmentationNode._publish_diagnostics = said
print(f'PERIOD {node._WATCH_PERIOD} PATIENCE {offers._PATIENCE} SAYS {diagnostics.PERIOD}',
      flush=True)
"""


def test_what_cannot_be_taken_is_named_within_two_seconds_of_its_appearing(nodes):
    node = nodes.start(prelude=LOOKS)
    node.wait_for_log('LOOK there=0')
    nodes.graph.camera('/image', CameraInfo)
    observer = nodes.another_graph('observer')
    try:
        observer.wait_until(lambda: observer.node.get_publishers_info_by_topic('/image'),
                            'the camera in the graph of another participant')
    finally:
        observer.close()
    node.wait_for_log('LOOK there=1 named=1')
    node.wait_for_log('SAID active=1')
    looks = [(there == '1', named == '1', float(at)) for there, named, at in re.findall(
        r'LOOK there=(\d) named=(\d) at=([\d.]+)', node.log)]
    period, patience, says = map(float, re.search(
        r'PERIOD ([\d.]+) PATIENCE ([\d.]+) SAYS ([\d.]+)', node.log).groups())
    # It looks once a period at least: one passes until the camera is seen, and one at most after
    # the patience.  A busy machine makes looks late, but lets none pass without the word.
    assert period + patience + period <= 2.0
    # Diagnostics are a period of theirs apart, and look for themselves.
    assert period + patience + says <= 2.0
    assert 'SAID active=1 looked=0' not in node.log
    first = next(at for there, _, at in looks if there)
    assert all(named for _, named, at in looks if at >= first + patience + 1e-5)
    assert not any(named for there, named, _ in looks if not there)


def test_what_can_be_taken_is_not_named(nodes):
    node = nodes.start()
    graph = nodes.graph
    masks = graph.listen(Image, '/segmentation/class_mask')
    # Drivers offer both transports, and the graph tells of one before the other.
    graph.camera('image/compressed', CompressedImage)
    camera = graph.camera('image')
    graph.wait_for_subscribers(camera)
    graph.send_until_answered(camera, image_message(picture()), masks)
    assert 'takes it' not in node.log


def test_a_calibration_that_was_published_once_before_the_node_started(nodes):
    graph = nodes.graph
    infos = graph.node.create_publisher(CameraInfo, 'camera_info', QoSProfile(
        depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=RELIABLE))
    infos.publish(CameraInfo(
        width=64, height=48, k=[50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0]))
    nodes.start()
    scaled = graph.listen(CameraInfo, '/segmentation/camera_info')
    camera = graph.camera()
    graph.wait_for_subscribers(camera)
    graph.wait_until(lambda: camera.publish(image_message(picture())) or graph.spin_for(0.1)
                     or scaled.messages, 'the calibration of the mask')
    assert scaled.messages[0].k[0] == 50.0


@pytest.mark.parametrize(('remap', 'topic'), [
    ({}, '/segmentation/overlay/compressed'),
    ({'~/overlay': '/viz/overlay'}, '/viz/overlay/compressed'),
    ({'~/overlay': '/viz/overlay', '~/overlay/compressed': '/small'}, '/small'),
])
def test_a_compressed_output_moves_with_its_image(nodes, remap, topic):
    nodes.start(remap=remap)
    graph = nodes.graph
    overlays = graph.listen(CompressedImage, topic)
    camera = graph.camera()
    graph.wait_for_subscribers(camera)
    graph.send_until_answered(camera, image_message(picture()), overlays)
