"""How the node listens to cameras: only when asked, as they offer, and to the newest frame."""

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
import time
call = Engine.__call__
def slow(self, batch):
    time.sleep(0.5)
    return call(self, batch)
Engine.__call__ = slow
"""
"""A machine that takes half a second a frame."""


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


def send_until_answered(graph, camera, message, listener):
    """Publish until the listener has an answer: a best-effort message may meet nobody."""
    graph.wait_until(lambda: camera.publish(message) or graph.spin_for(0.1) or any(
        m.header == message.header for m in listener.messages), 'an answer')


def test_nobody_subscribes_nothing_runs(graph):
    camera = graph.camera()
    graph.wait_until(lambda: graph.node.count_publishers('/segmentation/class_mask'), 'the node')
    graph.spin_for(1.5)
    assert camera.get_subscription_count() == 0
    masks = graph.listen(Image, '/segmentation/class_mask')
    graph.wait_for_subscribers(camera)
    camera.publish(image_message(picture()))
    masks.wait_for()
    masks.close()
    graph.wait_for_subscribers(camera, 0)
    other = graph.listen(ClassFractions, '/segmentation/class_fractions')
    graph.wait_for_subscribers(camera)
    camera.publish(image_message(picture()))
    other.wait_for()


@pytest.mark.parametrize('reliability', [RELIABLE, BEST_EFFORT])
def test_no_large_image_is_lost(graph, reliability):
    camera = graph.camera(reliability=reliability)
    fractions = graph.listen(ClassFractions, '/segmentation/class_fractions')
    graph.wait_until(lambda: reliabilities(graph, '/image') == [reliability], 'what it offers')
    graph.wait_for_subscribers(camera)
    send_until_answered(graph, camera, image_message(BIG), fractions)
    sent = []
    for _ in range(10):
        message = image_message(BIG)
        camera.publish(message)
        sent.append(message.header.stamp)
        graph.spin_for(0.5)
    fractions.wait_for_stamp(sent[-1])
    arrived = [m.header.stamp for m in fractions.messages]
    assert [stamp for stamp in sent if stamp in arrived] == sent


def test_a_camera_that_changes_its_reliability(graph):
    masks = graph.listen(Image, '/segmentation/class_mask')
    for reliability in (RELIABLE, BEST_EFFORT, RELIABLE):
        camera = graph.camera(reliability=reliability)
        graph.wait_until(lambda wanted=reliability: reliabilities(graph, '/image') == [wanted],
                         'the subscription that goes with the camera')
        graph.wait_for_subscribers(camera)
        send_until_answered(graph, camera, image_message(picture()), masks)
        graph.node.destroy_publisher(camera)
        graph.wait_until(lambda: not graph.node.get_publishers_info_by_topic('/image'),
                         'the end of the camera')


def test_rate_limit(graph):
    camera = graph.camera()
    fractions = graph.listen(ClassFractions, '/segmentation/class_fractions', depth=100)
    graph.wait_for_subscribers(camera)
    send_until_answered(graph, camera, image_message(picture()), fractions)
    set_max_rate(graph, 2.0)
    try:
        fractions.clear()
        graph.wait_until(lambda: camera.publish(image_message(picture())) or graph.spin_for(0.04)
                         or len(fractions.messages) >= 7, 'seven frames')
        # Six pauses of half a second; a busy machine makes them longer, never shorter.
        assert fractions.times[-1] - fractions.times[0] > 6 * 0.5 * 0.7
    finally:
        set_max_rate(graph, 0.0)


def set_max_rate(graph, value):
    response = graph.call(
        SetParameters, '/segmentation/set_parameters', SetParameters.Request(
            parameters=[Parameter('max_rate', value=value).to_parameter_msg()]))
    assert response.results[0].successful


def test_newest_frame_wins_on_a_slow_machine(nodes):
    nodes.start(prelude=SLOW)
    graph = nodes.graph
    camera = graph.camera()
    fractions = graph.listen(ClassFractions, '/segmentation/class_fractions')
    diagnostics = graph.listen(DiagnosticArray, '/diagnostics')
    graph.wait_for_subscribers(camera)
    stop = threading.Event()
    published = {}

    def film():
        while not stop.wait(1 / 30):
            message = image_message(picture())
            published[message.header.stamp.sec] = time.monotonic()
            camera.publish(message)

    filming = threading.Thread(target=film)
    filming.start()
    try:
        graph.wait_until(lambda: len(fractions.messages) >= 8, 'eight frames')
    finally:
        stop.set()
        filming.join()
    frames = [m.header.stamp.sec for m in fractions.messages]
    assert frames == sorted(set(frames)), 'in order, none twice'
    assert len(frames) < len(published) / 3, 'nothing was dropped, the test tests nothing'
    # Each was the newest when its turn came: it waits for one frame before it at most,
    # however long the camera has been running.  (A queue would be seconds behind by now.)
    waits = [arrival - published[frame] for arrival, frame in zip(fractions.times, frames)]
    assert min(waits[-3:]) < 3 * 0.5, waits
    # The last one that the camera took is not forgotten.
    fractions.wait_for(lambda m: m.header.stamp.sec == max(published))
    # The others were counted.
    diagnostics.clear()
    diagnostics.wait_for()
    values = {value.key: value.value for status in diagnostics.messages[-1].status
              for value in status.values}
    dropped = int(values['dropped: overload'])
    assert dropped > len(fractions.messages)
    assert dropped == int(values['frames received']) - int(values['frames done'])


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
        send_until_answered(graph, camera, message, confidences)
        got = confidences.messages[-1]
        assert (got.height, got.width) == (46, 62)
    broken = compressed_message(encode_jpeg(pixels)[:-200], 'jpeg')
    camera.publish(broken)
    send_until_answered(graph, camera, compressed_message(encode_jpeg(pixels), ''), confidences)
    assert not any(m.header == broken.header for m in confidences.messages)

    def offered(name):
        return graph.node.get_publishers_info_by_topic(f'/segmentation/{name}')

    graph.wait_until(lambda: offered('class_mask') and offered('confidence'), 'the outputs')
    assert offered('class_mask')[0].qos_profile.reliability == BEST_EFFORT
    assert offered('confidence')[0].qos_profile.reliability == RELIABLE
