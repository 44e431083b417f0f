"""
Build fcn_seg_ros for pip.

In a ROS 2 workspace colcon reads package.xml and CMakeLists.txt and never this file.  With
pip, this script runs the same CMakeLists.txt and turns CMake's install tree into a wheel: what
lies in share/ and lib/ becomes data files of the environment's prefix.

Where the environment has ROS 2's wheels, that prefix is a ROS 2 prefix and the messages and the
node are built against it.  Elsewhere the core is built alone: tools/build_backend.py decides.

``FCN_SEG_TORCH=off`` asks for ONNX Runtime instead of PyTorch: enough for a machine that only runs
networks with an int8 graph, as the bundled one, on its CPU.
"""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
import os
from pathlib import Path
import shutil
import subprocess
import sys
import sysconfig
from xml.etree import ElementTree

from build_backend import choice_of, ros_is_wanted  # tools/, see pyproject.toml
from setuptools import Distribution, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
PACKAGE = 'fcn_seg_ros'
WITH_ROS = ros_is_wanted()
BUILD = HERE / 'build' / ('pip' if WITH_ROS else 'pip-core')
# Not in the checkout, where importlib.metadata would take it for an installation.
EGG_INFO = HERE / 'build' / f'{BUILD.name}-metadata'
# What the generated message libraries link to: a wheel only fits the ROS 2 it was built with.
MESSAGE_PACKAGES = ('ros-sensor-msgs', 'ros-std-msgs')
DEPENDENCIES = ('numpy', 'opencv-python-headless', 'pillow', 'pyyaml', 'safetensors', 'tqdm')
# What runs the network, by the choice of FCN_SEG_TORCH.
ENGINES = {'': ('torch', 'torchvision'), 'on': ('torch', 'torchvision'), 'off': ('onnxruntime',)}


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
    needed = [*DEPENDENCIES, *ENGINES[choice_of('FCN_SEG_TORCH')]]
    if not WITH_ROS:
        return needed
    return [*(f'{name}~={ros_wheel(name)}' for name in MESSAGE_PACKAGES), *needed]


def _site():
    """Return the folder of the packages, relative to the environment's prefix."""
    if WITH_ROS:  # the wheels of ROS 2 know no other
        return f'lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages'
    return os.path.relpath(sysconfig.get_path('platlib'), sysconfig.get_path('data'))


class BuildModules(build_py):
    """Copy the modules into an empty folder, lest removed ones live on in the wheel."""

    def run(self):
        """Empty setuptools' build folder first."""
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


class BuildWithCMake(build_ext):
    """Run CMake and collect its install tree as data files."""

    def run(self):
        """Configure, build, install into ``build/pip/stage`` and list what is there."""
        stage = BUILD / 'stage'
        shutil.rmtree(stage, ignore_errors=True)
        self._build(stage)
        if not (WITH_ROS or self.editable_mode):
            self._move_kernels(stage)
        # In place: install_data may hold a reference to the list already.
        self.distribution.data_files[:] = sorted(self._data_files(stage).items())

    def _build(self, stage):
        tools = f'{Path(sys.executable).parent}{os.pathsep}{os.environ.get("PATH", "")}'
        cmake = shutil.which('cmake', path=tools)
        ninja = shutil.which('ninja', path=tools)
        if cmake is None:
            raise SystemExit(f'{PACKAGE} needs CMake to build: pip install cmake')
        key, options = self._ros_options() if WITH_ROS else ('no ROS', [
            '-DFCN_SEG_ROS=OFF', f'-DPYTHON_INSTALL_DIR={_site()}'])
        self._drop_stale_build(f'{cmake} {ninja} {sys.version} {key}')
        subprocess.check_call([
            cmake, '-S', str(HERE), '-B', str(BUILD),
            *(['-G', 'Ninja', f'-DCMAKE_MAKE_PROGRAM={ninja}'] if ninja else []),
            '-DCMAKE_BUILD_TYPE=Release', '-DBUILD_TESTING=OFF',
            f'-DCMAKE_INSTALL_PREFIX={stage}', *options])
        subprocess.check_call([cmake, '--build', str(BUILD), '--parallel'])
        subprocess.check_call([cmake, '--install', str(BUILD)], stdout=subprocess.DEVNULL)

    def _ros_options(self):
        """Return what identifies the environment's ROS 2, and CMake's options to build for it."""
        generator = ros_wheel('ros-rosidl-generator-py')
        # <prefix>/lib/pythonX.Y/site-packages/rosidl_adapter/__init__.py
        prefix = Path(find_spec('rosidl_adapter').origin).parents[4]
        return f'{prefix} {generator}', [
            f'-DPython3_EXECUTABLE={sys.executable}',
            f'-DROS_WHEELS_PREFIX={prefix}',
            f'-DCMAKE_PROJECT_INCLUDE={HERE / "cmake" / "ros_wheels.cmake"}']

    def _move_kernels(self, stage):
        """
        Move the core's compiled library from the data files to the modules.

        A wheel without ROS may be unpacked where the folder of packages has another name than
        here; an editable installation has no folder of modules but this one.
        """
        for path in (stage / _site() / PACKAGE).glob('*.so'):
            target = Path(self.build_lib) / PACKAGE / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, target)

    def _drop_stale_build(self, key):
        """Start afresh when the last build was for another environment or ROS 2."""
        key_file = BUILD / 'environment.txt'
        if not key_file.is_file() or key_file.read_text() != key:
            shutil.rmtree(BUILD, ignore_errors=True)
            BUILD.mkdir(parents=True)
            key_file.write_text(key)

    def _data_files(self, stage):
        """Return ``{folder in the prefix: [files]}``, without what ``packages`` brings."""
        data = {}
        for path in sorted(stage.rglob('*')):
            relative = path.relative_to(stage)
            if path.is_dir() or path.suffix in ('.pyc', '.c') or 'egg-info' in str(relative):
                continue
            if path.suffix in ('.py', '.typed') and relative.is_relative_to(_site()) and (
                    HERE / relative.relative_to(_site())).exists():
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


class PlatformDistribution(Distribution):
    """Mark the wheel as specific to a platform, and as one with data files."""

    def parse_config_files(self, *args, **kwargs):
        """Read pyproject.toml; what its extra ``ros`` names is a must where the node is built."""
        super().parse_config_files(*args, **kwargs)
        if WITH_ROS:
            self.install_requires = [*self.install_requires, *self.extras_require['ros']]
            self.metadata.install_requires = self.install_requires  # what is written down
        else:
            commands = self.entry_points['console_scripts']
            self.entry_points['console_scripts'] = [
                line for line in commands if not line.startswith('segmentation_node')]

    def has_ext_modules(self):
        """Return True: there are compiled libraries in it."""
        return True

    def has_data(self):
        """Return True: editable installs would drop the data files otherwise."""
        return True


EGG_INFO.mkdir(parents=True, exist_ok=True)
setup(
    version=ElementTree.parse(HERE / 'package.xml').findtext('version'),
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    package_dir={'': '.'},
    package_data={PACKAGE: ['py.typed']},
    # BuildWithCMake replaces this list; it has to be there for install_data to run.
    data_files=[(f'share/{PACKAGE}', ['package.xml'])],
    install_requires=dependencies(),
    options={'egg_info': {'egg_base': str(EGG_INFO)}},
    distclass=PlatformDistribution,
    cmdclass={'build_ext': BuildWithCMake, 'build_py': BuildModules},
)
