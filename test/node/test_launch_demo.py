"""The demo's launch file: what it would start, where the launch packages are installed."""

from pathlib import Path
import sys

from launch_files import command, load, started
import pytest
import yaml

# A folder called launch/ makes `import launch` succeed without the package.
pytest.importorskip('launch.actions', reason="ROS 2's launch is not installed here")
pytest.importorskip('launch_ros.actions', reason="ROS 2's launch_ros is not installed here")


@pytest.fixture(scope='module')
def demo():
    return load('demo.launch.py')


@pytest.fixture
def bag(tmp_path):
    """Return a folder that is a recording of one camera, as far as a launch file can tell."""
    (tmp_path / 'metadata.yaml').write_text(yaml.safe_dump({'rosbag2_bagfile_information': {
        'topics_with_message_count': [{'topic_metadata': {
            'name': '/front/image/compressed', 'type': 'sensor_msgs/msg/CompressedImage'}}]}}))
    return tmp_path


def commands(module, **arguments):
    """Return {package or program: command line} of what would be started."""
    from launch.actions import ExecuteProcess
    actions, context = started(module, **arguments)
    lines = [command(action, context) for action in actions if isinstance(action, ExecuteProcess)]
    return {Path(line[0]).name: line for line in lines}, context


def test_the_arguments_of_the_node_are_the_demos_too(demo):
    described = {argument.name: argument.description
                 for argument in demo.generate_launch_description().get_launch_arguments()}
    node = {argument.name for argument in
            load('segmentation.launch.py').generate_launch_description().get_launch_arguments()}
    assert node | set(demo.ARGUMENTS) == set(described)
    assert all(described.values())


def test_the_bundled_clip_plays_unless_told_otherwise(demo):
    lines, _ = commands(demo)
    assert set(lines) == {'segmentation_node', 'fcn-seg'}
    assert Path(lines['fcn-seg'][2]).name == 'walkers.mp4'
    assert Path(lines['fcn-seg'][2]).is_file()


def test_the_bundled_clips_camera_is_known(demo):
    lines, context = commands(demo)
    given = context.launch_configurations
    assert '--hfov=35' in lines['fcn-seg']
    assert (given['rviz_frame'], given['rviz_distance']) == ('base_footprint', '60')
    for name in ('params_file', 'roles'):
        assert Path(given[name]).parent.name == 'demo'
        assert Path(given[name]).is_file()


def test_what_the_user_knows_better_goes_before_that(demo, tmp_path):
    own = tmp_path / 'own.yaml'
    own.write_text('')
    lines, context = commands(demo, hfov='50', params_file=str(own), rviz_frame='odom')
    given = context.launch_configurations
    assert '--hfov=50' in lines['fcn-seg']
    assert (given['params_file'], given['rviz_frame'], given['roles']) == (str(own), 'odom', '')
    lines, context = commands(demo, calibration=str(own), network='fcn-resnet18-voc')
    assert not {word for word in lines['fcn-seg'] if word.startswith('--hfov')}
    assert not context.launch_configurations['roles']


def test_of_other_sources_nothing_is_known(demo):
    lines, context = commands(demo, source='/dev/video7')
    given = context.launch_configurations
    assert not {word for word in lines['fcn-seg'] if word.startswith('--hfov')}
    assert Path(given['params_file']).name == 'segmentation.yaml'
    assert (given['roles'], given['rviz_frame'], given['rviz_distance']) == (
        '', 'base_link', '12')
    assert given['rviz_clouds'] == 'false'  # nobody knows where anything is
    _, context = commands(demo, source='/dev/video7', hfov='70')
    assert context.launch_configurations['rviz_clouds'] == 'true'


def test_the_camera_gets_what_was_asked_for(demo):
    line = commands(demo, source='/dev/video7', rate='5', size='640x480', hfov='70',
                    image='/cam/image_raw')[0]['fcn-seg']
    assert line[1:3] == ['camera', '/dev/video7']
    assert {'--rate=5', '--size=640x480', '--hfov=70'} <= set(line)
    assert line[line.index('--topic') + 1] == '/cam/image_raw'


