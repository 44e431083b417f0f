"""``fcn-seg doctor`` where a graph is up: a good one, and some that each lack one thing."""

from concurrent.futures import ThreadPoolExecutor
import json
import os
from pathlib import Path
import subprocess
import sys
import time
from types import SimpleNamespace

from fcn_seg_ros.doctor.finding import Level
from fcn_seg_ros.doctor.graph import check_graph
from fcn_seg_ros.ros.doctor import nodes as doctor
from graph import BEST_EFFORT, image_message, picture, RELIABLE
from networks import ENGINE
import pytest
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

PATIENCE = 20.0
"""Seconds that what is there is waited for: a moment, and more on a busy machine."""
SHORT = 8.0
"""Seconds that what is missing is waited for, and what is there has to be found in."""
ACTIVE = 'waiting for images'
START = 120.0
"""Seconds that a node may take to start on a busy machine."""


def calibration(header, width=64, height=48):
    return CameraInfo(header=header, width=width, height=height, distortion_model='plumb_bob',
                      d=[0.0] * 5, k=[50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0])


class Camera:
    """A camera that films while the doctor looks; ``info`` None is one without camera_info."""

    def __init__(self, graph, topic='image', *, info=calibration, reliability=RELIABLE,
                 change=lambda message: None):
        self._images = graph.camera(topic, reliability=reliability)
        beside = topic.rpartition('/')[0]
        self._infos = graph.camera(f'{beside}/camera_info' if beside else 'camera_info',
                                   CameraInfo) if info else None
        self._make_info, self._change = info, change

    def film(self):
        message = image_message(picture())
        self._change(message)
        if self._infos is not None:
            self._infos.publish(self._make_info(message.header))
        self._images.publish(message)


