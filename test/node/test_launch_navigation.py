"""The launch file for Nav2: what it would start, where the launch packages are installed."""

from pathlib import Path

from launch_files import command, load, started
import pytest

# A folder called launch/ makes `import launch` succeed without the package.
pytest.importorskip('launch.actions', reason="ROS 2's launch is not installed here")
pytest.importorskip('launch_ros.actions', reason="ROS 2's launch_ros is not installed here")

LEVEL = ['-0.500000000', '0.500000000', '-0.500000000', '0.500000000']
"""The quaternion of an optical frame that looks ahead, x y z w."""


@pytest.fixture(scope='module')
def navigation():
    return load('navigation.launch.py')


def lines(module, **arguments):
    """Return ({program: command line}, launch configurations) of what would be started."""
    actions, context = started(module, **arguments)
    words = [command(action, context) for action in actions]
    return {Path(line[0]).name: line for line in words}, context.launch_configurations


def transform(module, **arguments):
    """Return {option: value} of the camera's static transform."""
    line = lines(module, **arguments)[0]['static_transform_publisher']
    line = line[1:line.index('--ros-args')]
    return dict(zip((word.lstrip('-') for word in line[::2]), line[1::2], strict=True))


@pytest.fixture(autouse=True)
def found_executables(monkeypatch):
    """Tell where executables are without the packages, which need not be installed."""
    from launch_ros.substitutions import ExecutableInPackage
    monkeypatch.setattr(ExecutableInPackage, 'perform', lambda self, context: '/lib/' + ''.join(
        part.perform(context) for part in self.executable))


def test_the_arguments_of_the_node_are_taken_too(navigation):
    arguments = navigation.generate_launch_description().get_launch_arguments()
    described = {argument.name: argument.description for argument in arguments}
    node = {argument.name for argument in
            load('segmentation.launch.py').generate_launch_description().get_launch_arguments()}
    assert set(described) == node | set(navigation.ARGUMENTS)
    assert all(described.values())


def test_masks_are_small_and_the_ground_has_a_frame_unless_told_otherwise(navigation):
    programs, given = lines(navigation)
    assert set(programs) == {'segmentation_node'}
    assert (given['mask_size'], given['ground_frame']) == ('400x225', 'base_footprint')
    _, given = lines(navigation, mask_size='input', ground_frame='base_link')
    assert (given['mask_size'], given['ground_frame']) == ('input', 'base_link')


def test_a_mount_becomes_the_cameras_transform(navigation):
    values = transform(navigation, camera_frame='eye', **{'mount.height': '0.6', 'mount.x': '0.1'})
    assert [values[name] for name in ('qx', 'qy', 'qz', 'qw')] == LEVEL
    assert [float(values[axis]) for axis in 'xyz'] == [0.1, 0.0, 0.6]
    assert (values['frame-id'], values['child-frame-id']) == ('base_footprint', 'eye')


def test_a_mount_is_over_the_ground_and_not_over_the_frame(navigation):
    values = transform(navigation, camera_frame='eye', ground_frame='base_link', ground_z='-0.2',
                       **{'mount.height': '0.6', 'mount.pitch': '0.3', 'mount.yaw': '-1.5'})
    assert float(values['z']) == pytest.approx(0.4)
    assert values['frame-id'] == 'base_link'
    x, y, z, w = (float(values[name]) for name in ('qx', 'qy', 'qz', 'qw'))
    # where the camera's z axis points to: to the right, and down
    ahead = 2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)
    assert ahead == pytest.approx((0.0676, -0.9529, -0.2955), abs=1e-3)


@pytest.mark.parametrize('arguments', [
    {}, {'mount.height': 'high'}, {'mount.height': '-1'}, {'mount.height': '1', 'mount.yaw': 'x'}])
def test_a_transform_needs_a_mount(navigation, arguments):
    with pytest.raises(RuntimeError, match='mount|float'):
        started(navigation, camera_frame='eye', **arguments)
