"""Class masks as labelling tools import them, for people to mend instead of drawing anew."""

from collections.abc import Iterable, Iterator
from io import BytesIO
import json
import os
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple
import zipfile

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from ..errors import DatasetError, MediaError
from ..networks.classes import ClassSet, palette_color, plain_label, UNKNOWN
from ..support.arrays import BoolArray, UInt8Array
from ..support.atomic_files import write_file

_LABELME_VERSION = '5.5.0'  # of the format; LabelMe only compares the first number
_IGNORED = '__ignore__'  # LabelMe's label for pixels that are to be left out
_BACKGROUND = 'background'  # CVAT's label for pixels that nobody has labelled; always black


def write_labelme(picture: str | os.PathLike[str], class_mask: UInt8Array, classes: ClassSet,
                  folder: str | os.PathLike[str] | None = None, *, tolerance: float = 0.0
                  ) -> Path:
    """
    Write a mask as the polygons of LabelMe's JSON file of a picture.

    Polygons lie on one another: one that has holes comes before those that fill the holes, and
    unknown pixels in a hole are a polygon ``__ignore__``.  Drawn in the file's order, as
    LabelMe draws them, they give the mask.

    :param picture: path of the picture.
    :param class_mask: uint8 array H x W of class ids, of the upright picture's size;
        255 = unknown.
    :param classes: of the mask.
    :param folder: where to write; beside the picture by default, where LabelMe looks for it.
    :param tolerance: how far outlines may be off, pixels, to have fewer points to move; areas
        of less than its square are left out.  0 keeps every pixel.
    :returns: path of the file.
    :raises DatasetError: when the mask has an id without class.
    :raises MediaError: when the file cannot be written.
    """
    _check_ids(class_mask, classes)
    picture = Path(picture)
    folder = picture.parent if folder is None else Path(folder)
    height, width = class_mask.shape
    shapes = [{'label': _IGNORED if class_id == UNKNOWN else classes.labels[class_id],
               'points': points.tolist(), 'group_id': None, 'description': '',
               'shape_type': 'polygon', 'flags': {}, 'mask': None}
              for class_id, points in _polygons(class_mask, tolerance)]
    data = {'version': _LABELME_VERSION, 'flags': {}, 'shapes': shapes,
            'imagePath': Path(os.path.relpath(picture, folder)).as_posix(), 'imageData': None,
            'imageHeight': height, 'imageWidth': width}
    path = folder / f'{picture.stem}.json'
    try:
        write_file(path, json.dumps(data, indent=1, ensure_ascii=False).encode('utf-8'))
    except OSError as error:
        raise MediaError(f'cannot write {path}: {error.strerror or error}') from None
    return path


def write_cvat_masks(items: Iterable[tuple[str, UInt8Array]], classes: ClassSet,
                     archive: str | os.PathLike[str]) -> None:
    """
    Write masks as the zip file that CVAT imports as "Segmentation mask 1.1".

    Classes have their own colours where these tell them apart, and those of VOC's palette
    otherwise.  Unknown pixels, and those of a class ``background``, are black, which CVAT
    takes for not labelled.

    :param items: the name of each picture, as the task in CVAT has it (``run/0001.jpg``), and
        its mask: uint8 array H x W of class ids, 255 = unknown.
    :param classes: of the masks; the task in CVAT needs labels of these names.
    :param archive: path of the zip file.
    :raises DatasetError: when a mask has an id without class, a label holds what CVAT's list
        cannot, two pictures differ in their suffix only, or there is no item.
    :raises MediaError: when the file cannot be written.
    """
    for label in classes.labels:
        if set(label) & set(':\r\n') or label.startswith('#'):
            raise DatasetError(f"CVAT's list of labels cannot hold '{label}'")
    colors = _cvat_colors(classes)
    table = np.zeros((256, 3), np.uint8)
    table[:len(colors)] = colors

    def write(file: BinaryIO) -> None:
        names: dict[str, None] = {}
        with zipfile.ZipFile(file, 'w', zipfile.ZIP_STORED) as out:  # PNG is compressed already
            for picture, class_mask in items:
                _check_ids(class_mask, classes)
                name = str(PurePosixPath(picture).with_suffix(''))
                if name in names:
                    raise DatasetError(f'CVAT tells pictures apart without suffix: {name} is '
                                       'there twice')
                names[name] = None
                png = BytesIO()
                Image.fromarray(table[class_mask]).save(png, 'PNG')
                out.writestr(f'SegmentationClass/{name}.png', png.getvalue())
            if not names:
                raise DatasetError('there is no mask to write')
            out.writestr('ImageSets/Segmentation/default.txt', '\n'.join(names) + '\n')
            out.writestr('labelmap.txt', _labelmap(classes, colors))

    try:
        write_file(archive, write)
    except OSError as error:
        raise MediaError(f'cannot write {archive}: {error.strerror or error}') from None


