"""Old import paths go on for a version, and say where the module is now."""

from importlib import import_module
from pathlib import Path
import subprocess
import sys

from fcn_seg_ros._moved import MOVED
import pytest


@pytest.mark.parametrize('old', MOVED)
def test_an_old_path_gives_the_module_at_its_new_place(old):
    new = import_module(f'fcn_seg_ros.{MOVED[old]}')
    spec = new.__spec__
    sys.modules.pop(f'fcn_seg_ros.{old}', None)
    with pytest.warns(DeprecationWarning, match=f'fcn_seg_ros.{MOVED[old]} now'):
        assert import_module(f'fcn_seg_ros.{old}') is new
    assert new.__spec__ is spec
    assert new.__name__ == f'fcn_seg_ros.{MOVED[old]}'


def test_the_warning_names_the_line_that_imports(tmp_path):
    script = tmp_path / 'robot.py'
    script.write_text('from fcn_seg_ros.classes import ClassSet\n')
    run = subprocess.run([sys.executable, '-W', 'default', script], text=True,
                         capture_output=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert f'{script}:1: DeprecationWarning' in run.stderr


def test_a_name_that_never_was_is_no_module():
    with pytest.raises(ModuleNotFoundError):
        import_module('fcn_seg_ros.never_was')


def test_nothing_of_the_project_uses_an_old_path():
    repository = Path(__file__).parents[2]
    used = [f'{path.relative_to(repository)}: {old}'
            for folder in ('fcn_seg_ros', 'demo', 'docs', 'launch', 'test', 'scripts')
            for path in (repository / folder).rglob('*')
            if path.suffix in ('', '.py', '.md') and path.is_file() and path != Path(__file__)
            for old in MOVED if old != 'navigation.camera'
            if f'from fcn_seg_ros.{old} import' in path.read_text()]
    assert not used
