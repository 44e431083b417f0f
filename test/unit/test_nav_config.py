"""
The parameter files for Nav2: every name known, of the right type, and free of known traps.

rclcpp refuses a value whose type is not the declared one (3 for 3.0), and ignores names that
nobody declares; so names and types are checked against what the plugins declare.  The lists
were read from the sources of Nav2 1.1 to 1.5 (Humble to Rolling), semantic_segmentation_layer
1.0 and spatio_temporal_voxel_layer 2.2.
"""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
import re

from fcn_seg_ros.cli.main import main
from fcn_seg_ros.navigation.consumers import CONSUMERS, parameters_for, Robot
from fcn_seg_ros.navigation.roles import RoleTable
from fcn_seg_ros.networks.classes import ClassSet
from fcn_seg_ros.support.paths import share_dir
import numpy as np
import pytest
import yaml

FOLDER = share_dir() / 'config' / 'nav2'
FILES = sorted(path.name for path in FOLDER.glob('*.yaml'))
LAYERS = [name for name in FILES if name != 'collision_monitor.yaml']

COSTMAP = {
    'global_frame': str, 'robot_base_frame': str, 'update_frequency': float,
    'publish_frequency': float, 'transform_tolerance': float, 'rolling_window': bool,
    'width': int, 'height': int, 'resolution': float, 'robot_radius': float, 'footprint': str,
    'footprint_padding': float, 'origin_x': float, 'origin_y': float,
    'track_unknown_space': bool, 'always_send_full_costmap': bool, 'plugins': list,
    'filters': list, 'trinary_costmap': bool, 'lethal_cost_threshold': int,
    'unknown_cost_value': int, 'use_maximum': bool}
HEIGHTS = {'min_obstacle_height': float, 'max_obstacle_height': float}
NAV2_SOURCE = {
    **HEIGHTS, 'topic': str, 'sensor_frame': str, 'observation_persistence': float,
    'expected_update_rate': float, 'data_type': str, 'inf_is_valid': bool, 'marking': bool,
    'clearing': bool, 'obstacle_max_range': float, 'obstacle_min_range': float,
    'raytrace_max_range': float, 'raytrace_min_range': float}
OBSTACLE = {
    **HEIGHTS, 'plugin': str, 'enabled': bool, 'footprint_clearing_enabled': bool,
    'combination_method': int, 'observation_sources': str}
PLUGINS = {
    'nav2_costmap_2d::ObstacleLayer': (OBSTACLE, NAV2_SOURCE),
    'nav2_costmap_2d::VoxelLayer': ({
        **OBSTACLE, 'z_voxels': int, 'origin_z': float, 'z_resolution': float,
        'unknown_threshold': int, 'mark_threshold': int, 'publish_voxel_map': bool},
        NAV2_SOURCE),
    'nav2_costmap_2d::StaticLayer': ({
        'plugin': str, 'enabled': bool, 'subscribe_to_updates': bool, 'map_topic': str,
        'map_subscribe_transient_local': bool, 'footprint_clearing_enabled': bool}, {}),
    'nav2_costmap_2d::InflationLayer': ({
        'plugin': str, 'enabled': bool, 'inflation_radius': float, 'cost_scaling_factor': float,
        'inflate_unknown': bool, 'inflate_around_unknown': bool}, {}),
    'spatio_temporal_voxel_layer/SpatioTemporalVoxelLayer': ({
        'plugin': str, 'observation_sources': str, 'transform_tolerance': float,
        'enabled': bool, 'publish_voxel_map': bool, 'voxel_size': float,
        'combination_method': int, 'mark_threshold': int, 'update_footprint_enabled': bool,
        'track_unknown_space': bool, 'decay_model': int, 'voxel_decay': float,
        'mapping_mode': bool, 'map_save_duration': float}, {
        **HEIGHTS, 'topic': str, 'sensor_frame': str, 'observation_persistence': float,
        'expected_update_rate': float, 'data_type': str, 'inf_is_valid': bool, 'marking': bool,
        'clearing': bool, 'obstacle_range': float, 'min_z': float, 'max_z': float,
        'vertical_fov_angle': float, 'vertical_fov_padding': float,
        'horizontal_fov_angle': float, 'decay_acceleration': float, 'filter': str,
        'voxel_min_points': int, 'clear_after_reading': bool, 'enabled': bool,
        'model_type': int}),
    'semantic_segmentation_layer::SemanticSegmentationLayer': ({
        'plugin': str, 'enabled': bool, 'combination_method': int, 'observation_sources': str,
        'publish_debug_topics': bool, 'use_approximate_time_sync': bool,
        'sensor_data_depth': int}, {
        'segmentation_topic': str, 'confidence_topic': str, 'labels_topic': str,
        'pointcloud_topic': str, 'observation_persistence': float,
        'expected_update_rate': float, 'class_types': list, 'max_obstacle_distance': float,
        'min_obstacle_distance': float, 'tile_map_decay_time': float,
        'visualize_tile_map': bool, 'use_cost_selection': bool}),
}
CLASS_TYPE = {'classes': list, 'base_cost': int, 'max_cost': int, 'mark_confidence': int,
              'samples_to_max_cost': int, 'dominant_priority': bool}
