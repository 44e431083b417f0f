"""The parameters that the pages list are the node's, with the node's defaults."""

from array import array
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
import re
import subprocess
import sys
from typing import get_type_hints

from fcn_seg_ros.ros.parameter_specs import SPECS
from fcn_seg_ros.ros.settings import Costmap, Limits, Mount, Points, Settings
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
NAVIGATION = {'mount', 'points', 'costmap'}
"""Groups that docs/navigation.md explains one by one, and the README as a whole."""
OF_NAVIGATION = {'roles', 'ground_frame', 'ground_z'}
SPEC = {spec.name: spec for spec in SPECS}
DEFAULTS = {spec.name: spec.default for spec in SPECS}


def table(page):
    """Return {names in backquotes: (default, explanation)} of a page's table of parameters."""
    text = (ROOT / page).read_text(encoding='utf-8')
    lines = text[text.index('| parameter | default | |'):].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip('|').split('|')]
             for line in lines[:next(i for i, line in enumerate(lines) if line[:1] != '|')]]
    return {tuple(re.findall(r'`([\w.*]+)`', names)): rest for names, *rest in cells}


def explained(page):
    """Return {name: default} of the rows that stand for one parameter."""
    rows = {names[0]: cells for names, cells in table(page).items()
            if len(names) == 1 and '*' not in names[0]}
    assert all(len(cells) == 2 and len(cells[1]) > 5 for cells in rows.values())
    return {name: yaml.safe_load(default) for name, (default, _) in rows.items()}


def generator():
    """Return tools/generate.py as a module."""
    spec = spec_from_file_location('generate', ROOT / 'tools' / 'generate.py')
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_made_from_the_tables_is_fresh(monkeypatch):
    module = generator()
    assert module.stale() == []
    with monkeypatch.context() as patch:
        patch.setattr(module.topic_specs, 'OF_THE_NODE', ('legend',))
        assert module.stale() == ['config/sros2/policy.xml']
    changed = (replace(module.SPECS[0], description='Something else.'), *module.SPECS[1:])
    monkeypatch.setattr(module, 'SPECS', changed)
    assert module.stale() == ['README.md', 'config/segmentation.yaml']


@pytest.mark.parametrize(('group', 'kind'), [
    ('', Settings), ('mount', Mount), ('points', Points), ('costmap', Costmap),
    ('diagnostics', Limits)])
def test_the_settings_have_a_field_of_the_right_type_for_every_parameter(group, kind):
    table = {spec.name.removeprefix(f'{group}.'): type(spec.default)
             for spec in SPECS if spec.group == group}
    hints = get_type_hints(kind)
    if kind is Settings:  # what they become when they are read
        for name in ('mounts', 'points', 'costmap', 'diagnostics'):
            hints.pop(name)
        assert hints.pop('mask_size') and hints.pop('regions')
        table = {name: default for name, default in table.items()
                 if name not in ('mask_size', 'regions')}
    assert {name: tuple[str, ...] if default is list else default
            for name, default in table.items()} == hints


@pytest.mark.parametrize('table', ['parameter_specs', 'topic_specs'])
def test_the_tables_need_neither_ros_nor_pytorch(table):
    code = (f'import sys, fcn_seg_ros.ros.{table}; '
            'print(not {"rclpy", "torch"} & set(sys.modules))')
    assert subprocess.check_output([sys.executable, '-c', code], text=True) == 'True\n'


@pytest.mark.parametrize(('name', 'written', 'value'), [
    ('max_rate', 10, 10.0), ('max_rate', 2.5, 2.5), ('threads', 3, 3), ('device', 0, '0'),
    ('device', 'cuda:1', 'cuda:1'), ('cameras', 'front', ['front']), ('cameras', (), []),
    ('cameras', array('q'), []), ('cameras', ['a', 'b'], ['a', 'b']), ('download', True, True)])
def test_how_a_value_may_be_written(name, written, value):
    fitted = SPEC[name].fitted(written)
    assert (fitted, type(fitted)) == (value, type(value))


@pytest.mark.parametrize(('name', 'written'), [
    ('max_rate', 'fast'), ('max_rate', True), ('max_rate', None), ('threads', 2.5),
    ('threads', True), ('device', True), ('device', ['cpu']), ('cameras', [1]), ('cameras', 1),
    ('cameras', None), ('cameras', b'ab'), ('download', 1), ('download', 'yes')])
def test_what_a_value_cannot_be(name, written):
    with pytest.raises(ValueError, match=f'^{name}: .* it must be '):
        SPEC[name].fitted(written)


def test_the_navigation_page_explains_every_parameter_of_clouds_and_grid():
    assert explained('docs/navigation.md') == {
        name: default for name, default in DEFAULTS.items()
        if name in OF_NAVIGATION or name.partition('.')[0] in NAVIGATION}


def test_the_readme_explains_the_others_and_names_the_groups():
    assert explained('README.md') == {
        name: default for name, default in DEFAULTS.items()
        if name not in OF_NAVIGATION and '.' not in name}
    named = {name for names in table('README.md') for name in names}
    assert named >= OF_NAVIGATION | {f'{spec.group}.*' for spec in SPECS if spec.group}


@pytest.mark.parametrize('page', ['README.md', 'docs/navigation.md'])
def test_no_page_speaks_of_parameters_that_are_none(page):
    text = (ROOT / page).read_text(encoding='utf-8')
    spoken = set(re.findall(r'`((?:mount|points|costmap)\.[a-z_]+)`', text))
    assert spoken <= set(DEFAULTS)
