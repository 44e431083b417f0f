"""Training state on disk: written so that no crash loses it, read without unpickling code."""

import os
from pathlib import Path
import pickle
import random
import shutil
from typing import Any

import numpy as np
import torch

from ..errors import TrainingError
from ..support.atomic_files import replacing, write_file

LAST, PREVIOUS = 'last.ckpt', 'previous.ckpt'


def save_checkpoint(folder: str | os.PathLike[str], state: dict[str, Any]) -> None:
    """
    Write ``last.ckpt`` and keep the one before it as ``previous.ckpt``.

    :param folder: folder of the run.
    :param state: nested dicts and lists of tensors and plain values.
    """
    last, previous = Path(folder) / LAST, Path(folder) / PREVIOUS
    if last.exists():
        # A second name for the old file, so that a whole last.ckpt exists all the time.
        with replacing(previous) as temporary:
            temporary.unlink(missing_ok=True)  # of a process that was killed
            try:
                os.link(last, temporary)
            except OSError:  # a file system without hard links
                shutil.copyfile(last, temporary)
    write_file(last, lambda file: torch.save(state, file))


def load_checkpoint(folder: str | os.PathLike[str]) -> dict[str, Any] | None:
    """
    Return the newest whole state in a run's folder, or None when there is none yet.

    :param folder: folder of the run.
    :raises TrainingError: when there are checkpoints but none can be read.
    """
    faults = []
    for name in (LAST, PREVIOUS):
        path = Path(folder) / name
        if not path.is_file():
            continue
        try:
            state: dict[str, Any] = torch.load(path, map_location='cpu', weights_only=True)
            return state
        except (OSError, RuntimeError, EOFError, KeyError, ValueError,
                pickle.UnpicklingError) as error:
            faults.append(f'{path}: {" ".join(str(error).split())[:120]}')
    if faults:
        raise TrainingError(f'no checkpoint can be read: {"; ".join(faults)}')
    return None


def random_states() -> dict[str, Any]:
    """Return the state of the generators of python, numpy and torch as plain data."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    states = {
        'python': [version, list(words), gauss],
        'numpy': [name, torch.from_numpy(np.asarray(keys, np.int64)), position, has_gauss, cached],
        'torch': torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        states['cuda'] = torch.cuda.get_rng_state()
    return states


def set_random_states(states: dict[str, Any]) -> None:
    """
    Put the generators back to an earlier state.

    :param states: what :func:`random_states` returned.
    """
    version, words, gauss = states['python']
    random.setstate((version, tuple(words), gauss))
    name, keys, position, has_gauss, cached = states['numpy']
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(states['torch'])
    if 'cuda' in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states['cuda'])


def seed_all(seed: int) -> None:
    """
    Begin Python's, NumPy's and PyTorch's random numbers anew.

    :param seed: the same gives the same.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
