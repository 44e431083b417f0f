"""``fcn-seg camera`` as a process: what arrives over DDS, and how it ends."""

import os
import signal
import subprocess
import sys
import time

import cv2
from fcn_seg_ros.images.compressed import decode
from fcn_seg_ros.images.raw import to_rgb
from fcn_seg_ros.offline.sinks import write_image
from fcn_seg_ros.offline.video_writing import video_sink
from graph import BEST_EFFORT, close, DEADLINE, Domain, Graph, mask_of, picture, RELIABLE
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

H, W = 48, 64


class Source:
    """A process of the command."""

    def __init__(self, domain, folder, *arguments):
        environment = {name: value for name, value in os.environ.items()
                       if not name.endswith('_DEFAULT_PROFILES_FILE')}
        environment.update(ROS_DOMAIN_ID=str(domain), HOME=str(folder),
                           ROS_LOG_DIR=str(folder / 'ros_log'))
        code = ('import sys; from fcn_seg_ros.cli import main; main.COMMANDS = ("camera",); '
                'sys.exit(main.main())')
        self.log_path = folder / 'source.log'
        with open(self.log_path, 'wb') as log:
            self.process = subprocess.Popen(
                [sys.executable, '-c', code, 'camera', *map(str, arguments)],
                env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT)

    def stop(self, number):
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)


@pytest.fixture
def source(tmp_path):
    """Start the command on a domain of its own; ``source.graph`` listens there."""
    domain, started = Domain(), []

    def start(*arguments):
        started.append(Source(domain.number, tmp_path, *arguments))
        return started[-1]

    start.graph = Graph(domain.number)
    yield start
    for process in started:
        close(process.process)
    start.graph.close()
    domain.release()


@pytest.fixture
def image(tmp_path):
    path = tmp_path / 'street.png'
    write_image(path, picture(H, W))
    return path


@pytest.mark.parametrize('encoding', ['rgb8', 'mono8'])
def test_images_arrive_as_they_were(source, image, encoding):
    images = source.graph.listen(Image, 'image')
    source(image, '--encoding', encoding, '--frame-id', 'front optical', '--rate', '20')
    message = images.wait_for()
    assert message.encoding == encoding and message.header.frame_id == 'front optical'
    assert (message.height, message.width) == (H, W)
    rgb = to_rgb(message.data, height=H, width=W, encoding=encoding, step=message.step)
    expected = picture(H, W)
    if encoding == 'mono8':
        expected = cv2.cvtColor(expected, cv2.COLOR_RGB2GRAY)[:, :, None].repeat(3, 2)
    assert (rgb == expected).all()
    assert abs(message.header.stamp.sec - time.time()) < 3600


def test_camera_info_lies_beside_and_has_the_images_header(source, image):
    images = source.graph.listen(Image, '/robot/front/image_raw')
    infos = source.graph.listen(CameraInfo, '/robot/front/camera_info')
    source(image, '--topic', 'front/image_raw', '--namespace', 'robot', '--hfov', '90')
    message = images.wait_for()
    info = infos.wait_for_stamp(message.header.stamp)
    assert info.header == message.header and (info.width, info.height) == (W, H)
    assert info.k[0] == pytest.approx(W / 2) and info.distortion_model == 'plumb_bob'


def test_camera_info_of_a_camera_nobody_calibrated(source, image):
    infos = source.graph.listen(CameraInfo, 'camera_info')
    source(image)
    assert list(infos.wait_for().k) == [0] * 9


def test_compressed_images(source, image):
    images = source.graph.listen(CompressedImage, 'image/compressed')
    raw = source.graph.listen(Image, 'image')
    source(image, '--transport', 'both', '--size', '32x24')
    message = images.wait_for()
    assert decode(message.data, message.format).shape == (24, 32, 3)
    assert raw.wait_for_stamp(message.header.stamp).width == 32