def test_each_of_several_cameras_plays(demo):
    from launch.actions import ExecuteProcess
    actions, context = started(demo, cameras='[front, rear]')
    topics = [line[line.index('--topic') + 1] for line in (
        command(action, context) for action in actions if isinstance(action, ExecuteProcess))
        if '--topic' in line]
    assert topics == ['front/image', 'rear/image']


def test_a_bag_plays_with_its_own_clock_and_topic(demo, bag):
    lines, context = commands(demo, source=str(bag))
    assert lines['ros2'][1:] == ['bag', 'play', str(bag), '--loop', '--clock']
    given = context.launch_configurations
    assert (given['image'], given['image_transport']) == ('/front/image', 'compressed')
    assert given['use_sim_time'] == 'true'


def test_an_image_topic_of_a_bag_can_be_chosen(demo, bag):
    given = commands(demo, source=str(bag), image='/other')[1].launch_configurations
    assert given['image'] == '/other'
    assert given['image_transport'] == ''


def test_rviz_shows_the_node_that_runs(demo, monkeypatch):
    seen = {}
    segmentation = load('segmentation.launch.py')
    monkeypatch.setattr(segmentation, 'remappings', lambda **names: seen.update(names) or [])
    # RViz need not be installed for this.
    monkeypatch.setattr(segmentation.ExecutableInPackage, 'perform',
                        lambda self, context: '/rviz2')
    started(segmentation, rviz='true', name='seg', namespace='bot', cameras='[front, rear]')
    assert seen == {'name': 'seg', 'namespace': 'bot', 'image': 'image', 'camera': 'front'}


def test_rviz_reads_a_file_with_the_frame_in_it(monkeypatch):
    segmentation = load('segmentation.launch.py')
    monkeypatch.setattr(segmentation.ExecutableInPackage, 'perform',
                        lambda self, context: '/rviz2')
    actions, context = started(segmentation, rviz='true', rviz_frame='odom')
    line = command(actions[-1], context)
    path = Path(line[line.index('-d') + 1])
    assert '-f' not in line  # does not reach the Map display
    assert yaml.safe_load(path.read_text())['Visualization Manager']['Global Options'][
        'Fixed Frame'] == 'odom'
    path.unlink()
    with pytest.raises(RuntimeError, match="argument rviz_distance: 'far' is no number"):
        started(segmentation, rviz='true', rviz_distance='far')


@pytest.mark.parametrize('arguments, words', [
    ({'source': '/nowhere'}, 'argument source: /nowhere does not exist'),
    ({'rate': 'fast'}, 'argument rate: must be a number'),
    ({'size': 'big'}, "argument size: 'big' is not WIDTHxHEIGHT"),
    ({'hfov': '70', 'calibration': 'x'}, 'not allowed with'),
    ({'calibration': '/nowhere.yaml'}, "'/nowhere.yaml' does not exist"),
    ({'engine': 'magic'}, 'magic'),
    ({'params_file': '/nowhere.yaml'}, 'does not exist'),
])
def test_a_bad_argument_fails_before_anything_starts(demo, arguments, words):
    with pytest.raises(RuntimeError, match=words):
        started(demo, **arguments)


def test_what_does_not_apply_to_a_bag_is_refused(demo, bag):
    with pytest.raises(RuntimeError, match='argument rate: does not apply to the bag'):
        started(demo, source=str(bag), rate='3')


def test_nothing_heavy_is_imported_to_launch(demo):
    """A launch file that imported PyTorch would cost seconds, and need it."""
    import subprocess
    code = ('import sys; from launch_files import load; load("demo.launch.py"); '
            'sys.exit("torch" in sys.modules)')
    subprocess.run([sys.executable, '-c', code], check=True, cwd=Path(__file__).parent)
