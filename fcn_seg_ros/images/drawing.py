"""
Pictures for people: legends, side-by-side panels, contact sheets.

All pictures are uint8 arrays H x W x 3 in RGB.  Text is drawn by OpenCV, which knows
ASCII; other characters of a label come out as question marks.
"""

from collections.abc import Sequence
import ctypes
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from .colors import convert_colors
from ..networks.classes import ClassSet, UNKNOWN
from ..support.arrays import UInt8Array
from ..support.compiled import load, pointer

Color: TypeAlias = tuple[int, int, int]
"""R, G, B, each 0 to 255."""

LegendEntry: TypeAlias = tuple[str, Color, float | None]
"""Label, colour and share (0..1, or None) of a class."""

PAPER, INK, FAINT = (255, 255, 255), (32, 32, 32), (120, 120, 120)
"""Colours of the background, of text, and of text and lines that matter less."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_UNKNOWN_COLOR = (0, 0, 0)


def paint_classes(class_mask: UInt8Array, palette: UInt8Array) -> UInt8Array:
    """
    Return a mask in the colours of its classes, uint8 array H x W x 3.

    :param class_mask: uint8 array H x W, class id per pixel.
    :param palette: the colours as OpenCV's colour maps, contiguous uint8 array 256 x 1 x 3.
    """
    library = load()
    if library is None:
        return np.asarray(cv2.applyColorMap(class_mask, palette), np.uint8)
    class_mask = np.ascontiguousarray(class_mask)
    painted = np.empty((*class_mask.shape, 3), np.uint8)
    library.fcn_seg_paint(pointer(class_mask), ctypes.c_int64(class_mask.size), pointer(palette),
                          pointer(painted))
    return painted


def legend_entries(classes: ClassSet, histogram: npt.NDArray[np.int64] | None = None, *,
                   unknown: bool | None = None) -> list[LegendEntry]:
    """
    List what a legend shows: label, colour and share of each class.

    :param classes: the :class:`~fcn_seg_ros.networks.classes.ClassSet`.
    :param histogram: pixels per class id (256 values, also summed over several masks),
        or None for a legend without shares.
    :param unknown: whether an entry for pixels of unknown class follows; None adds it
        when the histogram has some.
    :returns: list of (label, (R, G, B), share or None).
    """
    total = 1 if histogram is None else max(1, int(np.sum(histogram)))

    def share(index: int) -> float | None:
        return None if histogram is None else float(histogram[index]) / total

    entries: list[LegendEntry] = [
        (label, (int(color[0]), int(color[1]), int(color[2])), share(index))
        for index, (label, color) in enumerate(zip(classes.labels, classes.colors))]
    if unknown is None:
        unknown = histogram is not None and bool(histogram[UNKNOWN])
    if unknown:
        entries.append(('unknown', _UNKNOWN_COLOR, share(UNKNOWN)))
    return entries


def draw_legend(entries: Sequence[LegendEntry], width: int, *, text_height: int | None = None,
                hide_below: float | None = None) -> UInt8Array:
    """
    Draw a legend as a strip: swatch, label and share, in columns.

    :param entries: see :func:`legend_entries`.
    :param width: of the strip, pixels.
    :param text_height: of a capital letter, pixels; None picks one that suits ``width``.
    :param hide_below: leave out classes with a smaller share, None shows all.
    :returns: the strip, as high as it must be.
    """
    if hide_below is not None:
        entries = [entry for entry in entries if entry[2] is None or entry[2] >= hide_below]
    text_height = text_height or default_text_height(width)
    row = round(text_height * 2.2)
    swatch, gap = round(text_height * 1.5), round(text_height * 0.8)
    texts = [_ascii(label) for label, _, _ in entries]
    shares = ['' if share is None else _percent(share) for _, _, share in entries]
    label_width = max((_text_width(text, text_height) for text in texts), default=0)
    # Of the widest share there is, so that the layout of a video's legend stands still.
    share_width = _text_width('100.0%', text_height) if any(shares) else 0
    column = swatch + gap + label_width + gap + share_width + 2 * gap
    rows = -(-len(entries) // max(1, (width - gap) // column))
    columns = -(-len(entries) // max(1, rows))  # as few as these rows need
    spread = min((width - gap) // max(1, columns), round(column * 1.5))
    panel = _paper(rows * row + 2 * gap, width)
    for index, ((_, color, _), text, share) in enumerate(zip(entries, texts, shares)):
        left = gap + index // rows * spread
        top = gap + index % rows * row
        middle = top + row // 2
        corners = (left, middle - swatch // 2), (left + swatch, middle + swatch // 2)
        cv2.rectangle(panel, *corners, color, cv2.FILLED)
        cv2.rectangle(panel, *corners, FAINT, 1)
        baseline = middle + text_height // 2
        draw_text(panel, text, left + swatch + gap, baseline, text_height)
        if share:
            right = left + swatch + gap + label_width + gap + share_width
            draw_text(panel, share, right - _text_width(share, text_height), baseline,
                      text_height, FAINT)
    return panel


def with_legend(image: UInt8Array, entries: Sequence[LegendEntry]) -> UInt8Array:
    """
    Return a picture with its legend below.

    :param image: uint8 array H x W x 3, RGB.
    :param entries: see :func:`legend_entries`.
    """
    return np.vstack((image, draw_legend(entries, image.shape[1])))


def side_by_side(images: Sequence[UInt8Array], titles: Sequence[str] | None = None, *,
                 gap: int = 8) -> UInt8Array:
    """
    Return pictures next to one another, scaled to the height of the first.

    :param images: RGB or mono pictures.
    :param titles: one line of text above each, or None.
    :param gap: pixels of paper between them.
    """
    height = images[0].shape[0]
    panels = [_fit_height(as_rgb(image), height) for image in images]
    if titles:
        text_height = default_text_height(sum(panel.shape[1] for panel in panels))
        panels = [_titled(panel, title, text_height) for panel, title in zip(panels, titles)]
    return _join(panels, gap, axis=1)


def contact_sheet(rows: Sequence[Sequence[UInt8Array]], *, titles: Sequence[str] | None = None,
                  row_titles: Sequence[str] | None = None, entries: Sequence[LegendEntry] = (),
                  cell_width: int = 420, gap: int = 8) -> UInt8Array:
    """
    Return rows of pictures under column titles, with one legend below.

    :param rows: list of rows, each a list of RGB or mono pictures; a mono picture (a
        confidence) is shown in false colours.
    :param titles: one per column, or None.
    :param row_titles: one per row, drawn into its first picture, or None.
    :param entries: of the legend, see :func:`legend_entries`.
    :param cell_width: width of each picture, pixels.
    :param gap: pixels of paper between them.
    :returns: RGB array.
    """
    text_height = default_text_height(cell_width * 3)
    lines = []
    for number, row in enumerate(rows):
        cells = [_fit_width(confidence_colors(cell) if cell.ndim == 2 else cell, cell_width)
                 for cell in row]
        height = max(cell.shape[0] for cell in cells)
        cells = [_pad(cell, height, cell_width) for cell in cells]
        if row_titles:
            draw_label(cells[0], row_titles[number], text_height)
        lines.append(_join(cells, gap, axis=1))
    width = max(line.shape[1] for line in lines)
    sheet = [_pad(line, line.shape[0], width) for line in lines]
    if titles:
        header = _paper(round(text_height * 2.2), width)
        for column, title in enumerate(titles):
            draw_text(header, title, column * (cell_width + gap), round(text_height * 1.6),
                      text_height)
        sheet.insert(0, header)
    if entries:
        sheet.append(draw_legend(entries, width, text_height=text_height))
    return _frame(_join(sheet, gap, axis=0), gap)


def confidence_colors(confidence: UInt8Array) -> UInt8Array:
    """
    Return a confidence in false colours: dark blue is 0, yellow is 1.

    :param confidence: uint8 array H x W.
    """
    colored = cv2.applyColorMap(confidence, cv2.COLORMAP_VIRIDIS)
    return convert_colors(colored, cv2.COLOR_BGR2RGB)


def as_rgb(image: UInt8Array) -> UInt8Array:
    """
    Return a mono picture as RGB, an RGB picture as it is.

    :param image: uint8 array H x W or H x W x 3.
    """
    if image.ndim == 3:
        return image
    return convert_colors(image, cv2.COLOR_GRAY2RGB)


def default_text_height(width: int) -> int:
    """
    Return a height for capital letters, pixels, that can be read on a picture.

    :param width: of the picture, pixels.
    """
    return int(np.clip(width / 75, 8, 24))


def draw_text(image: UInt8Array, text: str, left: int, baseline: int, height: int,
              color: Color = INK) -> None:
    """
    Write a line of text into a picture.

    :param image: uint8 array H x W x 3, RGB; it is changed.
    :param text: what is written.
    :param left: column where it begins, pixels.
    :param baseline: row on which the letters stand, pixels.
    :param height: of a capital letter, pixels.
    :param color: of the letters.
    """
    scale, thickness = _font_scale(height)
    cv2.putText(image, _ascii(text), (left, baseline), _FONT, scale, color, thickness,
                cv2.LINE_AA)


def draw_label(image: UInt8Array, text: str, height: int, left: int = 0, top: int = 0) -> None:
    """
    Write a line of text on a patch of paper into a picture.

    :param image: uint8 array H x W x 3, RGB; it is changed.
    :param text: what is written.
    :param height: of a capital letter, pixels.
    :param left: column of the patch's upper left corner, pixels.
    :param top: row of it, pixels.
    """
    pad = height // 2
    right = left + _text_width(text, height) + 2 * pad
    bottom = top + height + 2 * pad
    cv2.rectangle(image, (left, top), (right, bottom), PAPER, cv2.FILLED)
    draw_text(image, text, left + pad, bottom - pad, height)


def _font_scale(height: int) -> tuple[float, int]:
    thickness = max(1, round(height / 9))
    return cv2.getFontScaleFromHeight(_FONT, height, thickness), thickness


def _text_width(text: str, height: int) -> int:
    scale, thickness = _font_scale(height)
    return cv2.getTextSize(_ascii(text), _FONT, scale, thickness)[0][0]


def _ascii(text: str) -> str:
    return text.encode('ascii', 'replace').decode()


def _percent(share: float) -> str:
    return f'{share * 100:.1f}%' if share >= 0.0005 or share == 0 else '<0.1%'


def _paper(height: int, width: int) -> UInt8Array:
    return np.full((height, width, 3), PAPER, np.uint8)


def _pad(image: UInt8Array, height: int, width: int) -> UInt8Array:
    """Return ``image`` at the top left of a sheet of paper of at least its size."""
    sheet = _paper(height, width)
    sheet[:image.shape[0], :image.shape[1]] = image
    return sheet


def _frame(image: UInt8Array, gap: int) -> UInt8Array:
    return np.asarray(cv2.copyMakeBorder(
        image, gap, gap, gap, gap, cv2.BORDER_CONSTANT, value=PAPER), np.uint8)


def _join(panels: Sequence[UInt8Array], gap: int, axis: int) -> UInt8Array:
    """Stack panels of equal extent across ``axis`` with paper between them."""
    parts: list[UInt8Array] = []
    for panel in panels:
        if parts:
            shape = (gap, panel.shape[1]) if axis == 0 else (panel.shape[0], gap)
            parts.append(_paper(*shape))
        parts.append(panel)
    return np.concatenate(parts, axis)


def _titled(panel: UInt8Array, title: str, text_height: int) -> UInt8Array:
    header = _paper(round(text_height * 2.2), panel.shape[1])
    draw_text(header, title, 0, round(text_height * 1.6), text_height)
    return np.vstack((header, panel))


def _fit_height(image: UInt8Array, height: int) -> UInt8Array:
    return _scale(image, height / image.shape[0], height=height)


def _fit_width(image: UInt8Array, width: int) -> UInt8Array:
    return _scale(image, width / image.shape[1], width=width)


def _scale(image: UInt8Array, factor: float, *, width: int | None = None,
           height: int | None = None) -> UInt8Array:
    size = (width or max(1, round(image.shape[1] * factor)),
            height or max(1, round(image.shape[0] * factor)))
    if factor == 1:
        return image
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=interpolation), np.uint8)
