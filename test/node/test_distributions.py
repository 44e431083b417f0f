"""Every ROS 2 that the README names: what the package uses of rclpy is there, or dealt with."""

from importlib.metadata import version
import importlib.util
import inspect
from pathlib import Path

from graph import BEST_EFFORT, image_message, picture
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image
import yaml

ROOT = Path(__file__).resolve().parents[2]
DISTRIBUTIONS = {'humble', 'jazzy', 'kilted', 'rolling'}
OF_VERSION = {3: 'humble', 7: 'jazzy', 9: 'kilted'}
"""What the first number of rclpy's version stands for."""
COMPATIBLE = {'events.py'}
"""Files that have another way for the distributions that lack something."""

AS_HUMBLE = '' if importlib.util.find_spec('rclpy.event_handler') is None else """
import sys, types
import rclpy.event_handler as new
import rclpy.lifecycle

class PublisherEventCallbacks(new.PublisherEventCallbacks):
    def __init__(self, *, callback_group=None, deadline=None, liveliness=None,
                 incompatible_qos=None, use_default_callbacks=True):
        super().__init__(deadline=deadline, liveliness=liveliness,
                         incompatible_qos=incompatible_qos,
                         use_default_callbacks=use_default_callbacks)

old = types.ModuleType('rclpy.qos_event')
old.PublisherEventCallbacks = PublisherEventCallbacks
old.SubscriptionEventCallbacks = new.SubscriptionEventCallbacks
sys.modules['rclpy.qos_event'] = old
sys.modules['rclpy.event_handler'] = None
del rclpy.event_handler
"""
"""
Code after which the names of rclpy's events are those of Humble, which has no matched event.

On Humble itself there is nothing to do.
"""


def _tool():
    spec = importlib.util.spec_from_file_location('rclpy_names', ROOT / 'tools/rclpy_names.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = _tool()
TABLE = yaml.safe_load(TOOL.TABLE.read_text(encoding='utf-8'))


def missing(uses):
    """Return {use: distributions without it} of what nobody deals with."""
    return {use: sorted(DISTRIBUTIONS - set(TABLE[use])) for use, files in uses.items()
            if use in TABLE and set(TABLE[use]) < DISTRIBUTIONS and not files <= COMPATIBLE}


def test_every_distribution_has_what_is_used():
    installed = TOOL.names_of(Path(rclpy.__file__).parent)
    uses = TOOL.uses_of([ROOT / place for place in TOOL.PLACES], installed | set(TABLE))
    assert set(uses) == set(TABLE), 'run tools/rclpy_names.py'
    assert not missing(uses)


def test_a_newer_name_in_a_file_that_has_no_other_way_is_found(tmp_path):
    (tmp_path / 'new.py').write_text('from rclpy.event_handler import PublisherEventCallbacks\n'
                                     'PublisherEventCallbacks(matched=print)\n')
    found = missing(TOOL.uses_of([tmp_path], set(TABLE)))
    assert found == {'rclpy.event_handler.PublisherEventCallbacks': ['humble'],
                     'PublisherEventCallbacks(matched)': ['humble']}


def test_the_table_is_true_of_the_distribution_that_runs_here():
    name = OF_VERSION.get(int(version('rclpy').partition('.')[0]), 'rolling')
    installed = TOOL.names_of(Path(rclpy.__file__).parent)
    assert {use for use, names in TABLE.items() if name in names} == set(TABLE) & installed


def test_names_are_found_where_they_are_defined():
    installed = TOOL.names_of(Path(rclpy.__file__).parent)
    arguments = inspect.signature(Node.create_publisher).parameters
    assert {f'create_publisher({name})' for name in arguments} <= installed
    assert 'rclpy.qos.QoSProfile' in installed
    assert 'create_publisher(no_such)' not in installed


def test_subscribers_come_and_go_on_humble(nodes):
    """The first mask comes up to half a second later there, and that is all."""
    nodes.start(prelude=AS_HUMBLE)
    graph = nodes.graph
    camera = graph.camera()
    graph.wait_until(lambda: graph.node.count_publishers('/segmentation/class_mask'), 'the node')
    for _ in range(2):
        masks = graph.listen(Image, '/segmentation/class_mask')
        graph.wait_for_subscribers(camera)
        graph.send_until_answered(camera, image_message(picture()), masks)
        masks.close()
        graph.wait_for_subscribers(camera, 0)


def test_the_prelude_is_like_humble(nodes):
    """What the test above hides would otherwise be found."""
    node = nodes.start(prelude=AS_HUMBLE + (
        'try:\n    from rclpy.event_handler import PublisherEventCallbacks\n'
        'except ImportError:\n    print("as on Humble", flush=True)\n'))
    node.wait_for_log('as on Humble')


def test_a_camera_that_offers_less_is_followed_on_humble(nodes):
    nodes.start(prelude=AS_HUMBLE)
    graph = nodes.graph
    masks = graph.listen(Image, '/segmentation/class_mask')
    reliable = graph.camera()
    graph.wait_for_subscribers(reliable)
    graph.node.destroy_publisher(reliable)
    camera = graph.camera(reliability=BEST_EFFORT)
    graph.wait_for_subscribers(camera)
    graph.send_until_answered(camera, image_message(picture()), masks)
