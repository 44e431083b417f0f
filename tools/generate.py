#!/usr/bin/env python3
"""
Write what lists the node's parameters and topics from the tables that the node is made of.

These are ``parameter_specs.py`` and ``topic_specs.py`` in ``fcn_seg_ros/ros/``.

    tools/generate.py            # write README's table, segmentation.yaml and policy.xml
    tools/generate.py --check    # fail where they are stale
"""

from collections.abc import Iterable
from pathlib import Path
import sys
import textwrap
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the tables beside this file, whatever is installed

from fcn_seg_ros.ros import topic_specs  # noqa: E402, I100, I202 (after the path)
from fcn_seg_ros.ros.parameter_specs import Spec, SPECS  # noqa: E402

README = ROOT / 'README.md'
PARAMETER_FILE = ROOT / 'config' / 'segmentation.yaml'
POLICY = ROOT / 'config' / 'sros2' / 'policy.xml'
BEGIN, END = '<!-- parameters: made by `make generate` -->', '<!-- end of the parameters -->'
ELSEWHERE = ('roles', 'ground_frame', 'ground_z')
"""Parameters without a group that docs/navigation.md explains."""
_WIDTH = 99
_HEAD = """\
# The node's parameters with their defaults, made by `make generate`. Copy this file, keep what you
# change, and start with: ros2 launch fcn_seg_ros segmentation.launch.py params_file:=YOUR_FILE
/**:
  ros__parameters:
"""
_POLICY = """\
<?xml version="1.0" encoding="UTF-8"?>
<!--
  The least rights that the segmentation node needs (SROS 2), made by `make generate`:

      ros2 security create_keystore keystore
      ros2 security create_enclave keystore /segmentation
      ros2 security create_permission keystore /segmentation policy.xml

  Adapt the names where image, camera_info, depth, or the node's own name are remapped;
  with several cameras repeat what has a camera's name (/front/image, /segmentation/front/...).
  Rights that a robot does not use (clouds, depth, simulated time) can be removed.
-->
<policy version="0.2.0">
  <enclaves>
    <enclave path="/segmentation">
      <profiles>
        <profile ns="/" node="segmentation">
{}
        </profile>
      </profiles>
    </enclave>
  </enclaves>
</policy>
"""
_ROWS_OF_GROUPS = [
    '| `roles`, `ground_frame`, `ground_z`, `mount.*`, `points.*`, `costmap.*` | | clouds and '
    'grid, see [docs/navigation.md](docs/navigation.md#parameters) |',
    '| `diagnostics.*` | | limits, see [config/segmentation.yaml](config/segmentation.yaml) |']


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(value)}]"
    return repr(value) if value == '' or not isinstance(value, str) else value


def _explained(spec: Spec) -> str:
    choices = f" One of {', '.join(spec.choices)}." if spec.choices else ''
    return spec.description + choices


def readme_table() -> str:
    """Return the README's table of parameters."""
    rows = [f'| `{spec.name}` | {_yaml(spec.default)} | {_explained(spec)} |' for spec in SPECS
            if not spec.group and spec.name not in ELSEWHERE]
    return '\n'.join(['| parameter | default | |', '| --- | --- | --- |', *rows, *_ROWS_OF_GROUPS])


def parameter_file() -> str:
    """Return config/segmentation.yaml."""
    lines, group = [], ''
    for spec in SPECS:
        indent = ' ' * (6 if spec.group else 4)
        if spec.group != group:
            group = spec.group
            lines += ['', f'    {group}:'] if group else ['']
        lines += textwrap.wrap(_explained(spec), _WIDTH, initial_indent=f'{indent}# ',
                               subsequent_indent=f'{indent}# ')
        # ROS's YAML cannot express an empty list.
        lines += ([f'{indent}# {line}' for line in spec.example] if spec.default == [] else
                  [f"{indent}{spec.name.removeprefix(f'{group}.')}: {_yaml(spec.default)}"])
    return _HEAD + '\n'.join(lines) + '\n'


def policy() -> str:
    """Return config/sros2/policy.xml."""
    rights = (
        ('topic', 'subscribe', (*topic_specs.INPUTS, *topic_specs.SUBSCRIBED_FOR_TF,
                                *topic_specs.SUBSCRIBED_BY_RCLPY)),
        ('topic', 'publish', (
            *(f'~/{name}' for name in topic_specs.OF_CAMERAS + topic_specs.OF_THE_NODE),
            topic_specs.DIAGNOSTICS, topic_specs.TF_STATIC, *topic_specs.PUBLISHED_BY_RCLPY)),
        ('service', 'reply', topic_specs.SERVICES))
    return _POLICY.format('\n'.join(line for kind, action, names in rights
                                    for line in _allowed(kind, action, names)))


def _allowed(kind: str, action: str, names: Iterable[str]) -> list[str]:
    """Return the lines that allow a node /segmentation an action on some names."""
    indent = ' ' * 10
    absolute = (f"/segmentation{name.removeprefix('~')}" if name.startswith('~') else
                name if name.startswith('/') else f'/{name}' for name in names)
    return [f'{indent}<{kind}s {action}="ALLOW">',
            *(f'{indent}  <{kind}>{name}</{kind}>' for name in absolute),
            f'{indent}</{kind}s>']


def generated() -> dict[Path, str]:
    """Return {file: what should be in it}."""
    text = README.read_text(encoding='utf-8')
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    return {README: f'{before}{BEGIN}\n\n{readme_table()}\n\n{END}{after}',
            PARAMETER_FILE: parameter_file(),
            POLICY: policy()}


def stale() -> list[str]:
    """Return the files that are not as the tables say."""
    return [str(path.relative_to(ROOT)) for path, text in generated().items()
            if path.read_text(encoding='utf-8') != text]


def main(arguments: list[str]) -> None:
    """Write, or check."""
    if arguments == ['--check']:
        names = ', '.join(stale())
        sys.exit(f'stale: {names}: run make generate' if names else 0)
    for path, text in generated().items():
        path.write_text(text, encoding='utf-8')


if __name__ == '__main__':
    main(sys.argv[1:])
