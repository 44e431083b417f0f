"""The messages that others rely on, field by field."""

from fcn_seg_ros.msg import ClassFraction, ClassFractions, RegionFractions
import pytest


@pytest.mark.parametrize(('message', 'fields'), [
    (ClassFractions, {
        'header': 'std_msgs/Header',
        'network': 'string',
        'pixels': 'uint32',
        'unknown': 'float',
        'classes': 'sequence<fcn_seg_ros/ClassFraction>',
        'regions': 'sequence<fcn_seg_ros/RegionFractions>'}),
    (ClassFraction, {'class_id': 'uint8', 'label': 'string', 'fraction': 'float'}),
    (RegionFractions, {
        'name': 'string',
        'roi': 'sensor_msgs/RegionOfInterest',
        'unknown': 'float',
        'fractions': 'sequence<float>'}),
], ids=lambda value: getattr(value, '__name__', ''))
def test_fields(message, fields):
    assert message.get_fields_and_field_types() == fields
    assert list(message.get_fields_and_field_types()) == list(fields)
