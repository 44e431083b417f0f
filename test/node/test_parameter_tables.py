"""The parameters that the pages list are the node's, with the node's defaults."""

from pathlib import Path
import re

from fcn_seg_ros.ros.parameter_specs import SPECS
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
NAVIGATION = {'mount', 'points', 'costmap'}
"""Groups that docs/navigation.md explains one by one, and the README as a whole."""
OF_NAVIGATION = {'roles', 'ground_frame', 'ground_z'}
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
