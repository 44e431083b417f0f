"""The tests are found and see log records where ROS 2's launch_testing is installed."""

import ast
import os
from pathlib import Path
import subprocess
import sys

UNIT = Path(__file__).parent
# What launch_testing's plugin and the launch that it imports do to other tests.
PLUGIN = """
import importlib.abc
import logging
import sys

from _pytest.pathlib import import_path
import pytest


class KeepingLogger(logging.getLoggerClass()):
    def __init__(self, name):
        super().__init__(name)
        self.propagate = False


class NoBags(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] == 'rosbags':
            raise ModuleNotFoundError(name)


logging.setLoggerClass(KeepingLogger)
import importlib.util
known = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == 'rosbags' else known(name, *rest)
sys.meta_path.insert(0, NoBags())


def pytest_pycollect_makemodule(module_path, parent):
    import_path(module_path, root=None, consider_namespace_packages=False)
    return pytest.Module.from_parent(parent=parent, path=module_path)
"""


def test_a_plugin_that_imports_modules_and_takes_over_the_loggers(tmp_path):
    (tmp_path / 'like_launch_testing.py').write_text(PLUGIN)
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '-rs', '-p', 'no:cacheprovider',
         '-p', 'like_launch_testing', UNIT / 'test_bags.py', UNIT / 'test_engines.py',
         '-k', 'test_bags or warned_about'],
        cwd=tmp_path, text=True, capture_output=True, timeout=300, check=False,
        env={**os.environ, 'PYTHONPATH': ':'.join([str(tmp_path), *sys.path[1:]])})
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'rosbags is not installed' in done.stdout
    assert '2 passed' in done.stdout


def test_no_module_is_skipped_while_it_is_imported():
    """Such a plugin would skip all the folder with it."""
    for path in UNIT.glob('*.py'):
        for node in ast.parse(path.read_text()).body:
            assert 'importorskip' not in ast.unparse(node).splitlines()[0], path.name
