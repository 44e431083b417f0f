"""
The build backend of pyproject.toml: setuptools, with or without ROS 2.

The messages and the node are built where the environment has ROS 2's wheels; elsewhere the core
alone is, and needs none of them.  ``FCN_SEG_ROS=on`` or ``off`` says so explicitly.
"""

from importlib.metadata import distributions
import os
from pathlib import Path
import sys
import sysconfig
from typing import Any

from setuptools.build_meta import (
    build_editable, build_sdist, build_wheel, prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel)

__all__ = [
    'build_editable', 'build_sdist', 'build_wheel', 'choice_of',
    'get_requires_for_build_editable', 'get_requires_for_build_sdist',
    'get_requires_for_build_wheel',
    'prepare_metadata_for_build_editable', 'prepare_metadata_for_build_wheel', 'ros_is_wanted',
]

REQUIREMENTS = Path(__file__).resolve().parents[1] / 'requirements'
# The wheel that tells which ROS 2 an environment has, and the one that builds without any use.
ROS_WHEEL = 'ros-rclpy'
DEFAULT_ROS = 'kilted'


def installed_ros() -> str | None:
    """
    Return the version of rclpy's wheel in the environment that the package is built for.

    pip builds in an environment of its own (isolation), but with the interpreter of the one that
    it installs into: that one's folder of packages is looked into as well.
    """
    folders = [*sys.path, sysconfig.get_path('purelib'), sysconfig.get_path('platlib')]
    found = distributions(name=ROS_WHEEL, path=folders)
    return next((wheel.version for wheel in found), None)


def choice_of(variable: str) -> str:
    """
    Return what a variable of the environment chooses: ``on``, ``off``, or '' where it is not set.

    :raises SystemExit: when it is set to anything else.
    """
    choice = os.environ.get(variable, '')
    if choice not in ('', 'on', 'off'):
        raise SystemExit(f'{variable} is {choice!r}: set it to on or off, or not at all')
    return choice


def ros_is_wanted() -> bool:
    """
    Return whether the messages and the node are to be built.

    :raises SystemExit: when ``FCN_SEG_ROS`` is neither on nor off.
    """
    choice = choice_of('FCN_SEG_ROS')
    return choice == 'on' or (not choice and installed_ros() is not None)


def pins(ros: str) -> dict[str, str]:
    """Return ``{wheel: version}`` of what runs and builds with a distribution of ROS 2."""
    text = (REQUIREMENTS / f'ros-{ros}.txt').read_text()
    lines = (line for line in text.partition('# To test')[0].splitlines() if '==' in line)
    return {name: version for name, _, version in (line.partition('==') for line in lines)}


def build_requirements() -> list[str]:
    """
    Return what an isolated build needs besides pyproject.toml's own list.

    :raises SystemExit: when the environment's ROS 2 is none of ``requirements/``.
    """
    if not ros_is_wanted():
        return []
    wanted = installed_ros() or pins(DEFAULT_ROS)[ROS_WHEEL]
    for path in sorted(REQUIREMENTS.glob('ros-*.txt')):
        known = pins(path.stem.removeprefix('ros-'))
        # rclpy's major version is another one in each distribution.
        if known[ROS_WHEEL].split('.')[0] == wanted.split('.')[0]:
            return ['catkin_pkg', 'numpy', *(f'{name}=={known[name]}' for name in known)]
    raise SystemExit(
        f'there is no list of wheels to build with for {ROS_WHEEL} {wanted}: install what '
        'requirements/ros-kilted.txt names of that ROS 2, and use --no-build-isolation')


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    """Return what pip has to install before it builds (setup.py has no say in it)."""
    return build_requirements()


def get_requires_for_build_editable(config_settings: Any = None) -> list[str]:
    """Return what pip has to install before an editable build."""
    return build_requirements()


def get_requires_for_build_sdist(config_settings: Any = None) -> list[str]:
    """Return what has to be installed before the sources are packed."""
    return build_requirements()