OUTPUTS = {'class_mask', 'confidence', 'points', 'obstacles', 'ground', 'costmap', 'label_info'}


_SPEC = spec_from_file_location(
    'nav2_files', Path(__file__).parents[2] / 'tools' / 'nav2_files.py')
nav2_files = module_from_spec(_SPEC)
_SPEC.loader.exec_module(nav2_files)


def costmap_of(name):
    """Return the parameters of a file's local costmap."""
    content = yaml.safe_load((FOLDER / name).read_text())
    assert list(content) == ['local_costmap']
    assert list(content['local_costmap']) == ['local_costmap']
    node = content['local_costmap']['local_costmap']
    assert list(node) == ['ros__parameters']
    return node['ros__parameters']


def camera_layer(name):
    """Return the camera's layer and its sources by name."""
    layer = costmap_of(name)['camera_layer']
    return layer, {source: layer[source]
                   for source in layer.get('observation_sources', '').split()}


def assert_known(values, known):
    """Assert that each name is declared and has the declared type, a bool being no int."""
    for key, value in values.items():
        assert key in known, f'{key} is not declared'
        assert type(value) is known[key], f'{key} is {value!r}'


def test_the_collision_monitor_stops_when_the_camera_falls_silent():
    text = (FOLDER / 'collision_monitor.yaml').read_text()
    node = yaml.safe_load(text)['collision_monitor']['ros__parameters']
    assert 0.5 < node['source_timeout'] <= 1.0  # 0 would switch that off
    assert node['polygons'] == ['approach']
    camera, = (node[name] for name in node['observation_sources'])
    assert (camera['type'], camera['topic']) == ('pointcloud', '/segmentation/obstacles')
    # On the ground plane points have a height of 0, and its default is 0.05.
    assert camera['min_height'] < 0


def test_the_collision_monitor_of_several_cameras():
    robot = Robot(node='eyes', namespace='robot1', cameras=('front', 'rear'),
                  robot_frame='base', grid_frame='world')
    street = ClassSet.from_yaml(share_dir() / 'config/classes/street.yaml')
    node = yaml.safe_load(parameters_for(
        'collision_monitor', robot, street, RoleTable.from_classes(street)))[
            'collision_monitor']['ros__parameters']
    assert (node['base_frame_id'], node['odom_frame_id']) == ('base', 'world')
    assert [node[name]['topic'] for name in node['observation_sources']] == [
        '/robot1/eyes/front/obstacles', '/robot1/eyes/rear/obstacles']


@pytest.mark.parametrize(('rate', 'layer', 'monitor'), [
    ('5', 0.5, 0.7), ('2', 0.8, 1.0), ('0.5', 2.3, 2.5), ('30', 0.33, 0.53)])
def test_a_slow_camera_may_be_silent_for_longer(capsys, rate, layer, monitor):
    def told(consumer):
        main(['nav2', consumer, '--rate', rate])
        return yaml.safe_load(capsys.readouterr().out)

    assert told('collision_monitor')['collision_monitor']['ros__parameters'][
        'source_timeout'] == monitor
    for consumer, rates in (('obstacle_layer', [layer, layer]), ('voxel_layer', [layer, layer]),
                            ('spatio_temporal_voxel_layer', [layer, 0.0])):
        camera = told(consumer)['local_costmap']['local_costmap']['ros__parameters'][
            'camera_layer']
        assert [camera[source]['expected_update_rate']
                for source in camera['observation_sources'].split()] == rates


