"""Training state on disk: written so that no crash loses it, read without unpickling code."""

import os
from pathlib import Path
import pickle
import random

import numpy as np
import torch

from ..errors import TrainingError

LAST, PREVIOUS = 'last.ckpt', 'previous.ckpt'


def write_atomically(path, write):
    """
    Create or replace a file; whatever happens there is the old one or the new one, whole.

    :param path: the file.
    :param write: function that writes the content to the binary file object it is given.
    """
    path = Path(path)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        with open(temporary, 'wb') as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder):
    # A rename is only safe from a power failure once its folder is on disk.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def save_checkpoint(folder, state):
    """
    Write ``last.ckpt`` and keep the one before it as ``previous.ckpt``.

    :param folder: folder of the run.
    :param state: nested dicts and lists of tensors and plain values.
    """
    folder = Path(folder)
    last = folder / LAST
    if last.exists():
        # A second name for the old file, so that a whole last.ckpt exists all the time.
        link = folder / f'.{PREVIOUS}.{os.getpid()}.tmp'
        link.unlink(missing_ok=True)
        try:
            os.link(last, link)
        except OSError:  # a file system without hard links
            link.write_bytes(last.read_bytes())
        os.replace(link, folder / PREVIOUS)
    write_atomically(last, lambda file: torch.save(state, file))


def load_checkpoint(folder):
    """
    Return the newest whole state in a run's folder, or None when there is none yet.

    :raises TrainingError: when there are checkpoints but none can be read.
    """
    faults = []
    for name in (LAST, PREVIOUS):
        path = Path(folder) / name
        if not path.is_file():
            continue
        try:
            return torch.load(path, map_location='cpu', weights_only=True)
        except (OSError, RuntimeError, EOFError, KeyError, ValueError,
                pickle.UnpicklingError) as error:
            faults.append(f'{path}: {" ".join(str(error).split())[:120]}')
    if faults:
        raise TrainingError(f'no checkpoint can be read: {"; ".join(faults)}')
    return None


def random_states():
    """Return the state of the generators of python, numpy and torch as plain data."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state()
    states = {
        'python': [version, list(words), gauss],
        'numpy': [name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        'torch': torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        states['cuda'] = torch.cuda.get_rng_state()
    return states


def set_random_states(states):
    """Put back what :func:`random_states` returned."""
    version, words, gauss = states['python']
    random.setstate((version, tuple(words), gauss))
    name, keys, position, has_gauss, cached = states['numpy']
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(states['torch'])
    if 'cuda' in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states['cuda'])
