"""Checkpoints of trainings: whole or not at all, and never unpickled."""

import os
import signal
import subprocess
import sys

from fcn_seg_ros.errors import TrainingError
from fcn_seg_ros.training import checkpoint
import pytest
import torch


def test_kill_in_mid_write_keeps_the_old_checkpoint(tmp_path):
    code = ('import os, signal, torch\n'
            'from fcn_seg_ros.training import checkpoint\n'
            f'checkpoint.save_checkpoint({str(tmp_path)!r}, {{"step": 1}})\n'
            'save = torch.save\n'
            'def half(state, file):\n'
            '    save(state, file); file.flush()\n'
            '    os.truncate(file.fileno(), file.tell() // 2)\n'
            '    os.kill(os.getpid(), signal.SIGKILL)\n'
            'torch.save = half\n'
            f'checkpoint.save_checkpoint({str(tmp_path)!r}, {{"step": 2}})\n')
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)}
    process = subprocess.run([sys.executable, '-c', code], env=env)
    assert process.returncode == -signal.SIGKILL
    assert checkpoint.load_checkpoint(tmp_path) == {'step': 1}


def test_damaged_checkpoints(tmp_path):
    assert checkpoint.load_checkpoint(tmp_path) is None
    for step in (1, 2):
        checkpoint.save_checkpoint(tmp_path, {'step': step})
    last = tmp_path / checkpoint.LAST
    last.write_bytes(last.read_bytes()[:100])
    assert checkpoint.load_checkpoint(tmp_path) == {'step': 1}
    (tmp_path / checkpoint.PREVIOUS).unlink()
    with pytest.raises(TrainingError, match='no checkpoint can be read'):
        checkpoint.load_checkpoint(tmp_path)


def test_checkpoints_are_not_unpickled(tmp_path):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'harm'),)

    torch.save({'step': Harm()}, tmp_path / checkpoint.LAST)
    with pytest.raises(TrainingError):
        checkpoint.load_checkpoint(tmp_path)
    assert not (tmp_path / 'harm').exists()