def _check_ids(class_mask: UInt8Array, classes: ClassSet) -> None:
    wrong = np.setdiff1d(class_mask, [*range(len(classes)), UNKNOWN])
    if wrong.size:
        raise DatasetError(f'the mask has class id {wrong[0]}, {classes.name} has '
                           f'0..{len(classes) - 1}')


class _Region(NamedTuple):
    """Connected pixels of one class."""

    class_id: int
    outline: npt.NDArray[np.int32]
    """N x 2, x and y of pixels at its rim."""
    filled: int
    """Pixels within the outline, holes included."""


def _polygons(class_mask: UInt8Array, tolerance: float
              ) -> Iterator[tuple[int, npt.NDArray[np.int32]]]:
    """Yield class id and points of what to draw in turn, so that the mask comes out."""
    # Regions are connected by edges, not corners, so that each lies in a hole of another or
    # outside of it, never both; the one with the larger filled area is the outer one.
    regions = [region for class_id in np.unique(class_mask).tolist()
               for region in _regions(class_mask == class_id, class_id, tolerance)]
    regions.sort(key=lambda region: -region.filled)
    height, width = class_mask.shape
    canvas = Image.new('L', (width, height), UNKNOWN)
    pen = ImageDraw.Draw(canvas)
    for class_id, outline, _ in regions:
        x, y = outline[0].tolist()
        if class_id == UNKNOWN and canvas.getpixel((x, y)) == UNKNOWN:
            continue
        points = outline if len(outline) > 2 else \
            np.resize(outline, (3, 2))  # a polygon has three points at least
        pen.polygon([(x, y) for x, y in points.tolist()], fill=class_id, outline=class_id)
        yield class_id, points


def _regions(mask: BoolArray, class_id: int, tolerance: float) -> Iterator[_Region]:
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8),
                                                            connectivity=4)
    for number, (left, top, width, height, area) in enumerate(stats.tolist()):
        if number == 0 or area < tolerance ** 2:
            continue
        own = (numbers[top:top + height, left:left + width] == number).astype(np.uint8)
        contours, _ = cv2.findContours(own, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        contour = contours[0]
        filled = int(np.count_nonzero(cv2.drawContours(own, contours, 0, 1, cv2.FILLED)))
        if tolerance:
            contour = cv2.approxPolyDP(contour, tolerance, closed=True)
        yield _Region(class_id, contour.reshape(-1, 2) + np.array([left, top], np.int32), filled)


def _cvat_colors(classes: ClassSet) -> UInt8Array:
    """Return a colour per class, all different, black for none but a background."""
    background = [plain_label(label) == _BACKGROUND for label in classes.labels]
    colors = np.array(classes.colors)
    others = {tuple(color) for color in colors[np.logical_not(background)].tolist()}
    if len(others) + sum(background) < len(colors) or (0, 0, 0) in others:
        colors = np.array([palette_color(index + 1) for index in range(len(colors))], np.uint8)
    colors[background] = 0
    return colors


def _labelmap(classes: ClassSet, colors: UInt8Array) -> str:
    """Return the text of ``labelmap.txt``."""
    lines = [f'{_BACKGROUND}:0,0,0::'] if colors.any(axis=1).all() else []
    lines += [f'{label}:{",".join(map(str, color))}::'
              for label, color in zip(classes.labels, colors.tolist())]
    return '\n'.join(['# label:color_rgb:parts:actions', *lines]) + '\n'