@pytest.mark.parametrize(('qos', 'reliability'), [('reliable', RELIABLE),
                                                  ('best_effort', BEST_EFFORT)])
def test_quality_of_service(source, image, qos, reliability):
    source(image, '--qos', qos)
    graph = source.graph
    graph.wait_until(lambda: graph.node.get_publishers_info_by_topic('/image'), 'the publisher')
    info, = graph.node.get_publishers_info_by_topic('/image')
    assert info.qos_profile.reliability == reliability


def test_large_best_effort_images_arrive(source, image):
    images = source.graph.listen(Image, 'image', reliability=BEST_EFFORT)
    # At a low rate Fast DDS's own settings lose every one of them.
    source(image, '--qos', 'best_effort', '--size', '1280x720', '--rate', '2')
    source.graph.wait_until(lambda: len(images.messages) >= 5, 'five images')


def test_a_video_once_with_its_own_rate_and_repeatable_stamps(source, tmp_path):
    with video_sink(tmp_path / 'clip.avi', 25.0) as write:
        for seed in range(6):
            write(picture(H, W, seed))
    images = source.graph.listen(Image, 'image')
    process = source(tmp_path / 'clip.avi', '--once', '--wait', '--stamp', 'media')
    source.graph.wait_until(lambda: process.process.poll() is not None, 'the end')
    source.graph.wait_until(lambda: len(images.messages) == 6, 'all frames')
    assert process.process.returncode == 0
    stamps = [m.header.stamp.sec * 10 ** 9 + m.header.stamp.nanosec for m in images.messages]
    assert stamps == pytest.approx([40_000_000 * index for index in range(6)], abs=1)
    means = [mask_of(m).mean() for m in images.messages]
    assert means == pytest.approx([picture(H, W, seed).mean() for seed in range(6)], abs=3)


def test_a_folder_over_and_over_in_counted_order(source, tmp_path):
    for index, name in enumerate(('f1.png', 'f2.png', 'f10.png')):
        write_image(tmp_path / 'in' / name, picture(H, W + index))
    images = source.graph.listen(Image, 'image', depth=20)
    source(tmp_path / 'in', '--rate', '50', '--wait', '--loop')
    source.graph.wait_until(lambda: len(images.messages) >= 7, 'seven images')
    widths = [message.width - W for message in images.messages[:7]]
    assert widths == [0, 1, 2, 0, 1, 2, 0]


def test_ros_arguments(source, image):
    images = source.graph.listen(Image, '/other')
    source(image, '--ros-args', '-r', 'image:=/other', '-r', '__node:=cam')
    images.wait_for()
    # A node's name travels by a topic of its own.
    source.graph.wait_until(
        lambda: 'cam' in source.graph.node.get_node_names(), "the node 'cam'")


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_quietly(source, image, number):
    images = source.graph.listen(Image, 'image')
    process = source(image, '--rate', '200')
    images.wait_for()
    assert process.stop(number) == 0
    assert 'Traceback' not in process.log_path.read_text()


@pytest.mark.parametrize(('arguments', 'message'), [
    (['street.png', '--topic', 'a b'], 'topic name must not contain'),
    (['street.png', '--namespace', '1x'], 'namespace must not have'),
    (['street.png', '--ros-args', '--nonsense'], 'ROS does not take'),
])
def test_what_ros_refuses_is_one_line(source, image, arguments, message):
    process = source(*arguments)
    assert process.process.wait(DEADLINE) == 1
    log = process.log_path.read_text()
    assert log.startswith('fcn-seg: ') and message in log and log.count('\n') == 1


def test_without_ros(source, image, tmp_path):
    (tmp_path / 'rclpy.py').write_text('raise ImportError("no module named rclpy")')
    process = source(image)
    assert process.process.wait(DEADLINE) == 1
    log = process.log_path.read_text()
    assert log.startswith('fcn-seg: "fcn-seg camera" needs ROS 2') and log.count('\n') == 1
