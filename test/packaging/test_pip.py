"""What pip has installed into the running environment."""

from importlib.metadata import distribution, entry_points
import os
from pathlib import Path
import sys

from environment import PACKAGE, REPOSITORY
import pytest

PREFIX = Path(sys.prefix)


def sources(folder, *patterns):
    """Return the files below a folder of the repository, relative to the repository."""
    return {
        path.relative_to(REPOSITORY)
        for pattern in patterns for path in (REPOSITORY / folder).rglob(pattern)
        if path.is_file() and '__pycache__' not in path.parts}


@pytest.fixture(scope='module')
def installed():
    """Return the paths of all installed files, relative to the prefix."""
    files = {Path(file.locate()).resolve() for file in distribution(PACKAGE).files}
    return {file.relative_to(PREFIX.resolve()) for file in files}


@pytest.fixture(scope='module')
def site(installed):
    """Return the folder of the Python packages, relative to the prefix."""
    return next(path.parents[2] for path in installed if path.parts[-2:] == ('msg', '__init__.py'))


def test_the_installation_is_a_copy():
    import fcn_seg_ros

    assert Path(fcn_seg_ros.__file__).is_relative_to(PREFIX), (
        'the tests run against the checkout: install the package without -e')


def test_exactly_the_modules_of_the_repository_are_installed(installed, site):
    modules = {
        path.relative_to(site) for path in installed
        if path.is_relative_to(site / PACKAGE) and path.suffix == '.py'
        and path.relative_to(site / PACKAGE).parts[0] != 'msg'}
    assert modules == sources(PACKAGE, '*.py')


def test_type_checkers_find_the_types(installed, site):
    assert site / PACKAGE / 'py.typed' in installed


@pytest.mark.parametrize('folder', ['config', 'demo', 'launch', 'models', 'msg', 'rviz'])
def test_data_is_shared(folder, installed):
    share = Path('share') / PACKAGE
    missing = {path for path in sources(folder, '*') if share / path not in installed}
    assert not missing
    extra = {
        path for path in installed if path.is_relative_to(share / folder)
        and not (REPOSITORY / path.relative_to(share)).exists()
        and path.suffix not in ('.idl', '.json', '.pyc')}  # made from what is there
    assert not extra


@pytest.mark.parametrize('name', ['segmentation_node', 'fcn-seg'])
def test_executables_are_where_ros2_run_and_a_shell_look(name, installed):
    program = Path('lib') / PACKAGE / name
    assert program in installed
    assert os.access(PREFIX / program, os.X_OK)
    assert name in {script.name for script in entry_points(
        group='console_scripts') if script.dist.name == PACKAGE}
    assert os.access(PREFIX / 'bin' / name, os.X_OK)


def test_the_ament_index_has_the_package(installed):
    index = Path('share/ament_index/resource_index')
    assert index / 'packages' / PACKAGE in installed
    assert index / 'rosidl_interfaces' / PACKAGE in installed
