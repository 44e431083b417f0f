"""Parameters and network switches, through the node's services."""

import time

from fcn_seg_ros.msg import ClassFractions
from graph import DEADLINE, image_message, mask_of, parameter_messages, picture
from networks import OTHER, TINY, WEIGHTS
import numpy as np
import pytest
from rcl_interfaces.msg import Parameter as ParameterMessage, ParameterType, ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters, GetParameters, ListParameters, SetParameters, SetParametersAtomically)
from rclpy.parameter import parameter_value_to_python
from sensor_msgs.msg import Image


class Bench:
    def __init__(self, nodes):
        self.graph = nodes.graph
        self.node = nodes.start(regions=['left'], regions__left=[0.0, 0.0, 0.5, 1.0])
        self.camera = self.graph.camera()
        self.masks = self.graph.listen(Image, '/segmentation/class_mask')
        self.fractions = self.graph.listen(ClassFractions, '/segmentation/class_fractions')
        self.graph.wait_for_subscribers(self.camera)
        # Who has just been discovered may miss a message: the first one is published until both
        # outputs are there, those of the tests then once.
        self.graph.send_until_answered(
            self.camera, image_message(picture()), self.masks, self.fractions)

    def segment(self, pixels=None):
        """Return the class mask and the fractions of a picture."""
        message = image_message(picture() if pixels is None else pixels)
        stamp = message.header.stamp
        self.camera.publish(message)
        return (mask_of(self.masks.wait_for_stamp(stamp)),
                self.fractions.wait_for_stamp(stamp))

    def request(self, **values):
        """Set parameters in one request, see :meth:`.Graph.set_atomically`."""
        return self.graph.set_atomically(**values)

    def get(self, name):
        """Return a parameter's value."""
        value, = self.graph.call(GetParameters, '/segmentation/get_parameters',
                                 GetParameters.Request(names=[name])).values
        return parameter_value_to_python(value)


@pytest.fixture(scope='module')
def bench(shared_nodes):
    return Bench(shared_nodes)


@pytest.mark.parametrize(('values', 'reason'), [
    ({'overlay_alpha': 1.5}, 'overlay_alpha'),
    ({'overlay_alpha': float('nan')}, 'overlay_alpha'),
    ({'min_confidence': -0.1}, 'min_confidence'),
    ({'max_rate': -1.0}, 'max_rate'),
    ({'max_rate': 'fast'}, 'type'),
    ({'threads': 2.5}, 'type'),
    ({'mask_size': '640'}, 'WIDTHxHEIGHT'),
    ({'mask_size': '0x480'}, 'WIDTHxHEIGHT'),
    ({'mask_size': '99999x480'}, 'WIDTHxHEIGHT'),
    ({'mask_size': '8192x8192'}, 'pixels'),
    ({'network': 'tinny'}, "unknown network 'tinny': did you mean tiny"),
    ({'network': ''}, 'network is empty'),
    ({'weights': '/no/such.pth'}, 'cannot read the weights /no/such.pth'),
    ({'ignore_classes': ['ground', 'wall', 'thing', 'person', 'sky']}, 'leaves no class'),
    ({'engine': 'tensorrt'}, 'engine'),
    ({'engine': 'auto'}, 'cannot change while the node is configured'),
    ({'device': 'cuda'}, 'cannot change while the node is configured'),
    ({'cameras': ['front']}, 'cannot change while the node is configured'),
    ({'cameras': ['front camera']}, 'is not a name'),
    ({'regions__left': [0.0, 0.0, 1.0]}, 'must be [x0, y0, x1, y1]'),
    ({'regions__left': [0.5, 0.0, 0.5, 1.0]}, 'must be [x0, y0, x1, y1]'),
    ({'regions__left': [0.0, 0.0, 0.5, 1.01]}, 'must be [x0, y0, x1, y1]'),
    ({'diagnostics__age_warn': -1.0}, 'age_warn'),
])
def test_what_cannot_be_obeyed_is_rejected_with_a_reason(bench, values, reason):
    name = next(iter(values)).replace('__', '.')
    before = bench.get(name)
    successful, why = bench.request(**values)
    assert not successful
    assert reason in why
    assert '\n' not in why
    assert bench.get(name) == before


