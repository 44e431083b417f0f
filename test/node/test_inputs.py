"""How the node listens to cameras: only when asked, as they offer, and to the newest frame."""

import re
import threading
import time

from diagnostic_msgs.msg import DiagnosticArray
from fcn_seg_ros.images.compressed import encode_jpeg, encode_png
from fcn_seg_ros.msg import ClassFractions
from graph import BEST_EFFORT, image_message, new_header, picture, RELIABLE, to_array
from networks import ENGINE_CLASS
import numpy as np
import pytest
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

BIG = np.random.default_rng(1).integers(0, 256, (720, 1280, 3), np.uint8)
SLOW = ENGINE_CLASS + """
import threading
import time

from fcn_seg_ros.ros.inputs.image import CameraInput

lock = threading.Lock()
received, taken = [], []  # headers, in their order
on_image, take, call = CameraInput._on_image, CameraInput.take, Engine.__call__

def counted(self, message):
    with lock:
        received.append(message.header)
        on_image(self, message)

def told(self, *args):
    # Under the lock no frame comes between the taking and the look at which one is the newest.
    with lock:
        frame = take(self, *args)
        if frame is not None:
            taken.append(frame[0].header)
            print(f'TAKEN {taken[-1].stamp.sec} OF {received[-1].stamp.sec}', flush=True)
    return frame

def slow(self, batch):
    # Not when the network is tried while it is loaded: no camera is listened to by then.
    began = len(received)
    while taken and len(received) < began + 4 and received[-1].frame_id != 'last':
        time.sleep(0.002)
    return call(self, batch)

CameraInput._on_image, CameraInput.take, Engine.__call__ = counted, told, slow
"""
"""
A network that is slower than the camera, however fast either is.

It is done with a frame when the camera has sent four others, or its last one.
"""


@pytest.fixture(scope='module')
def plain(shared_nodes):
    """Return a running node with one camera; nobody subscribes to it."""
    node = shared_nodes.start(mask_size='network')
    node.wait_for_log('waiting for images')
    return node


@pytest.fixture
def graph(shared_nodes, plain):
    """Return a graph participant that is gone after the test, with all its subscriptions."""
    graph = shared_nodes.another_graph('camera')
    yield graph
    graph.close()


def reliabilities(graph, topic):
    """Return what the subscriptions to a topic ask for."""
    return [info.qos_profile.reliability
            for info in graph.node.get_subscriptions_info_by_topic(topic)]


def compressed_message(data, kind):
    """Return a CompressedImage."""
    message = CompressedImage(header=new_header(), format=kind)
    message.data = to_array(data)
    return message


def test_nobody_subscribes_nothing_runs(graph):
    camera = graph.camera()
    graph.wait_until(lambda: graph.node.count_publishers('/segmentation/class_mask'), 'the node')
    graph.spin_for(1.5)
    assert camera.get_subscription_count() == 0
    masks = graph.listen(Image, '/segmentation/class_mask')
    graph.wait_for_subscribers(camera)
    graph.send_until_answered(camera, image_message(picture()), masks)
    masks.close()
    graph.wait_for_subscribers(camera, 0)
    other = graph.listen(ClassFractions, '/segmentation/class_fractions')
    graph.wait_for_subscribers(camera)
    graph.send_until_answered(camera, image_message(picture()), other)


@pytest.mark.parametrize('reliability', [RELIABLE, BEST_EFFORT])
def test_no_large_image_is_lost(graph, reliability):
    camera = graph.camera(reliability=reliability)
    fractions = graph.listen(ClassFractions, '/segmentation/class_fractions')
    graph.wait_until(lambda: reliabilities(graph, '/image') == [reliability], 'what it offers')
    graph.wait_for_subscribers(camera)
    # A small one, so that what a busy machine has not read of it yet is in no large image's way.
    graph.send_until_answered(camera, image_message(picture()), fractions)
    fractions.clear()
    sent = []
    for _ in range(10):
        # The next one comes when the node is done with this one: otherwise a slow node would be
        # right to drop one of them.  Each is published once, so that a lost one stays lost.
        message = image_message(BIG)
        camera.publish(message)
        sent.append(message.header.stamp)
        fractions.wait_for_stamp(sent[-1])
    assert [m.header.stamp for m in fractions.messages if m.header.stamp in sent] == sent


