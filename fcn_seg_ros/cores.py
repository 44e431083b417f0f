"""Sharing the processor's cores with other programs."""

import os


def share_cores():
    """
    Let PyTorch's threads sleep while they wait for each other; call before importing it.

    By default they spin between layers, so that on cores which other programs use as well
    each waits for one that does not run: several times slower (docs/performance.md).  Who
    has set OMP_WAIT_POLICY has chosen.
    """
    os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
