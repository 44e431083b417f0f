"""The numbers that docs/navigation.md gives are those of the code."""

import math
from pathlib import Path
import re

from fcn_seg_ros.geometry.pose import range_error
from fcn_seg_ros.navigation.costmap import EvidenceGrid, GridSettings, Observation
from fcn_seg_ros.navigation.points import POINT
import numpy as np
import pytest

PAGE = Path(__file__).parents[2] / 'docs' / 'navigation.md'
TEXT = PAGE.read_text(encoding='utf-8')


def rows(after):
    """Return the cells of the table that follows a heading row, as lists of texts."""
    lines = TEXT[TEXT.index(after):].splitlines()[2:]
    end = next(i for i, line in enumerate(lines) if not line.startswith('|'))
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in lines[:end]]


def test_the_range_error_per_degree():
    distances = [1, 2, 3, 5, 8, 10]
    table = rows('| height | ' + ' | '.join(f'{d} m' for d in distances))
    assert len(table) == 4
    for height, *cells in table:
        for distance, cell in zip(distances, cells, strict=True):
            expected = [range_error(distance, float(height.split()[0]), math.radians(e))
                        for e in (1, -1)]
            assert [float(v) for v in cell.split('/')] == pytest.approx(expected, abs=0.0051)


def test_the_point_layout():
    offsets = {}
    for names, _, values, _ in rows('| field | type | offset | |'):
        offsets.update(zip(names.split(', '), map(int, values.split(', '))))
    assert offsets == {name: offset for name, (_, offset) in POINT.fields.items()}
    assert f'A point takes {POINT.itemsize} bytes' in TEXT


def test_the_grids_reaction_times_with_the_defaults():
    grid = EvidenceGrid(GridSettings())
    grid.center_on(0.0, 0.0)
    none, here, sure = np.empty((0, 2)), np.array([[0.01, 0.01]]), np.array([0.9], np.float32)
    nothing = np.empty(0, np.float32)
    ground = Observation(here, np.array([5.0], np.float32), sure, none, nothing)
    obstacle = Observation(none, nothing, nothing, here, sure)

    def value():
        return grid.data()[100, 100]

    grid.add(ground, 0.0)
    assert value() == 5
    for tenth in range(1, 50):
        grid.add(ground, tenth / 10)
    frames = 0
    while value() != 100:
        frames += 1
        grid.add(obstacle, 4.9 + frames / 10)
    assert 3 <= frames <= 4
    last = grid.stamp
    empty = Observation(none, nothing, nothing, none, nothing)
    while value() != -1:
        grid.add(empty, grid.stamp + 0.1)
    assert grid.stamp - last == pytest.approx(5.0, abs=0.5)


def test_every_file_that_is_linked_exists():
    links = re.findall(r'\]\((\.\./[^)]+)\)', TEXT)
    assert len(links) >= 6
    for link in links:
        assert (PAGE.parent / link).exists(), link