def test_a_camera_that_changes_its_reliability(graph):
    masks = graph.listen(Image, '/segmentation/class_mask')
    for reliability in (RELIABLE, BEST_EFFORT, RELIABLE):
        camera = graph.camera(reliability=reliability)
        graph.wait_until(lambda wanted=reliability: reliabilities(graph, '/image') == [wanted],
                         'the subscription that goes with the camera')
        graph.wait_for_subscribers(camera)
        graph.send_until_answered(camera, image_message(picture()), masks)
        graph.node.destroy_publisher(camera)
        graph.wait_until(lambda: not graph.node.get_publishers_info_by_topic('/image'),
                         'the end of the camera')


def test_rate_limit(graph):
    camera = graph.camera()
    fractions = graph.listen(ClassFractions, '/segmentation/class_fractions', depth=100)
    graph.wait_for_subscribers(camera)
    graph.send_until_answered(camera, image_message(picture()), fractions)
    set_max_rate(graph, 2.0)
    try:
        sent, seen = {}, {}

        def film():
            message = image_message(picture())
            sent[message.header.stamp.sec] = time.monotonic()
            camera.publish(message)
            graph.spin_for(0.04)
            # Only of frames that were sent under the limit.
            seen.update((m.header.stamp.sec, when)
                        for m, when in zip(fractions.messages, fractions.times)
                        if m.header.stamp.sec in sent)
            return len(seen) >= 8

        graph.wait_until(film, 'eight frames')
        # The first one may have been taken with the parameters from before.
        first, *_, last = sorted(seen)[1:8]
        # From the first one's sending to the last one's answer it is at least as long as between
        # their arrivals at the node, on any machine.  Those are six pauses of half a second, less
        # what the limit allows on purpose: the first one may be a pause late, the last one a
        # tenth early.
        assert seen[last] - sent[first] >= (6 - 1 - 0.1) * 0.5
    finally:
        set_max_rate(graph, 0.0)


def set_max_rate(graph, value):
    response = graph.call(
        SetParameters, '/segmentation/set_parameters', SetParameters.Request(
            parameters=[Parameter('max_rate', value=value).to_parameter_msg()]))
    assert response.results[0].successful


def test_newest_frame_wins_on_a_slow_machine(nodes):
    # The network waits for the camera here, and a machine that makes it wait long is no fault.
    node = nodes.start(prelude=SLOW, diagnostics__hang_timeout=0.0)
    graph = nodes.graph
    camera = graph.camera()
    fractions = graph.listen(ClassFractions, '/segmentation/class_fractions')
    diagnostics = graph.listen(DiagnosticArray, '/diagnostics')
    graph.wait_for_subscribers(camera)
    stop = threading.Event()

    def film():
        while not stop.wait(1 / 30):
            camera.publish(image_message(picture()))

    filming = threading.Thread(target=film)
    filming.start()
    try:
        graph.wait_until(lambda: len(fractions.messages) >= 8, 'eight frames')
    finally:
        stop.set()
        filming.join()
    # The last one that the camera took is not forgotten.
    last = image_message(picture(), header=new_header('last'))
    camera.publish(last)
    fractions.wait_for_stamp(last.header.stamp)
    frames = [m.header.stamp.sec for m in fractions.messages]
    assert frames == sorted(set(frames)), 'in order, none twice'
    # Each was the newest when its turn came, however long the camera had been running.
    turns = re.findall(r'^TAKEN (\d+) OF (\d+)$', node.log, re.MULTILINE)
    assert {str(frame) for frame in frames} <= {frame for frame, _ in turns}
    assert all(frame == newest for frame, newest in turns), turns

    def counts(message):
        values = {value.key: value.value for status in message.status for value in status.values}
        return [int(values.get(key, 0)) for key in (
            'frames received', 'frames done', 'dropped: overload')]

    # The others were counted.  A message from before the last frame was counted does not balance,
    # but one of the next does.
    def balances(message):
        received, done, dropped = counts(message)
        return done >= len(frames) and dropped == received - done

    assert counts(diagnostics.wait_for(balances))[2] > len(frames), 'the test tests nothing'


