"""
The Python in README and docs runs, each block in a folder with a picture and a video.

A block that cannot run alone has a comment above it, which readers of the page do not see:
``<!-- not run: REASON -->``, or ``<!-- run with: NAME -->`` for one that is given what
``PREPARED[NAME]`` makes.
"""

from collections.abc import Callable
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace
from typing import Any, NamedTuple

import cv2
from fcn_seg_ros.networks.registry import Registry
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md')),
         *sorted(ROOT.glob('models/*/README.md'))]


class Block(NamedTuple):
    """Code of a page and the comment above it, '' where there is none."""

    name: str
    comment: str
    code: str


def blocks(pages: list[Path]) -> list[Block]:
    """Return the pages' blocks of Python."""
    pattern = re.compile(r'(?:<!-- ([^\n]+) -->\n\n?)?^```python\n(.*?)^```$', re.S | re.M)
    found = []
    for page in pages:
        text = page.read_text()
        for match in pattern.finditer(text):
            line = text.count('\n', 0, match.start(2)) + 1
            found.append(Block(f'{page.relative_to(ROOT)}:{line}', match[1] or '', match[2]))
    return found


def _message() -> dict[str, Any]:
    """Return a message as the subscriber of ~/class_fractions gets it, and what a robot does."""
    labels = Registry.load().get('fcn-resnet18-street').classes.labels
    classes = [SimpleNamespace(class_id=number, label=label, fraction=0.05)
               for number, label in enumerate(labels)]
    region = SimpleNamespace(name='ahead', fractions=[0.05] * len(labels))
    return {'message': SimpleNamespace(classes=classes, regions=[region]),
            'slow_down': lambda: None}


PREPARED: dict[str, Callable[[], dict[str, Any]]] = {'a message': _message}
BLOCKS = blocks(PAGES)
RUN = [block for block in BLOCKS if not block.comment.startswith('not run: ')]


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """Change into a folder with the files that the pages speak of."""
    picture = cv2.resize(cv2.imread(str(ROOT / 'demo' / 'street.jpg')), (320, 180))
    (tmp_path / 'demo').mkdir()
    for name in ('demo/street.jpg', 'street.jpg'):
        cv2.imwrite(str(tmp_path / name), picture)
    for name in ('drive.mp4', 'street.mp4'):
        video = cv2.VideoWriter(
            str(tmp_path / name), cv2.VideoWriter_fourcc(*'mp4v'), 10, (320, 180))
        for _ in range(2):
            video.write(picture)
        video.release()
    (tmp_path / 'photos').mkdir()
    shutil.copy(tmp_path / 'street.jpg', tmp_path / 'photos' / 'one.jpg')
    cv2.imwrite(str(tmp_path / 'photos' / 'two.png'), np.zeros((60, 80, 3), np.uint8))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize('block', RUN, ids=lambda block: block.name)
def test_python_runs(block, prepared):
    names = PREPARED[block.comment.removeprefix('run with: ')]() if block.comment else {}
    exec(compile(block.code, block.name, 'exec'), names)


def test_most_blocks_run(record_property):
    """Each one that does not has its reason."""
    left_out = [block for block in BLOCKS if block not in RUN]
    print(f'{len(RUN)} of {len(BLOCKS)} blocks of Python in the pages run; not: ' + ', '.join(
        f'{block.name} ({block.comment.removeprefix("not run: ")})' for block in left_out))
    record_property('code_blocks_run', len(RUN))
    assert len(RUN) >= 4
    assert len(left_out) <= 1


def commands(page: Path) -> list[str]:
    """Return a page's shell commands that segment files which the folder has."""
    lines = re.findall(r'^\$ (fcn-seg segment .+)$', page.read_text(), re.M)
    return [line.partition('  #')[0].strip() for line in lines
            if not re.search('bag|recording', line)]


@pytest.mark.parametrize(('page', 'command'), [
    pytest.param(page, command, id=f'{page.name}: {command}')
    for page in PAGES for command in commands(page)])
def test_commands_run(page, command, prepared):
    code = 'import sys; from fcn_seg_ros.cli.main import main; sys.exit(main())'
    (prepared / 'fcn-seg').write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$@"\n')
    (prepared / 'fcn-seg').chmod(0o755)
    done = subprocess.run(
        ['bash', '-ec', command], text=True, capture_output=True, timeout=300, check=False,
        env={**os.environ, 'PATH': f'{prepared}:{os.environ["PATH"]}',
             'PYTHONPATH': ':'.join(filter(None, sys.path))})
    assert done.returncode == 0, done.stderr


def test_there_are_commands_to_run():
    assert sum(len(commands(page)) for page in PAGES) >= 5
