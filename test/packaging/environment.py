"""Environments to build and to run the package in."""

import os
from pathlib import Path
import subprocess
import sys

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGE = 'fcn_seg_ros'


class Environment:
    """A prefix with Python and ROS 2, and how to run things in it."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.python = prefix / 'bin' / 'python'

    def run(self, command, **options):
        """
        Run a shell command with no variables but those that the prefix needs.

        :returns: standard output and error together.
        :raises Failed: (pytest) with the output, when the command fails.
        """
        variables = {
            'PATH': f'{self.prefix / "bin"}:{Path(sys.prefix) / "bin"}:{os.environ["PATH"]}',
            'HOME': os.environ['HOME'],
            'AMENT_PREFIX_PATH': str(self.prefix),
        }
        done = subprocess.run(
            ['sh', '-ec', command], env=variables, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, **options)
        if done.returncode:
            pytest.fail(f'{command} exited with {done.returncode}:\n{done.stdout[-6000:]}')
        return done.stdout