@pytest.mark.parametrize(('written', 'value'), [
    ({'max_rate': 10}, 10.0),
    ({'overlay_alpha': 1}, 1.0),
    ({'ignore_classes': 'sky'}, ['sky']),
    ({'ignore_classes': []}, []),
    ({'diagnostics__age_warn': 3}, 3.0),
    ({'regions__left': [0, 0, 1, 1]}, [0.0, 0.0, 1.0, 1.0]),
])
def test_values_may_be_written_as_people_write_them(bench, written, value):
    name = next(iter(written)).replace('__', '.')
    before = bench.get(name)
    assert bench.request(**written) == (True, '')
    assert list(bench.get(name) if isinstance(value, list) else [bench.get(name)]) == (
        value if isinstance(value, list) else [value])
    assert bench.request(**{name: before})[0]


@pytest.mark.parametrize('type_', [
    ParameterType.PARAMETER_BOOL_ARRAY, ParameterType.PARAMETER_BYTE_ARRAY,
    ParameterType.PARAMETER_INTEGER_ARRAY, ParameterType.PARAMETER_STRING_ARRAY])
def test_an_empty_list_has_no_type(bench, type_):
    """``ros2 param set /segmentation cameras '[]'`` sends one of booleans."""
    request = SetParametersAtomically.Request(parameters=[
        ParameterMessage(name='cameras', value=ParameterValue(type=type_))])
    result = bench.graph.call(SetParametersAtomically,
                              '/segmentation/set_parameters_atomically', request).result
    assert (result.successful, result.reason) == (True, '')


def test_values_at_the_start_may_be_written_as_people_write_them(nodes):
    node = nodes.start(max_rate=10, cameras='front', mount__front__height=1, mount__height=2,
                       regions='left', regions__left=[0, 0, 1, 1], ignore_classes='sky')
    node.wait_for_log('waiting for images on /front/image')
    values = nodes.graph.call(GetParameters, '/segmentation/get_parameters', GetParameters.Request(
        names=['max_rate', 'cameras', 'mount.front.height', 'mount.front.x', 'regions.left',
               'ignore_classes'])).values
    values = [parameter_value_to_python(value) for value in values]
    assert [list(value) if not isinstance(value, float) else value for value in values] == [
        10.0, ['front'], 1.0, 0.0, [0.0, 0.0, 1.0, 1.0], ['sky']]


@pytest.mark.parametrize(('params', 'words'), [
    ({'max_rate': 'fast'}, "max_rate: 'fast' is of the wrong type: it must be a number"),
    ({'device': True}, 'it must be a text'),
    ({'cameras': [1, 2]}, 'it must be a list of texts'),
    ({'download': 1}, 'it must be true or false'),
    ({'overlay_alpha': 2}, 'overlay_alpha'),
])
def test_a_value_that_cannot_be_one_ends_the_start_with_one_line(nodes, params, words):
    node = nodes.start(**params)
    assert node.wait_for_exit() == 1
    line, = node.lines()
    assert words in line


def test_a_partly_invalid_request_changes_nothing(bench):
    mask, fractions = bench.segment()
    assert not bench.request(mask_size='32x24', network=OTHER, min_confidence=2.0)[0]
    assert not bench.request(mask_size='32x24', network='no-such')[0]
    assert not bench.request(network=OTHER, ignore_classes=['inside', 'outside'])[0]
    assert (bench.get('mask_size'), bench.get('network')) == ('input', TINY)
    again, fractions_again = bench.segment()
    np.testing.assert_array_equal(again, mask)
    assert fractions_again.network == fractions.network == TINY


def test_one_by_one_the_valid_ones_are_set(bench):
    results = bench.graph.call(
        SetParameters, '/segmentation/set_parameters', SetParameters.Request(
            parameters=parameter_messages({'overlay_alpha': 0.25, 'max_rate': -1.0}))).results
    assert [result.successful for result in results] == [True, False]
    assert bench.get('overlay_alpha') == 0.25
    assert bench.request(overlay_alpha=0.5)[0]


@pytest.mark.parametrize(('size', 'shape'), [
    ('32x24', (24, 32)), ('network', (64, 64)), ('200x100', (100, 200)), ('input', (48, 64))])
def test_mask_size(bench, size, shape):
    assert bench.request(mask_size=size) == (True, '')
    assert bench.segment()[0].shape == shape


