"""The launch file and its parameter file; the former where the launch package is installed."""

from pathlib import Path

from fcn_seg_ros.ros.parameter_specs import SPECS
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
LAUNCH_FILE = ROOT / 'launch' / 'segmentation.launch.py'


def test_the_parameter_file_holds_every_default():
    """But for empty lists, which ROS's YAML cannot express: they stand in comments."""
    path = ROOT / 'config' / 'segmentation.yaml'
    text = path.read_text()
    values = yaml.safe_load(text)['/**']['ros__parameters']
    for group in {spec.group for spec in SPECS} - {''}:
        values.update({f'{group}.{k}': v for k, v in values.pop(group).items()})
    defaults = {spec.name: spec.default for spec in SPECS}
    empty = {name for name, default in defaults.items() if default == []}
    assert values == {k: v for k, v in defaults.items() if k not in empty}
    for name in empty:
        assert f'# {name}: [' in text


@pytest.fixture
def launch_module():
    # A folder called launch/ makes `import launch` succeed without the package.
    pytest.importorskip('launch.actions', reason="ROS 2's launch is not installed here")
    pytest.importorskip('launch_ros.actions', reason="ROS 2's launch_ros is not installed here")
    from importlib.util import module_from_spec, spec_from_file_location
    spec = spec_from_file_location('segmentation_launch', LAUNCH_FILE)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(module, **arguments):
    """Return the actions that the launch file starts with some arguments."""
    from launch import LaunchContext
    context = LaunchContext()
    context.launch_configurations.update(arguments)
    description = module.generate_launch_description()
    started = []
    for entity in description.entities:
        started += entity.visit(context) or []
    return started


def test_arguments_are_described_and_agree_with_the_node(launch_module):
    from launch.actions import DeclareLaunchArgument
    declared = {a.name: a for a in launch_module.generate_launch_description().entities
                if isinstance(a, DeclareLaunchArgument)}
    assert all(a.description for a in declared.values())
    for name, spec in launch_module.PARAMETERS.items():
        if spec.choices:
            assert declared[name].choices == ['', *spec.choices]
    assert len(launch_module.PARAMETERS) > 20


def test_it_starts_one_node(launch_module):
    from launch_ros.actions import LifecycleNode
    nodes = run(launch_module, image='/cam/image_raw', overlay_alpha='1', cameras='[a, b]')
    assert [type(node) for node in nodes] == [LifecycleNode]


@pytest.mark.parametrize('arguments, words', [
    ({'engine': 'magic'}, 'magic'),
    ({'overlay_alpha': 'much'}, "'much' is of the wrong type: it must be a number"),
    ({'threads': '1.5'}, "'1.5' is of the wrong type: it must be a whole number"),
    ({'cameras': '[a'}, 'cameras'),
    ({'params_file': '/nowhere.yaml'}, 'does not exist'),
])
def test_a_bad_argument_fails_before_anything_starts(launch_module, arguments, words):
    with pytest.raises(RuntimeError, match=words):
        run(launch_module, **arguments)
