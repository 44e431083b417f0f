"""An environment that lacks nothing but the package."""

from importlib.metadata import files
from pathlib import Path
import sys

from environment import Environment, PACKAGE
import pytest


def _link(source, target, shared):
    """Link what is in a folder; ``shared`` are the folders that hold files of the package."""
    target.mkdir()
    for entry in source.iterdir():
        if entry in shared:
            _link(entry, target / entry.name, shared)
        elif PACKAGE not in entry.name:
            (target / entry.name).symlink_to(entry)


@pytest.fixture(scope='session')
def bare_environment(tmp_path_factory):
    """
    Return the running environment without the package.

    What is found is random where both pip and colcon have installed the package.  So a colcon
    build is tried in an environment of links to all that is not the package's.
    """
    source = Path(sys.prefix)
    own = (Path(file.locate()).resolve() for file in files(PACKAGE))
    shared = {parent for file in own for parent in file.parents if PACKAGE not in parent.name}
    prefix = tmp_path_factory.mktemp('environment') / 'bare'
    _link(source, prefix, shared)
    (prefix / 'pyvenv.cfg').unlink()
    (prefix / 'pyvenv.cfg').write_bytes((source / 'pyvenv.cfg').read_bytes())
    environment = Environment(prefix)
    environment.run(f'python -c "import {PACKAGE}" 2>/dev/null && exit 1 || true', cwd='/')
    return environment
