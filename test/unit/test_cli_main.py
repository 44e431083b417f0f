"""The command line's frame: one line for each error, and no traceback."""

import os
import subprocess
import sys

from fcn_seg_ros.cli import main as cli, networks
from fcn_seg_ros.errors import FcnSegError
import pytest


def run(*args, **kwargs):
    return subprocess.run([sys.executable, '-m', 'fcn_seg_ros.cli.main', *args], text=True,
                          capture_output=True, timeout=120, check=False, **kwargs)


def test_every_command_has_help():
    result = run('--help')
    assert result.returncode == 0
    for command in cli.COMMANDS:
        assert f'\n    {command} ' in result.stdout


def test_an_unknown_command_is_refused():
    result = run('fly')
    assert result.returncode == 2
    assert 'fly' in result.stderr and 'Traceback' not in result.stderr


@pytest.mark.parametrize('given', [
    'segment in out', 'frames in out', 'bench', 'tune', 'evaluate --data folder --root data',
    'train recipe.yaml --output out'])
def test_a_device_is_written_alike_for_every_command(given):
    parser = cli.build_parser(given.split()[:1])
    for device in ('auto', 'cpu', 'cuda', 'cuda:1', '0'):
        assert parser.parse_args([*given.split(), '--device', device]).device == device


@pytest.mark.parametrize('error, status', [
    (FcnSegError('no such thing'), 1), (PermissionError(13, 'Permission denied', '/x'), 1),
    (KeyboardInterrupt(), 130)])
def test_errors_are_one_line_and_a_status(monkeypatch, capsys, error, status):
    def fail(args):
        raise error

    monkeypatch.setattr(networks, 'run', fail)
    assert cli.main(['networks']) == status
    err = capsys.readouterr().err
    assert err.startswith('fcn-seg: ') and err.count('\n') == 1


def test_a_reader_that_leaves_is_no_error():
    """As with ``fcn-seg networks | head -1``."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = subprocess.run(
            [sys.executable, '-m', 'fcn_seg_ros.cli.main', 'networks'], stdout=writer,
            stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    finally:
        os.close(writer)
    assert result.returncode == 1
    assert result.stderr == ''


def test_an_opencv_that_cannot_be_silenced_later_is_silent(tmp_path):
    """As OpenCV 4.6, whose backends for video write to stderr what does not concern a user."""
    done = subprocess.run(
        [sys.executable, '-c', 'import sys; from fcn_seg_ros.cli.main import main; import cv2; '
         'vars(cv2.utils).pop("logging", None); sys.exit(main())', 'camera', '99'], cwd=tmp_path,
        text=True, capture_output=True, timeout=120, check=False,
        env={key: value for key, value in os.environ.items() if key != 'OPENCV_LOG_LEVEL'})
    assert done.returncode == 1
    assert done.stderr == 'fcn-seg: 99 cannot be opened as a camera\n'