@pytest.mark.parametrize('rate', ['0', '-1', 'nan', 'fast'])
def test_what_is_no_rate_is_refused(capsys, rate):
    with pytest.raises(SystemExit):
        main(['nav2', 'obstacle_layer', f'--rate={rate}'])
    assert 'argument --rate' in capsys.readouterr().err


def test_each_consumer_has_its_file():
    assert {camera_layer(name)[0]['plugin'] for name in LAYERS} == (
        set(PLUGINS) - {'nav2_costmap_2d::InflationLayer'})


def test_the_files_are_what_the_command_makes():
    made = nav2_files.files()
    assert sorted(made) == FILES
    for name, text in made.items():
        assert (FOLDER / name).read_text(encoding='utf-8') == text, (
            f'{name} is stale: python3 tools/nav2_files.py writes it anew')
        assert max(map(len, text.splitlines())) < 100, name


@pytest.mark.parametrize('name', LAYERS)
def test_every_parameter_is_declared_with_this_type(name):
    costmap = costmap_of(name)
    layers = {key: costmap.pop(key) for key in costmap['plugins']}
    assert_known(costmap, COSTMAP)
    for layer in layers.values():
        known, known_of_source = PLUGINS[layer['plugin']]
        sources = [layer.pop(key) for key in layer.get('observation_sources', '').split()]
        assert_known(layer, known)
        for source in sources:
            for class_type in source.get('class_types', ()):
                assert_known(source.pop(class_type), CLASS_TYPE)
            assert_known(source, known_of_source)


@pytest.mark.parametrize('name', LAYERS)
def test_the_costmap_rolls_in_a_frame_with_fixed_axes(name):
    costmap = costmap_of(name)
    assert costmap['rolling_window'] is True
    assert costmap['global_frame'] == 'odom'
    # the camera has a layer of its own, and inflation comes last
    assert costmap['plugins'] == ['camera_layer', 'inflation_layer']


@pytest.mark.parametrize('name', LAYERS)
def test_topics_are_ours(name):
    layer, sources = camera_layer(name)
    topics = [value for part in (layer, *sources.values()) for key, value in part.items()
              if key == 'topic' or key.endswith('_topic')]
    assert topics
    assert all(Path(topic).parent == Path('/segmentation') for topic in topics)
    assert {Path(topic).name for topic in topics} <= OUTPUTS


@pytest.mark.parametrize('name', ['obstacle_layer.yaml', 'voxel_layer.yaml',
                                  'spatio_temporal_voxel_layer.yaml'])
def test_points_on_the_ground_pass_every_height_filter(name):
    layer, sources = camera_layer(name)
    assert set(sources) == {'mark', 'clear'}
    filters = list(sources.values())
    if 'nav2' in layer['plugin']:
        filters.append(layer)
    for part in filters:
        assert part['min_obstacle_height'] <= -0.2
        assert part['max_obstacle_height'] >= 1.5
    for key, source in sources.items():
        assert source['data_type'] == 'PointCloud2'
        # VoxelLayer's marks clear in three dimensions, too: see test_nav2_model
        assert source['marking'] == (key == 'mark')
        assert source['clearing'] == (key == 'clear' or name == 'voxel_layer.yaml')
    assert sources['mark']['topic'].endswith('/obstacles')
    assert sources['clear']['topic'].endswith('/ground')


def test_clearing_reaches_further_than_marking():
    for name in ('obstacle_layer.yaml', 'voxel_layer.yaml'):
        _, sources = camera_layer(name)
        assert sources['clear']['raytrace_max_range'] > sources['mark']['obstacle_max_range']


def test_the_voxels_hold_the_ground_and_fit_their_word():
    layer, _ = camera_layer('voxel_layer.yaml')
    assert layer['origin_z'] < 0.0
    assert layer['z_voxels'] <= 16
    top = layer['origin_z'] + layer['z_voxels'] * layer['z_resolution']
    assert top >= layer['max_obstacle_height']


def test_static_layer_keeps_graded_costs_lethal_cells_and_unknown_ones():
    costmap = costmap_of('static_layer.yaml')
    assert costmap['trinary_costmap'] is False
    # see test_nav2_model for what these two come to
    assert costmap['use_maximum'] is False
    assert costmap['track_unknown_space'] is True
    assert costmap['camera_layer']['map_subscribe_transient_local'] is True


