"""RViz and Foxglove ask for topics that the node has, in a quality that it offers."""

import json
from pathlib import Path

from fcn_seg_ros.networks.registry import Registry
from fcn_seg_ros.ros.rviz import CAMERA_TOPIC, config_path, topics
from graph import mask_of
from networks import OTHER, TINY
import pytest
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import (
    DurabilityPolicy, HistoryPolicy, LivelinessPolicy, qos_check_compatible, QoSCompatibility,
    QoSProfile, ReliabilityPolicy)
from sensor_msgs.msg import Image
import yaml

FOXGLOVE = Path(config_path()).with_name('foxglove.json')
TYPES = {'Image': 'sensor_msgs/msg/Image', 'Map': 'nav_msgs/msg/OccupancyGrid',
         'PointCloud2': 'sensor_msgs/msg/PointCloud2'}
# RViz asks for changes of a map that the node, which sends whole maps, never sends.
NOT_SENT = '/segmentation/costmap_updates'


@pytest.fixture(scope='module')
def running(shared_nodes):
    """Return the graph of a node that publishes."""
    node = shared_nodes.start()
    node.wait_for_log('waiting for images')
    return shared_nodes.graph


def publisher_of(graph, topic):
    """Return what the graph knows of a topic's one publisher."""
    graph.wait_until(lambda: graph.node.get_publishers_info_by_topic(topic), f'{topic} to exist')
    publisher, = graph.node.get_publishers_info_by_topic(topic)
    return publisher


def quality(topic):
    """Return the QoS that a display of RViz asks for."""
    return QoSProfile(
        depth=topic['Depth'], history=HistoryPolicy.KEEP_LAST,
        liveliness=LivelinessPolicy.AUTOMATIC,  # the default, by its name: it is compared
        reliability=ReliabilityPolicy[topic['Reliability Policy'].upper().replace(' ', '_')],
        durability=DurabilityPolicy[topic['Durability Policy'].upper().replace(' ', '_')])


@pytest.mark.parametrize('display, topic', [
    pytest.param(*pair, id=pair[0]['Name']) for pair in topics(config_path())
    if pair[1]['Value'] not in (CAMERA_TOPIC, NOT_SENT)])
def test_rviz_gets_what_it_asks_for(running, display, topic):
    publisher = publisher_of(running, topic['Value'])
    assert publisher.topic_type == TYPES[display['Class'].rpartition('/')[2]]
    asked, offered = quality(topic), publisher.qos_profile
    compatibility, reason = qos_check_compatible(offered, asked)
    assert compatibility == QoSCompatibility.OK, reason
    # Less than is offered would lose large pictures, or miss what was published before.
    assert (asked.reliability, asked.durability) == (offered.reliability, offered.durability)


def test_rviz_takes_what_any_camera_offers():
    (_, topic), = [pair for pair in topics(config_path()) if pair[1]['Value'] == CAMERA_TOPIC]
    assert quality(topic).reliability == ReliabilityPolicy.BEST_EFFORT
    assert quality(topic).durability == DurabilityPolicy.VOLATILE


def test_rviz_gives_each_picture_a_place_in_its_window():
    config = yaml.safe_load(Path(config_path()).read_text())
    state = bytes.fromhex(config['Window Geometry']['QMainWindow State'])
    panels = {panel['Name'] for panel in config['Panels']} | {
        display['Name'] for display in config['Visualization Manager']['Displays']
        if display['Class'].endswith('/Image')}
    assert {name for name in panels if name.encode('utf-16-be') not in state} == set()
    assert panels <= set(config['Window Geometry'])


def foxglove_topics():
    """Return {topic: type} of the layout's panels."""
    found = {}
    for name, panel in json.loads(FOXGLOVE.read_text())['configById'].items():
        kind = name.partition('!')[0]
        if kind == 'Image':
            found[panel['imageMode']['imageTopic']] = TYPES['Image']
        elif kind == '3D':
            for topic in panel['topics']:
                found[topic] = TYPES['Map' if topic.endswith('costmap') else 'PointCloud2']
        elif kind == 'Plot':
            found |= {path['value'].partition('.')[0]: 'fcn_seg_ros/msg/ClassFractions'
                      for path in panel['paths']}
        else:
            found[panel['topicToRender']] = 'diagnostic_msgs/msg/DiagnosticArray'
    return found


def test_foxglove_shows_what_rviz_shows(running):
    wanted = foxglove_topics()
    assert {topic['Value'] for _, topic in topics(config_path())} - {NOT_SENT} <= set(wanted)
    for topic, kind in wanted.items():
        if topic != CAMERA_TOPIC:
            assert publisher_of(running, topic).topic_type == kind, topic


def test_foxglove_places_every_panel_once():
    layout = json.loads(FOXGLOVE.read_text())

    def leaves(node):
        return [node] if isinstance(node, str) else leaves(node['first']) + leaves(node['second'])

    assert sorted(leaves(layout['layout'])) == sorted(layout['configById'])


def test_foxglove_plots_classes_of_the_bundled_network_in_their_colours():
    classes = Registry.load().get('fcn-resnet18-street').classes
    paths = json.loads(FOXGLOVE.read_text())['configById']['Plot!fractions']['paths']
    for path in paths:
        label = path['label']
        assert f'{{label=="{label}"}}.fraction' in path['value']
        color = classes.colors[classes.index(label)]
        assert path['color'] == '#' + bytes(color).hex()


def test_the_legend_waits_for_those_who_come_late_and_follows_the_network(nodes, models_dir):
    node = nodes.start()
    node.wait_for_log('waiting for images')
    legend = nodes.graph.listen(Image, 'segmentation/legend', latched=True)
    first = legend.wait_for()
    assert (first.encoding, first.header.frame_id) == ('rgb8', '')
    colors = {tuple(color) for color in mask_of(first).reshape(-1, 3)}
    classes = Registry.load(str(models_dir)).get(TINY).classes
    assert {tuple(map(int, color)) for color in classes.colors} <= colors
    nodes.graph.call(SetParameters, 'segmentation/set_parameters', SetParameters.Request(
        parameters=[Parameter('network', value=OTHER).to_parameter_msg()]))
    legend.wait_for(lambda message: message.data != first.data)
    assert len(legend.messages) == 2