@pytest.fixture
def ask(nodes, monkeypatch):
    """Return a function that asks the doctor while something goes on, and returns findings."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(nodes.domain))

    def run(meanwhile=lambda: None, look=check_graph, **options):
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(look, **{'patience': PATIENCE, **options})
            while not answer.done():
                meanwhile()
                nodes.graph.spin_for(0.05)
            return answer.result()

    return run


def about(findings, subject, words=''):
    """Return the finding of a subject that has some words."""
    found = [one for one in findings if one.subject == subject and words in one.text]
    assert len(found) == 1, findings
    return found[0]


def bad(findings, subject, words, level=Level.WARNING):
    """Return such a finding that something has to be done about."""
    found = about(findings, subject, words)
    assert found.level == level and found.remedy, found
    return found


def test_a_good_graph(nodes, ask):
    nodes.start(mount__height=0.5, mount__pitch=0.3).wait_for_log(ACTIVE, START)
    found = ask(Camera(nodes.graph).film)
    assert not [one for one in found if one.level != Level.OK], found
    assert about(found, '/segmentation').text == f"active, tiny with {ENGINE['engine']} in fp32"
    assert about(found, '/image', 'publishes').text == (
        '/test_graph publishes sensor_msgs/msg/Image, reliable, volatile; the node asks for '
        'reliable, volatile: compatible')
    assert about(found, '/image', 'rgb8, 64x48, ').text.endswith("Hz, frame_id 'camera_optical'")
    rate = float(about(found, '/image', 'rgb8').text.split(', ')[2].removesuffix(' Hz'))
    assert 0.5 < rate < 25
    assert about(found, '/camera_info', 'calibrated, for images of 64x48')
    assert about(found, 'camera pose', 'mount.height is 0.5 m')


@pytest.mark.parametrize(('lost', 'answers'), [(1, True), (99, False)])
def test_a_node_whose_answer_gets_lost_is_asked_again(nodes, monkeypatch, lost, answers):
    monkeypatch.setattr(doctor, '_ASK_AGAIN', 0.2)
    watch = SimpleNamespace(node=nodes.graph.node, wait_until=lambda condition: any(
        condition() or time.sleep(0.05) for _ in range(20)))
    values = [ParameterValue(type=ParameterType.PARAMETER_STRING, string_value='compressed'),
              *[ParameterValue()] * (len(doctor.PARAMETERS) - 1)]
    asked = []

    def answer(request):
        asked.append(request)
        future = Future()
        if len(asked) > lost:
            future.set_result(GetParameters.Response(values=values))
        return future

    monkeypatch.setattr(nodes.graph.node, 'create_client', lambda *_: SimpleNamespace(
        service_is_ready=lambda: True, call_async=answer))
    monkeypatch.setattr(nodes.graph.node, 'destroy_client', lambda client: None)
    found = doctor._ask(watch, '/segmentation', ())
    assert found.answers == answers and len(asked) > 1
    assert found.parameters['image_transport'] == ('compressed' if answers else 'raw')


def test_an_empty_graph(nodes, ask):
    nodes.graph.close()
    nodes.graph = SimpleNamespace(spin_for=time.sleep, close=lambda: None)
    found, = ask(patience=SHORT)
    assert found.level == Level.OK and 'no other node is seen on domain' in found.text
    assert 'those of other machines' in found.text  # the tests keep to this one


def test_without_a_node_of_ours_the_default_topic_is_looked_at(nodes, ask):
    found = ask(Camera(nodes.graph).film, patience=SHORT)
    assert about(found, 'segmentation node').level == Level.OK
    assert about(found, '/image', 'rgb8, 64x48').level == Level.OK
    found = ask(node='front', namespace='robot', patience=SHORT)
    assert bad(found, 'segmentation node', 'none called robot/front', Level.FAULT)


@pytest.mark.slow
def test_what_the_node_says_is_looked_at_remapped_or_compressed(nodes, ask):
    node = nodes.start(name='eye', image_transport='compressed', remap={
        'image': '/cam/picture', 'camera_info': '/elsewhere/info', 'depth': '/cam/depth'})
    node.wait_for_log(ACTIVE, START)
    graph = nodes.graph
    pictures = graph.camera('/cam/picture/compressed', CompressedImage)
    infos, _ = graph.camera('/elsewhere/info', CameraInfo), graph.camera('/cam/depth', CameraInfo)
    from fcn_seg_ros.images.compressed import encode_jpeg
    data = encode_jpeg(picture())

    def film():
        header = image_message(picture()).header
        infos.publish(calibration(header))
        pictures.publish(CompressedImage(header=header, format='jpeg', data=data))

    found = ask(film, node='eye')
    assert about(found, '/cam/picture/compressed', 'jpeg, 64x48')
    assert about(found, '/elsewhere/info', 'calibrated')
    # The node says so, too, in the same words: once is enough.
    assert bad(found, '/cam/depth', 'carries sensor_msgs/msg/CameraInfo')
    assert len([one for one in found if 'carries' in one.text]) == 1


@pytest.mark.slow
def test_nobody_publishes_the_image(nodes, ask):
    nodes.start().wait_for_log(ACTIVE, START)
    other = Camera(nodes.graph, '/camera/image_raw')
    found = bad(ask(other.film, patience=SHORT), '/image', 'nobody publishes it', Level.FAULT)
    assert 'images are on /camera/image_raw' in found.text
    assert found.remedy == 'remap image:=/camera/image_raw'


def test_no_camera_at_all(nodes, ask):
    found = bad(ask(topic='/camera/image_raw', patience=SHORT), '/camera/image_raw',
                'nobody publishes it, nor any other image', Level.FAULT)
    assert 'start the camera driver' in found.remedy
    assert bad(ask(patience=SHORT), '/image', 'nobody publishes it', Level.WARNING)


@pytest.mark.slow
def test_a_wrong_type(nodes, ask):
    nodes.start().wait_for_log(ACTIVE, START)
    camera = nodes.graph.camera('image', CompressedImage)
    found = ask(lambda: camera.publish(CompressedImage()))
    assert bad(found, '/image', 'carries sensor_msgs/msg/CompressedImage', Level.FAULT)
    camera_info = nodes.graph.camera('/other/image', CameraInfo)
    found = ask(lambda: camera_info.publish(CameraInfo()), topic='/other/image')
    assert bad(found, '/other/image', 'carries sensor_msgs/msg/CameraInfo', Level.FAULT).remedy \
        .startswith('remap the input')


@pytest.mark.slow
def test_an_encoding_that_nobody_can_decode(nodes, ask):
    def spoil(message):
        message.encoding = 'secret'

    found = ask(Camera(nodes.graph, change=spoil).film)
    assert bad(found, '/image', 'secret', Level.FAULT)


def test_a_camera_that_is_silent(nodes, ask):
    nodes.graph.camera('image')
    found = bad(ask(patience=SHORT), '/image', f'no image has come in {SHORT:g} s', Level.FAULT)
    assert 'DDS profile' in found.remedy


@pytest.mark.slow
def test_a_subscriber_that_asks_for_more_than_is_offered(nodes, ask):
    nodes.start(mount__height=0.5, mount__pitch=0.3).wait_for_log(ACTIVE, START)
    viewer = nodes.another_graph('viewer')
    viewer.listen(Image, '/segmentation/overlay', latched=True)
    found = bad(ask(Camera(nodes.graph).film), '/segmentation/overlay', '/viewer asks for')
    assert 'reliable, transient local and gets nothing of /segmentation' in found.text
    viewer.close()


@pytest.mark.slow
def test_publishers_that_offer_different_things(nodes, ask):
    cameras = [Camera(nodes.graph), Camera(nodes.graph, info=None, reliability=BEST_EFFORT)]
    found = ask(lambda: [camera.film() for camera in cameras])
    assert bad(found, '/image', 'different qualities of service')
    rival = nodes.another_graph('rival')
    rival.camera('image')
    found = bad(ask(cameras[0].film), '/image', 'several nodes publish it')
    assert '/rival, /test_graph' in found.text
    rival.close()


@pytest.mark.slow
def test_no_camera_info(nodes, ask):
    nodes.start().wait_for_log(ACTIVE, START)
    found = ask(Camera(nodes.graph, info=None).film, patience=SHORT)
    assert about(found, '/image', 'rgb8').level == Level.OK
    assert bad(found, '/camera_info', 'nobody publishes it: masks need none')


@pytest.mark.slow
@pytest.mark.parametrize(('info', 'words'), [
    (lambda header: CameraInfo(header=header, width=64, height=48), 'uncalibrated'),
    (lambda header: calibration(header, 128, 96), 'camera_info is for 128x96 images'),
    (lambda header: calibration(type(header)(frame_id='lens')), "its frame_id is 'lens'"),
])
def test_a_camera_info_that_does_not_fit(nodes, ask, info, words):
    found = ask(Camera(nodes.graph, info=info).film, patience=SHORT)
    assert bad(found, '/camera_info', words)


@pytest.mark.slow
def test_without_tf2_ros(nodes, ask):
    if _has_tf():
        pytest.skip('tf2_ros is installed')
    found = ask(Camera(nodes.graph).film)
    assert bad(found, 'TF', 'tf2_ros is not installed')


def _has_tf():
    try:
        import tf2_ros  # noqa: F401
    except ImportError:
        return False
    return True


def transform(header, parent):
    from geometry_msgs.msg import TransformStamped
    from tf2_msgs.msg import TFMessage
    message = TransformStamped(child_frame_id=header.frame_id)
    message.header.frame_id, message.transform.rotation.w = parent, 1.0
    return TFMessage(transforms=[message])


@pytest.mark.slow
@pytest.mark.parametrize(('parent', 'durability', 'level', 'words'), [
    ('base_footprint', DurabilityPolicy.TRANSIENT_LOCAL, Level.OK, 'camera_optical is known in'),
    ('elsewhere', DurabilityPolicy.TRANSIENT_LOCAL, Level.WARNING, 'no transform from'),
    ('base_footprint', DurabilityPolicy.VOLATILE, Level.WARNING, 'no transform from')])
def test_tf(nodes, ask, parent, durability, level, words):
    pytest.importorskip('tf2_ros')
    from tf2_msgs.msg import TFMessage
    nodes.start().wait_for_log(ACTIVE, START)
    tf = nodes.graph.node.create_publisher(TFMessage, '/tf_static', QoSProfile(
        depth=1, durability=durability))
    tf.publish(transform(image_message(picture()).header, parent))
    found = ask(Camera(nodes.graph).film, patience=PATIENCE if level == Level.OK else SHORT)
    assert about(found, 'TF', words).level == level
    volatile = [one for one in found if one.subject == '/tf_static']
    assert len(volatile) == (durability == DurabilityPolicy.VOLATILE)


@pytest.mark.slow
def test_a_zero_stamp(nodes, ask):
    def forget(message):
        message.header.stamp.sec = message.header.stamp.nanosec = 0

    found = ask(Camera(nodes.graph, change=forget).film, patience=SHORT)
    assert bad(found, '/image', 'zero stamp')


@pytest.mark.slow
def test_a_node_that_waits_to_be_configured(nodes, ask):
    nodes.start(autostart=False)
    found = bad(ask(Camera(nodes.graph).film), '/segmentation', 'it is unconfigured')
    assert found.remedy == 'ros2 lifecycle set /segmentation configure'


@pytest.mark.slow
def test_what_the_node_complains_of(nodes, ask):
    node = nodes.start(autostart=False, network='no_such_network')
    node.wait_for_log('(?s).*')
    from lifecycle_msgs.srv import ChangeState
    request = ChangeState.Request()
    request.transition.id = 1
    nodes.graph.call(ChangeState, '/segmentation/change_state', request)
    found = ask(Camera(nodes.graph).film)
    assert [one for one in found if one.subject == 'segmentation: network'
            and one.level == Level.FAULT and 'no_such_network' in one.text + one.remedy], found


@pytest.mark.slow
def test_nodes_of_the_same_name_in_two_namespaces(nodes, ask):
    for namespace in ('left', 'right'):
        nodes.start(remap={'__ns': f'/{namespace}'}, mount__height=0.5,
                    mount__pitch=0.3).wait_for_log(ACTIVE, START)
    cameras = [Camera(nodes.graph, f'/{name}/image') for name in ('left', 'right')]
    found = ask(lambda: [camera.film() for camera in cameras])
    assert about(found, '/left/image', 'rgb8') and about(found, '/right/image', 'rgb8')
    found = ask(lambda: [camera.film() for camera in cameras], namespace='/right')
    assert about(found, '/right/image', 'rgb8')
    assert not [one for one in found if 'left' in one.subject]


@pytest.mark.slow
def test_the_command(nodes, ask, tmp_path):
    """As the script that ``ros2 run`` starts is, with options."""
    nodes.start(mount__height=0.5, mount__pitch=0.3).wait_for_log(ACTIVE, START)
    script = Path(__file__).parents[2] / 'scripts' / 'fcn-seg'

    def run(patience):
        return subprocess.run(
            [sys.executable, str(script), 'doctor', '--json', '--topic', '/cam/image',
             '--patience', str(patience)], cwd=tmp_path, capture_output=True, text=True,
            timeout=300, check=False, env={
                **os.environ, 'PYTHONPATH': ':'.join(filter(None, sys.path)),
                'XDG_CACHE_HOME': str(tmp_path / 'cache')})

    done = ask(Camera(nodes.graph, '/cam/image').film, look=run)
    found = json.loads(done.stdout)
    image, = (one for one in found if one['subject'] == '/cam/image' and 'rgb8' in one['text'])
    assert image['level'] == 'ok'
    levels = ['ok', 'warning', 'fault']
    assert done.returncode == max(levels.index(one['level']) for one in found)
