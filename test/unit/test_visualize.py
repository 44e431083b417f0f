"""Legends, panels and contact sheets: the right colours and pictures in the right places."""

import cv2
from fcn_seg_ros.images import drawing as visualize
from fcn_seg_ros.images.drawing import contact_sheet, draw_legend, legend_entries, side_by_side
from fcn_seg_ros.networks.classes import class_set_from_labels
import numpy as np
import pytest

CLASSES = class_set_from_labels(('road', 'sidewalk', 'tree', 'sky', 'person'), 'test')


@pytest.fixture
def histogram():
    counts = np.zeros(256, np.int64)
    counts[[0, 1, 3, 255]] = 50, 25, 15, 10
    return counts


def flat(color, height=30, width=40):
    return np.full((height, width, 3), color, np.uint8)


def swatch_places(panel, color):
    """Return (row, column) of the middle of the patch of exactly this colour."""
    found = np.argwhere((panel == color).all(-1))
    assert len(found) >= 25, f'no patch of {color}'
    return found.mean(0)


def ink(panel):
    return int((panel != visualize.PAPER).any(-1).sum())


def test_entries_have_shares_and_unknown_last(histogram):
    entries = legend_entries(CLASSES, histogram)
    assert [entry[0] for entry in entries] == [*CLASSES.labels, 'unknown']
    assert [entry[2] for entry in entries] == [0.5, 0.25, 0, 0.15, 0, 0.1]
    assert entries[1][1] == tuple(CLASSES.colors[1])


def test_entries_without_unknown_pixels(histogram):
    histogram[255] = 0
    assert legend_entries(CLASSES, histogram)[-1][0] == 'person'
    assert [entry[2] for entry in legend_entries(CLASSES)] == [None] * 5


def test_entry_for_unknown_pixels_can_be_kept_for_a_steady_layout(histogram):
    histogram[255] = 0
    assert legend_entries(CLASSES, histogram, unknown=True)[-1] == ('unknown', (0, 0, 0), 0)


def test_entries_of_no_pixels_at_all():
    assert legend_entries(CLASSES, np.zeros(256))[0][2] == 0


@pytest.mark.parametrize('width', [60, 200, 640, 1920])
def test_legend_shows_every_color_in_reading_order(histogram, width):
    histogram[:] = 1
    panel = draw_legend(legend_entries(CLASSES, histogram)[1:5], width)
    assert panel.shape[1] == width and panel.dtype == np.uint8
    places = [swatch_places(panel, color) for color in CLASSES.colors[1:]]
    assert places == sorted(places, key=lambda place: (round(place[1]), round(place[0])))
    # Nothing is cut off: the last row of pixels is paper.
    assert (panel[-2:] == visualize.PAPER).all()


def test_legend_uses_fewer_rows_on_wider_pictures():
    entries = legend_entries(CLASSES)
    heights = [draw_legend(entries, width, text_height=12).shape[0] for width in (150, 400, 1600)]
    assert heights[0] > heights[1] > heights[2]


def test_legend_writes_the_shares(histogram):
    bare = draw_legend(legend_entries(CLASSES), 900, text_height=14)
    shares = draw_legend(legend_entries(CLASSES, histogram)[:5], 900, text_height=14)
    assert ink(shares) > ink(bare) + 200


def test_legend_layout_does_not_depend_on_the_shares():
    one, other = np.zeros(256), np.zeros(256)
    one[0], other[:5] = 1, (1, 2000, 2000, 300, 20)
    shapes = {draw_legend(legend_entries(CLASSES, counts), width).shape
              for counts in (one, other) for width in (333, 500)}
    assert len(shapes) == 2


def test_legend_can_leave_out_absent_classes(histogram):
    panel = draw_legend(legend_entries(CLASSES, histogram), 500, hide_below=0.001)
    swatch_places(panel, CLASSES.colors[1])
    assert not (panel == CLASSES.colors[2]).all(-1).any()


def test_legend_of_nothing_and_of_foreign_letters():
    assert draw_legend([], 100).shape[1] == 100
    assert ink(draw_legend([('straße', (1, 2, 3), 0.00001)], 300)) > 100


def test_with_legend_keeps_the_picture():
    picture = flat((9, 200, 30), 60, 300)
    out = visualize.with_legend(picture, legend_entries(CLASSES))
    assert (out[:60] == picture).all() and out.shape[0] > 60


def test_side_by_side_scales_to_the_first():
    out = side_by_side([flat((255, 0, 0)), flat((0, 0, 255), 60, 80), flat((0, 9, 0))], gap=4)
    assert out.shape == (30, 40 + 4 + 40 + 4 + 40, 3)
    assert (out[:, :40] == (255, 0, 0)).all()
    assert (out[:, 40:44] == visualize.PAPER).all()
    assert (out[:, 44:84] == (0, 0, 255)).all()


def test_side_by_side_with_titles_and_a_mono_picture():
    mono = np.full((30, 40), 77, np.uint8)
    out = side_by_side([flat((1, 2, 3)), mono], ['input', 'confidence'], gap=4)
    header = out.shape[0] - 30
    assert header > 0 and ink(out[:header]) > 20
    assert (out[header:, 44:] == 77).all()


def test_contact_sheet_puts_pictures_into_cells(histogram):
    rows = [[flat((200, 0, 0)), flat((0, 200, 0))], [flat((0, 0, 200)), flat((200, 200, 0))]]
    sheet = contact_sheet(rows, titles=['input', 'mask'], row_titles=['a', 'b'],
                          entries=legend_entries(CLASSES, histogram), cell_width=120)
    centers = [[swatch_places(sheet, color[0, 0]) for color in row] for row in rows]
    assert centers[0][0][0] < centers[1][0][0] and centers[0][0][1] < centers[0][1][1]
    # The legend is below the last row.
    assert swatch_places(sheet, CLASSES.colors[1])[0] > centers[1][1][0] + 45


def test_contact_sheet_of_pictures_of_different_shapes():
    rows = [[flat((200, 0, 0), 60, 30), np.zeros((30, 60), np.uint8)],
            [flat((0, 0, 200), 20, 90)]]
    sheet = contact_sheet(rows, cell_width=90)
    assert (sheet == (200, 0, 0)).all(-1).sum() == 90 * 180
    assert (sheet == (0, 0, 200)).all(-1).sum() == 90 * 20


def test_confidence_colors_brighten_monotonically():
    colors = visualize.confidence_colors(np.arange(256, dtype=np.uint8)[None])
    brightness = cv2.cvtColor(colors, cv2.COLOR_RGB2GRAY).ravel().astype(int)
    assert brightness[0] < 60 < 180 < brightness[255]
    assert np.diff(brightness).min() >= -2