def test_min_confidence_and_ignored_classes(bench):
    mask, _ = bench.segment()
    try:
        assert bench.request(min_confidence=1.0)[0]
        unsure, fractions = bench.segment()
        assert (unsure == 255).all()
        assert fractions.unknown == pytest.approx(1)
        assert bench.request(min_confidence=0.0, ignore_classes=['ground', 'no-such'])[0]
        without, _ = bench.segment()
        assert (mask == 0).any(), 'the picture tests nothing'
        assert not (without == 0).any()
    finally:
        assert bench.request(min_confidence=0.0, ignore_classes=['void'])[0]
    np.testing.assert_array_equal(bench.segment()[0], mask)


def test_switch_of_the_network_and_back(bench):
    mask, _ = bench.segment()
    assert bench.request(network=OTHER) == (True, '')
    _, fractions = bench.segment()
    assert fractions.network == OTHER
    assert [c.label for c in fractions.classes] == ['inside', 'outside']
    # One that does not work leaves the present one alone.
    assert not bench.request(network='voc-320x320')[0]
    assert bench.segment()[1].network == OTHER
    assert bench.request(network=TINY) == (True, '')
    again, fractions = bench.segment()
    assert fractions.network == TINY
    np.testing.assert_array_equal(again, mask)


def test_networks_that_are_switched_away_leave_no_memory_behind(bench):
    def switch_around():
        for name in (OTHER, TINY, OTHER, TINY):
            assert bench.request(network=name)[0]
            bench.segment()
        return bench.node.memory()

    before = switch_around()
    # Each of the four has 45 MiB.
    assert switch_around() < before + 60 * 2**20


def test_a_region_moves_while_the_node_runs(bench):
    assert bench.request(regions__left=[0.0, 0.0, 0.25, 1.0]) == (True, '')
    roi = bench.segment()[1].regions[0].roi
    assert (roi.width, roi.height) == (16, 48)
    assert bench.request(regions__left=[0.0, 0.0, 0.5, 1.0]) == (True, '')


def test_weights_of_another_network_are_rejected(bench, models_dir):
    successful, reason = bench.request(weights=str(models_dir / OTHER / WEIGHTS))
    assert not successful
    assert WEIGHTS in reason
    # Both in one request fit each other.
    assert bench.request(network=OTHER, weights=str(models_dir / OTHER / WEIGHTS))[0]
    assert bench.segment()[1].network == OTHER
    successful, reason = bench.request(network=TINY)
    assert not successful
    assert 'change both' in reason
    assert bench.request(network=TINY, weights='')[0]
    assert bench.segment()[1].network == TINY


def test_no_frame_is_mixed_up_while_networks_are_switched(bench):
    labels = {TINY: 5, OTHER: 2}
    bench.fractions.clear()
    seen = []
    for name in (OTHER, TINY):
        answer = bench.graph.ask(
            SetParametersAtomically, '/segmentation/set_parameters_atomically',
            SetParametersAtomically.Request(parameters=parameter_messages({'network': name})))
        frames, end = 0, time.monotonic() + DEADLINE
        while (response := answer()) is None:
            assert time.monotonic() < end, f'waited {DEADLINE} s in vain for the switch to {name}'
            bench.segment()
            frames += 1
        seen.append(frames)
        assert response.result.successful, response.result.reason
    assert bench.segment()[1].network == TINY
    assert min(seen) > 0, 'frames stood still while a network was loaded'
    for message in bench.fractions.messages:
        assert len(message.classes) == labels[message.network]


def test_every_parameter_is_described(bench):
    names = bench.graph.call(ListParameters, '/segmentation/list_parameters',
                             ListParameters.Request()).result.names
    names = [name for name in names if not name.startswith(('qos_overrides', 'use_sim_time',
                                                            'start_type_description'))]
    descriptors = bench.graph.call(
        DescribeParameters, '/segmentation/describe_parameters',
        DescribeParameters.Request(names=names)).descriptors
    assert {'network', 'cameras', 'diagnostics.age_warn'} <= set(names)
    for descriptor in descriptors:
        assert len(descriptor.description) > 10, descriptor.name
        assert descriptor.description.endswith('.'), descriptor.name
        if descriptor.type in (ParameterType.PARAMETER_INTEGER, ParameterType.PARAMETER_DOUBLE):
            ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
            assert ranges, f'{descriptor.name} has no range'


def test_arrays_are_arrays_of_the_right_type(bench):
    values = bench.graph.call(
        GetParameters, '/segmentation/get_parameters',
        GetParameters.Request(names=['cameras', 'regions', 'ignore_classes'])).values
    assert {value.type for value in values} == {ParameterType.PARAMETER_STRING_ARRAY}