@pytest.mark.parametrize('classes', sorted((share_dir() / 'config' / 'classes').glob('*.yaml')),
                         ids=lambda path: path.stem)
def test_every_class_of_a_network_has_the_cost_of_its_role(classes):
    classes = ClassSet.from_yaml(classes)
    part = '' if classes.name == 'street' else f'.{classes.name}'
    _, sources = camera_layer(f'semantic_segmentation_layer{part}.yaml')
    source = sources['camera']
    costs = {label: source[kind]['max_cost'] for kind in source['class_types']
             for label in source[kind]['classes']}
    assert costs == {
        label: 254 if role == 'obstacle' else round(cost * 2.54)
        for label, role, cost in zip(classes.labels, classes.roles, classes.costs)}


def test_the_semantic_layer_is_told_what_it_cannot_do_without():
    header = (FOLDER / 'semantic_segmentation_layer.yaml').read_text().partition('\nlocal')[0]
    assert 'vision_msgs' in header


def test_a_robots_own_names_are_in_its_file():
    robot = Robot(node='eyes', namespace='/robot1/', cameras=('front', 'arm/left'),
                  robot_frame='base', grid_frame='map')
    street = ClassSet.from_yaml(share_dir() / 'config' / 'classes' / 'street.yaml')
    for consumer in sorted(set(CONSUMERS) - {'collision_monitor'}):
        text = parameters_for(consumer, robot, street, RoleTable.from_classes(street))
        costmap = yaml.safe_load(text)['local_costmap']['local_costmap']['ros__parameters']
        assert costmap['robot_base_frame'] == 'base'
        assert costmap['global_frame'] == 'map'
        layer = costmap['camera_layer']
        topics = set(re.findall(r'topic: "(.*)"', text))
        assert all(topic.startswith('/robot1/eyes/') for topic in topics)
        if consumer == 'static_layer':
            continue
        sources = layer['observation_sources'].split()
        assert all('/' not in source for source in sources)
        assert len(sources) == len(set(sources)) == (2 if 'semantic' in consumer else 4)
        for source in sources:
            camera = 'front' if source.endswith('front') else 'arm/left'
            own = {value for key, value in layer[source].items() if key.endswith('topic')}
            own.discard('/robot1/eyes/label_info')
            assert all(topic.startswith(f'/robot1/eyes/{camera}/') for topic in own)


def test_class_names_that_yaml_would_misread_stay_names():
    odd = ClassSet('odd', ('no', 'a "b"', '1', 'été'), np.zeros((4, 3), np.uint8),
                   ('obstacle',) * 4, (0,) * 4)
    text = parameters_for('semantic_segmentation_layer', Robot(), odd, RoleTable.from_classes(odd))
    layer = yaml.safe_load(text)['local_costmap']['local_costmap']['ros__parameters'][
        'camera_layer']
    assert layer['camera']['lethal']['classes'] == list(odd.labels)


def test_the_command_prints_the_file(capsys, tmp_path):
    roles = tmp_path / 'roles.yaml'
    roles.write_text('road: {cost: 0}\n')
    assert main(['nav2', 'static_layer']) == 0
    assert capsys.readouterr().out == (FOLDER / 'static_layer.yaml').read_text()
    assert main(['nav2', 'semantic_segmentation_layer', '--cameras', 'front,rear',
                 '--roles', str(roles), '--network', 'fcn-resnet18-street']) == 0
    source = yaml.safe_load(capsys.readouterr().out)['local_costmap']['local_costmap'][
        'ros__parameters']['camera_layer']['camera_rear']
    assert source['ground_0']['classes'] == ['road', 'sidewalk']
    assert main(['nav2', 'static_layer', '--network', 'nothing-like-it']) == 1
    assert "unknown network 'nothing-like-it'" in capsys.readouterr().err


@pytest.mark.parametrize('options', [['--cameras', 'a b'], ['--node', '1eye'],
                                     ['--cameras', 'a,a'], ['--namespace', 'x: y']])
def test_names_that_ros_refuses_are_refused(capsys, options):
    with pytest.raises(SystemExit):
        main(['nav2', 'static_layer', *options])
    assert 'nav2: error' in capsys.readouterr().err
