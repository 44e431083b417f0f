"""``fcn-seg doctor`` where a graph is up: a good one, and some that each lack one thing."""

from concurrent.futures import ThreadPoolExecutor
import time
from types import SimpleNamespace

from fcn_seg_ros.doctor.finding import Level
from fcn_seg_ros.doctor.graph import check_graph
from graph import image_message, picture, RELIABLE
import pytest
from sensor_msgs.msg import CameraInfo

PATIENCE = 20.0
"""Seconds that what is there is waited for: a moment, and more on a busy machine."""
SHORT = 4.0
"""Seconds that what is missing is waited for."""
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
    assert about(found, '/segmentation').text == 'active, tiny with torch in fp32'
    assert about(found, '/image', 'publishes').text == (
        '/test_graph publishes sensor_msgs/msg/Image, reliable, volatile; the node asks for '
        'reliable, volatile: compatible')
    assert about(found, '/image', 'rgb8, 64x48, ').text.endswith("Hz, frame_id 'camera_optical'")
    rate = float(about(found, '/image', 'rgb8').text.split(', ')[2].removesuffix(' Hz'))
    assert 0.5 < rate < 25
    assert about(found, '/camera_info', 'calibrated, for images of 64x48')
    assert about(found, 'camera pose', 'mount.height is 0.5 m')


def test_an_empty_graph(nodes, ask):
    nodes.graph.close()
    nodes.graph = SimpleNamespace(spin_for=time.sleep, close=lambda: None)
    found, = ask(patience=SHORT)
    assert found.level == Level.OK and 'no other node is seen on domain' in found.text


def test_without_a_node_of_ours_the_default_topic_is_looked_at(nodes, ask):
    found = ask(Camera(nodes.graph).film, patience=SHORT)
    assert about(found, 'segmentation node').level == Level.OK
    assert about(found, '/image', 'rgb8, 64x48').level == Level.OK
    found = ask(node='front', namespace='robot', patience=SHORT)
    assert bad(found, 'segmentation node', 'none called robot/front', Level.FAULT)


def test_no_camera_at_all(nodes, ask):
    found = bad(ask(topic='/camera/image_raw', patience=SHORT), '/camera/image_raw',
                'nobody publishes it, nor any other image', Level.FAULT)
    assert 'start the camera driver' in found.remedy
    assert bad(ask(patience=SHORT), '/image', 'nobody publishes it', Level.WARNING)


def test_a_camera_that_is_silent(nodes, ask):
    nodes.graph.camera('image')
    found = bad(ask(patience=SHORT), '/image', 'no image has come in 4 s', Level.FAULT)
    assert 'DDS profile' in found.remedy
