"""Try something in a process of its own, which may crash or hang."""

import signal
import subprocess
import sys
from typing import NamedTuple

_DEADLINE = 120.0


class Probe(NamedTuple):
    """
    How a trial ended.

    :param works: whether the process ended well.
    :param output: what it printed.
    :param reason: why it did not end well, one line; else ''.
    :param errors: all that it wrote to stderr.
    """

    works: bool
    output: str
    reason: str
    errors: str


def probe(code: str, *arguments: str) -> Probe:
    """
    Run some Python in a process of its own.

    :param code: the program.
    :param arguments: what it finds in ``sys.argv[1:]``.
    """
    try:
        done = subprocess.run([sys.executable, '-c', code, *arguments], capture_output=True,
                              text=True, errors='replace', timeout=_DEADLINE, check=False)
    except subprocess.TimeoutExpired:
        return Probe(False, '', f'it took more than {_DEADLINE:.0f} s', '')
    if done.returncode < 0:
        try:
            name = signal.Signals(-done.returncode).name
        except ValueError:
            name = f'signal {-done.returncode}'
        return Probe(False, done.stdout.strip(), f'it crashed ({name})', done.stderr)
    lines = done.stderr.strip().splitlines() or [f'it exited with {done.returncode}']
    works = done.returncode == 0
    return Probe(works, done.stdout.strip(), '' if works else lines[-1], done.stderr)
