"""Nav2's parameter files as Nav2 reads them: by rcl, for the node that they are for."""

from pathlib import Path

import pytest
import rclpy
from rclpy.context import Context
import yaml

FOLDER = Path(__file__).resolve().parents[2] / 'config' / 'nav2'


@pytest.mark.parametrize('file', sorted(FOLDER.glob('*.yaml')), ids=lambda path: path.stem)
def test_the_node_gets_every_parameter(file):
    name, namespace = (('collision_monitor', '') if file.stem == 'collision_monitor'
                       else ('local_costmap', 'local_costmap'))
    context = Context()
    rclpy.init(context=context, args=['--ros-args', '--params-file', str(file)])
    try:
        node = rclpy.create_node(name, namespace=namespace, context=context,
                                 automatically_declare_parameters_from_overrides=True)
        read = {name: parameter.value for name, parameter
                in node.get_parameters_by_prefix('').items()}
        node.destroy_node()
    finally:
        rclpy.shutdown(context=context)
    content = yaml.safe_load(file.read_text())[name]
    written = dict(flattened((content[namespace] if namespace else content)['ros__parameters']))
    assert len(written) > 15
    for name, value in written.items():
        assert read[name] == value
        assert type(read[name]) is type(value)


def flattened(tree, prefix=''):
    """Yield (name, value) of nested parameters as ROS names them."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flattened(value, f'{prefix}{key}.')
        else:
            yield f'{prefix}{key}', value
