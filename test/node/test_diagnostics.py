"""What operators see on /diagnostics."""

from importlib.util import find_spec
from itertools import pairwise

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from fcn_seg_ros.ros.diagnostics import PERIOD
from graph import image_message, new_header, parameter_messages, picture
from networks import ENGINE
import pytest
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import Image

OK, WARN = DiagnosticStatus.OK, DiagnosticStatus.WARN
ERROR, STALE = DiagnosticStatus.ERROR, DiagnosticStatus.STALE


class Bench:
    def __init__(self, nodes):
        self.node = nodes.start(diagnostics__age_warn=1.0, diagnostics__age_stale=3.0,
                                diagnostics__window=3.0, diagnostics__latency_warn=30.0,
                                diagnostics__latency_error=60.0)
        self.graph = nodes.graph
        self.listener = self.graph.listen(DiagnosticArray, '/diagnostics')
        self.camera = self.graph.camera()
        self.masks = None

    def status(self, name):
        """Return the newest status of this name, or None."""
        found = [s for m in self.listener.messages[-1:] for s in m.status
                 if s.name == f'segmentation: {name}']
        return found[0] if found else None

    def wait_for(self, name, level, text='', filming=None):
        """Wait for a status of this level with this text, filming meanwhile if asked to."""
        def met():
            if filming is not None:
                self.camera.publish(filming())
                self.graph.spin_for(0.1)
            status = self.status(name)
            return status and status.level == level and text in status.message

        try:
            self.graph.wait_until(met, f'{name}: {level!r} {text}')
        except AssertionError as error:
            raise AssertionError(f'{error}, but {self.status(name)}') from None
        return self.status(name)

    def look(self):
        if self.masks is None:
            self.masks = self.graph.listen(Image, '/segmentation/class_mask')
            self.graph.wait_for_subscribers(self.camera)

    def look_away(self):
        if self.masks is not None:
            self.masks.close()
            self.masks = None
            self.graph.wait_for_subscribers(self.camera, 0)

    def request(self, **values):
        response = self.graph.call(
            SetParameters, '/segmentation/set_parameters', SetParameters.Request(
                parameters=parameter_messages(values)))
        assert all(result.successful for result in response.results)


@pytest.fixture(scope='module')
def bench(shared_nodes):
    return Bench(shared_nodes)


def values_of(status):
    return {value.key: value.value for value in status.values}


def test_idle_is_fine(bench):
    bench.look_away()
    bench.wait_for('network', OK, 'tiny on cpu')
    bench.graph.spin_for(4)  # longer than anything may be stale
    assert bench.wait_for('camera image', OK, 'idle').hardware_id == '/image'
    bench.wait_for('masks', OK, 'idle')


def test_who_waits_for_class_names_that_cannot_come_is_warned_of(bench):
    if find_spec('vision_msgs'):
        pytest.skip('vision_msgs is installed')
    # Its own type is not to be had here; the topic counts.
    waiting = bench.graph.listen(Image, '/segmentation/label_info')
    try:
        bench.wait_for('network', WARN, 'needs vision_msgs')
    finally:
        waiting.close()
    bench.wait_for('network', OK)


def test_a_message_a_second(bench):
    bench.wait_for('network', OK)
    bench.listener.clear()
    bench.graph.wait_until(lambda: len(bench.listener.messages) >= 7, 'seven messages')

    def stamps():
        return [m.header.stamp.sec + m.header.stamp.nanosec * 1e-9
                for m in bench.listener.messages]

    assert PERIOD == 1.0
    # A busy machine makes messages late, and one that follows a late one comes on time: of the six
    # pauses the first two may be anything together, but the others are whole ones, or longer.
    assert stamps()[6] - stamps()[0] > 4 * PERIOD - 0.05
    # Sooner or later two of them are on time.
    bench.graph.wait_until(
        lambda: any(abs(later - stamp - PERIOD) < 0.25
                    for stamp, later in pairwise(stamps())), 'a pause of a second')


def test_a_running_camera(bench):
    bench.look()
    image = bench.wait_for('camera image', OK, 'frames a second',
                           lambda: image_message(picture()))
    values = values_of(image)
    assert values['topic'] == '/image'
    assert values['reliability'] == 'reliable'
    assert int(values['frames received']) > 0
    assert float(values['frame rate (Hz)']) > 0
    masks = values_of(bench.wait_for('masks', OK, 'frames a second',
                                     lambda: image_message(picture())))
    p50, p95, p99 = (float(masks[f'latency p{p} (ms)']) for p in (50, 95, 99))
    assert 0 < p50 <= p95 <= p99
    assert masks['subscribed outputs'] == 'class_mask'
    network = values_of(bench.status('network'))
    assert network['network'] == 'tiny'
    assert network['engine'] == ENGINE['engine']
    assert network['device'] == 'cpu'
    assert network['precision'] == ENGINE['precision']


def test_a_camera_that_falls_silent(bench):
    bench.look()
    bench.wait_for('camera image', OK, 'frames a second', lambda: image_message(picture()))
    bench.wait_for('camera image', WARN, 'no image on /image')
    bench.wait_for('camera image', STALE, 'no image on /image')
    bench.wait_for('camera image', OK, 'frames a second', lambda: image_message(picture()))
    bench.look_away()
    bench.wait_for('camera image', OK, 'idle')


def test_frames_that_cannot_be_decoded(bench):
    bench.look()
    status = bench.wait_for('camera image', ERROR, "encoding 'rgb9' is not supported",
                            lambda: image_message(picture(), encoding='rgb9'))
    assert int(values_of(status)['errors: encoding']) > 0
    short = image_message(picture())
    short.data = short.data[:-10]
    status = bench.wait_for('camera image', ERROR, 'bytes', lambda: short)
    assert int(values_of(status)['errors: truncated']) > 0
    bench.wait_for('camera image', OK, 'frames a second', lambda: image_message(picture()))


def test_odd_headers(bench):
    bench.look()

    def without_frame():
        return image_message(picture(), header=new_header(frame_id=''))

    def without_stamp():
        message = image_message(picture())
        message.header.stamp.sec = message.header.stamp.nanosec = 0
        return message

    status = bench.wait_for('camera image', WARN, 'empty frame_id', without_frame)
    assert int(values_of(status)['odd headers: empty frame_id']) > 0
    bench.wait_for('camera image', OK, 'frames a second', lambda: image_message(picture()))
    bench.wait_for('camera image', WARN, 'zero stamp', without_stamp)
    bench.wait_for('camera image', OK, 'frames a second', lambda: image_message(picture()))


def test_limits_can_be_set_while_it_runs(bench):
    bench.look()
    bench.request(diagnostics__rate_error=500.0, diagnostics__latency_warn=0.0)
    try:
        bench.wait_for('camera image', ERROR, 'less than 500',
                       lambda: image_message(picture()))
        bench.wait_for('masks', WARN, 'latency p95', lambda: image_message(picture()))
    finally:
        bench.request(diagnostics__rate_error=0.0, diagnostics__latency_warn=30.0)
    bench.wait_for('masks', OK, '', lambda: image_message(picture()))


def test_labels_that_the_network_lacks(bench):
    bench.request(ignore_classes=['void', 'unicorn'])
    try:
        bench.wait_for('network', WARN, 'unicorn')
    finally:
        bench.request(ignore_classes=['void'])
    bench.wait_for('network', OK)
