"""
Build fcn_seg_ros for pip.

In a ROS 2 workspace colcon reads package.xml and CMakeLists.txt and never this file.  With
pip, this script runs the same CMakeLists.txt against the ROS 2 wheels of the environment and
turns CMake's install tree into a wheel: the messages and what lies in share/ and lib/ become
data files of the environment's prefix, which is a ROS 2 prefix.
"""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
import os
from pathlib import Path
import shutil
import subprocess
import sys
from xml.etree import ElementTree

from setuptools import Distribution, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
PACKAGE = 'fcn_seg_ros'
BUILD = HERE / 'build' / 'pip'
# What the generated message libraries link to: a wheel only fits the ROS 2 it was built with.
MESSAGE_PACKAGES = ('ros-sensor-msgs', 'ros-std-msgs')
DEPENDENCIES = (
    'ros-rclpy', 'ros-rmw-fastrtps-cpp', 'ros-diagnostic-msgs', 'ros-geometry-msgs',
    'ros-lifecycle-msgs', 'ros-nav-msgs', 'ros-rcl-interfaces',
    'numpy', 'opencv-python-headless', 'pillow', 'pyyaml', 'safetensors', 'torch', 'torchvision',
    'tqdm',
)


def ros_wheel(name):
    """
    Return the version of a ROS 2 wheel of the environment that builds.

    :raises SystemExit: when the wheel is missing.
    """
    try:
        return version(name)
    except PackageNotFoundError:
        raise SystemExit(
            f'{PACKAGE} needs the ROS 2 wheels to build ({name} is missing): see "make venv"; '
            'with ROS 2 from apt or source build with colcon instead') from None


def dependencies():
    """Return the run-time requirements; the messages' ROS 2 is the one that builds them."""
    return [*(f'{name}~={ros_wheel(name)}' for name in MESSAGE_PACKAGES), *DEPENDENCIES]


class BuildModules(build_py):
    """Copy the modules into an empty folder, lest removed ones live on in the wheel."""

    def run(self):
        """Empty setuptools' build folder first."""
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


class BuildRos(build_ext):
    """Run CMake and collect its install tree as data files."""

    def run(self):
        """Configure, build, install into ``build/pip/stage`` and list what is there."""
        stage = BUILD / 'stage'
        shutil.rmtree(stage, ignore_errors=True)
        self._build(stage)
        # In place: install_data may hold a reference to the list already.
        self.distribution.data_files[:] = sorted(self._data_files(stage).items())

    def _build(self, stage):
        # <prefix>/lib/pythonX.Y/site-packages/rosidl_adapter/__init__.py
        prefix = Path(find_spec('rosidl_adapter').origin).parents[4]
        tools = f'{Path(sys.executable).parent}{os.pathsep}{os.environ.get("PATH", "")}'
        cmake = shutil.which('cmake', path=tools)
        ninja = shutil.which('ninja', path=tools)
        if cmake is None:
            raise SystemExit(f'{PACKAGE} needs CMake to build: pip install cmake')
        self._drop_stale_build(f'{prefix} {sys.version} {ros_wheel("ros-rosidl-generator-py")}')
        subprocess.check_call([
            cmake, '-S', str(HERE), '-B', str(BUILD),
            *(['-G', 'Ninja', f'-DCMAKE_MAKE_PROGRAM={ninja}'] if ninja else []),
            '-DCMAKE_BUILD_TYPE=Release', '-DBUILD_TESTING=OFF',
            f'-DPython3_EXECUTABLE={sys.executable}',
            f'-DCMAKE_INSTALL_PREFIX={stage}',
            f'-DROS_WHEELS_PREFIX={prefix}',
            f'-DCMAKE_PROJECT_INCLUDE={HERE / "cmake" / "ros_wheels.cmake"}'])
        subprocess.check_call([cmake, '--build', str(BUILD), '--parallel'])
        subprocess.check_call([cmake, '--install', str(BUILD)], stdout=subprocess.DEVNULL)

    def _drop_stale_build(self, key):
        """Start afresh when the last build was for another environment or ROS 2."""
        key_file = BUILD / 'environment.txt'
        if not key_file.is_file() or key_file.read_text() != key:
            shutil.rmtree(BUILD, ignore_errors=True)
            BUILD.mkdir(parents=True)
            key_file.write_text(key)

    def _data_files(self, stage):
        """Return ``{folder in the prefix: [files]}``, without what ``packages`` brings."""
        site = f'lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages'
        data = {}
        for path in sorted(stage.rglob('*')):
            relative = path.relative_to(stage)
            if path.is_dir() or path.suffix in ('.pyc', '.c') or 'egg-info' in str(relative):
                continue
            if path.suffix == '.py' and relative.is_relative_to(site) and (
                    HERE / relative.relative_to(site)).exists():
                continue
            data.setdefault(str(relative.parent), []).append(os.path.relpath(path, HERE))
        return data

    def get_outputs(self):
        """Return nothing: all outputs are data files."""
        return []

    def get_output_mapping(self):
        """Return nothing: editable installs need no mapping of data files."""
        return {}

    def get_source_files(self):
        """Return nothing: MANIFEST.in lists the sources."""
        return []


class RosDistribution(Distribution):
    """Mark the wheel as specific to a platform, and as one with data files."""

    def has_ext_modules(self):
        """Return True: there are compiled libraries in it."""
        return True

    def has_data(self):
        """Return True: editable installs would drop the data files otherwise."""
        return True


setup(
    version=ElementTree.parse(HERE / 'package.xml').findtext('version'),
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    package_dir={'': '.'},
    # BuildRos replaces this list; it has to be there for install_data to run.
    data_files=[(f'share/{PACKAGE}', ['package.xml'])],
    install_requires=dependencies(),
    distclass=RosDistribution,
    cmdclass={'build_ext': BuildRos, 'build_py': BuildModules},
)