def test_several_cameras_and_their_names(nodes):
    nodes.start(
        cameras=['left', 'right', 'rear/wide'],
        remap={'left/image': '/stereo/left/image_rect',
               'right/image': '/stereo/right/image_rect', 'right/camera_info': '/calibration'})
    graph = nodes.graph
    topics = {'left': ('/stereo/left/image_rect', '/stereo/left/camera_info'),
              'right': ('/stereo/right/image_rect', '/calibration'),
              'rear/wide': ('/rear/wide/image', '/rear/wide/camera_info')}
    sizes = {'left': (48, 64), 'right': (20, 20), 'rear/wide': (30, 90)}
    masks = {name: graph.listen(Image, f'/segmentation/{name}/class_mask') for name in topics}
    infos = {name: graph.listen(CameraInfo, f'/segmentation/{name}/camera_info')
             for name in topics}
    cameras = {}
    for name, (image, info) in topics.items():
        cameras[name] = graph.camera(image)
        calibration = graph.camera(info, CameraInfo)
        graph.wait_for_subscribers(cameras[name])
        graph.wait_for_subscribers(calibration)
        message = image_message(picture(*sizes[name]), header=new_header(f'frame {name}'))
        graph.wait_until(lambda name=name, calibration=calibration, message=message: (
            calibration.publish(CameraInfo(width=message.width, height=message.height))
            or cameras[name].publish(message) or graph.spin_for(0.1)
            or (infos[name].messages and masks[name].messages)), f'the outputs of {name}')
        for got in masks[name].messages + infos[name].messages:
            assert got.header == message.header
            assert (got.height, got.width) == sizes[name]
    # One that nobody looks at is not listened to.
    masks['left'].close()
    infos['left'].close()
    graph.wait_for_subscribers(cameras['left'], 0)
    assert cameras['rear/wide'].get_subscription_count() == 1


def test_compressed_images_follow_a_remapping_and_qos_can_be_overridden(nodes):
    overrides = '/segmentation/class_mask.publisher.reliability'
    nodes.start(image_transport='compressed', remap={'image': '/cam/image_raw'},
                **{f'qos_overrides.{overrides}': 'best_effort'})
    graph = nodes.graph
    camera = graph.camera('/cam/image_raw/compressed', CompressedImage)
    confidences = graph.listen(Image, '/segmentation/confidence')
    graph.wait_for_subscribers(camera)
    pixels = picture(46, 62)
    for message in (compressed_message(encode_jpeg(pixels), 'jpeg'),
                    compressed_message(encode_png(pixels), 'rgb8; png compressed bgr8')):
        graph.send_until_answered(camera, message, confidences)
        got = confidences.messages[-1]
        assert (got.height, got.width) == (46, 62)
    broken = compressed_message(encode_jpeg(pixels)[:-200], 'jpeg')
    camera.publish(broken)
    graph.send_until_answered(camera, compressed_message(encode_jpeg(pixels), ''), confidences)
    assert not any(m.header == broken.header for m in confidences.messages)

    def offered(name):
        return graph.node.get_publishers_info_by_topic(f'/segmentation/{name}')

    graph.wait_until(lambda: offered('class_mask') and offered('confidence'), 'the outputs')
    assert offered('class_mask')[0].qos_profile.reliability == BEST_EFFORT
    assert offered('confidence')[0].qos_profile.reliability == RELIABLE
