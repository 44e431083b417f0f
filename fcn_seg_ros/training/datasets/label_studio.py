"""Label Studio: one JSON file for all tasks, with brush strokes, polygons, boxes and ellipses."""

from collections import Counter
from pathlib import Path
import re
from typing import Any
from urllib.parse import unquote

import numpy as np
from PIL import Image, UnidentifiedImageError

from .base import Color
from .exports import Export, Labelled, read_json
from .shapes import Area, checked_size, Drawing, ellipse, ring, Shape, Stencil, turned
from ...errors import DatasetError
from ...images.files import read_picture
from ...support.arrays import BoolArray, Float64Array, MAX_PIXELS, Size

_UPLOAD = re.compile('[0-9a-f]{8}-')  # what Label Studio puts before a name
_PNG = re.compile(r'task-(\d+)-annotation-(\d+)-by-[^-]*-(.+)-\d+')


class LabelStudio(Export):
    """
    An export "JSON" of Label Studio, with the pictures beside it.

    Layout: any ``*.json`` that is a list of tasks; pictures lie anywhere below the folder, by
    the name that they were imported under or that Label Studio gave them.  Brush strokes,
    polygons, rectangles and ellipses are drawn in the file's order.  Of several annotations of
    one task the ground truth counts, else the newest; cancelled ones never.  Masks of the
    export "Brush labels to PNG" (``task-1-annotation-2-by-...png``) are taken for the tasks
    whose annotations are not in the JSON file, which is then the list of tasks.
    """

    name = 'labelstudio'

    def _read_export(self) -> None:
        self._tasks: list[tuple[Path, dict[str, Any]]] = []
        self._masks: dict[str, list[tuple[str, Path]]] = {}
        for path in sorted(self.root.rglob('*.json')):
            tasks = None if path.name.startswith('.') else read_json(path, (dict, list))
            if isinstance(tasks, list):
                self._tasks += [(path, task) for task in tasks
                                if isinstance(task, dict) and isinstance(task.get('data'), dict)]
                if any(isinstance(task, dict) and 'annotator' in task for task in tasks):
                    raise DatasetError(f'{path} is the export "JSON-MIN": export as "JSON"')
        if not self._tasks:
            raise DatasetError(f"labelstudio: {self.root} has no .json file with Label Studio's "
                               'tasks: export as "JSON" (its PNG files alone do not say which '
                               'picture they are of)')
        newest: dict[str, int] = {}
        for path in sorted(self.root.rglob('task-*.png')):
            match = _PNG.fullmatch(path.stem)
            if match:
                task, annotation = match[1], int(match[2])
                if annotation > newest.get(task, -1):
                    newest[task], self._masks[task] = annotation, []
                if annotation == newest[task]:
                    self._masks[task].append((match[3].partition('-')[2] or match[3], path))

    def _named(self) -> tuple[list[str], dict[str, Color]]:
        labels = {label for path, task in self._tasks
                  for result in _results(task, path) for label in _labels(result)}
        labels.update(label for masks in self._masks.values() for label, _ in masks)
        return sorted(labels), {}

    def _pictures(self) -> Labelled:
        result: Labelled = []
        without_area: Counter[str] = Counter()
        for path, task in self._tasks:
            picture = self._task_picture(task, path)
            size: Size | None = None
            shapes: list[Shape] = []
            for one in _results(task, path):
                if not _labels(one):
                    continue  # a choice or a text, or the shape of a "labels" result
                own = checked_size(one.get('original_width'), one.get('original_height'), picture)
                if size not in (None, own):
                    raise DatasetError(f'{picture}: labels of the sizes {size} and {own}')
                size = own
                shape = _shape(one['value'], _labels(one)[0], own, one, picture)
                if shape is None:
                    without_area[picture.name] += 1
                else:
                    shapes.append(shape)
            if not shapes:
                for label, file in self._masks.get(str(task.get('id')), ()):
                    mask = _read_png(file)
                    if size not in (None, mask.shape):
                        raise DatasetError(f'{file} is {Size(*mask.shape)}, other masks of '
                                           f'{picture} are {size}')
                    size = Size(*mask.shape)
                    shapes.append(Stencil(label, mask))
            if size is None:
                size = Size(*read_picture(picture).shape[:2])
            result.append((picture, Drawing(size, shapes), self._split_of_folder(picture)))
        self.notes += [f'{name}: {count} points or lines have no area'
                       for name, count in without_area.items()]
        return result

    def _task_picture(self, task: dict[str, Any], path: Path) -> Path:
        """Return a task's picture by the names that it may have."""
        values = [task.get('file_upload'), *task['data'].values()]
        names = []
        for value in values:
            if isinstance(value, str) and value:
                name = unquote(value.partition('?d=')[2] or value.partition('?')[0])
                names += [name, _UPLOAD.sub('', Path(name).name, count=1)]
        for name in names:
            try:
                return self._picture(name, path.parent, self.root)
            except DatasetError:
                continue
        if not names:
            raise DatasetError(f"{path}: the task {task.get('id')} names no picture")
        return self._picture(names[0], path.parent, self.root)


def _results(task: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """Return the results of the annotation that counts."""
    annotations = [one for one in task.get('annotations') or () if isinstance(one, dict)
                   and not one.get('was_cancelled')]
    if not annotations:
        return []
    last = max(annotations, key=lambda one: (
        bool(one.get('ground_truth')), str(one.get('updated_at') or ''),
        one['id'] if isinstance(one.get('id'), int) else 0))
    results = last.get('result') or []
    if not isinstance(results, list) or not all(
            isinstance(one, dict) and isinstance(one.get('value', {}), dict) for one in results):
        raise DatasetError(f"{path}: the task {task.get('id')} has a result that is no mapping")
    return results


def _labels(result: dict[str, Any]) -> list[str]:
    """Return the labels of a result: ``brushlabels``, ``polygonlabels``, ``labels`` and so on."""
    return [str(label) for key, labels in result.get('value', {}).items()
            if key.endswith('labels') and isinstance(labels, list) for label in labels[:1]]


def _shape(value: dict[str, Any], label: str, size: Size, result: dict[str, Any], where: Path
           ) -> Shape | None:
    """Return what a result covers, None for one without area; numbers are percent."""
    if result.get('image_rotation'):
        raise DatasetError(f'{where} was turned in Label Studio: turn the file itself instead')
    if 'imageDataURL' in value:
        raise DatasetError(f"{where}: '{label}' is a bitmask: label with a brush instead")
    if 'rle' in value:
        return Stencil(label, decode_brush(value['rle'], size, where))
    to_pixels = np.array([size.width, size.height]) / 100
    if 'points' in value:
        points = ring(value['points'] or (), where)
        return _outline(label, np.array(points) * to_pixels) if len(points) > 2 else None
    keys = ('x', 'y', 'radiusX', 'radiusY') if 'radiusX' in value else \
        ('x', 'y', 'width', 'height')
    if not all(key in value for key in keys):
        return None
    ((x, y), (a, b)) = np.array(ring([(value[keys[0]], value[keys[1]]),
                                      (value[keys[2]], value[keys[3]])], where)) * to_pixels
    outline = ellipse(x, y, a, b) if 'radiusX' in value else \
        np.array([(x, y), (x + a, y), (x + a, y + b), (x, y + b)])
    ((angle, _),) = ring([(value.get('rotation') or 0, 0)], where)
    # A rectangle turns about its first corner, an ellipse about its middle.
    return _outline(label, turned(outline, angle, np.array([x, y])))


def _outline(label: str, points: Float64Array) -> Area:
    """Return a polygon; what was a whole pixel before it was a percentage is one again."""
    return Area(label, (tuple((x, y) for x, y in np.round(points, 6).tolist()),))


def _read_png(path: Path) -> BoolArray:
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise DatasetError(f'{path}: a mask of {picture.width}x{picture.height} pixels')
            return np.asarray(picture.convert('L')) > 0
    except (OSError, UnidentifiedImageError) as error:
        raise DatasetError(f'cannot read the mask {path}: {error}') from None


def decode_brush(codes: object, size: Size, where: str | Path) -> BoolArray:
    """
    Return the mask that Label Studio's run lengths of a brush stand for.

    A stream of bits: 32 for the number of bytes (4 a pixel: red, green, blue, alpha), 5 for the
    bits of a word less one, 4 times 4 for the widths of lengths less one; then runs: 1 and the
    word that repeats, or 0 and the words, after two bits that choose the width and the length
    less one.

    :param codes: the list of bytes.
    :param size: of the picture.
    :param where: the picture, for messages.
    :returns: bool array H x W, True where alpha is not 0.
    :raises DatasetError: when it is no such thing, or not of the picture's size.
    """
    try:
        data = np.array(codes, np.int64)
        if data.ndim != 1 or data.min() < 0 or data.max() > 255:
            raise ValueError
        bits = np.unpackbits(data.astype(np.uint8))
    except (TypeError, ValueError, OverflowError):
        raise DatasetError(f'{where}: the run lengths of a brush are no list of bytes') from None
    text = (bits + ord('0')).tobytes().decode('ascii')
    count = size.height * size.width * 4
    try:
        if int(text[:32], 2) != count or int(text[32:37], 2) != 7:
            raise DatasetError(f"{where}: a brush's mask of {int(text[:32], 2) // 4} pixels, the "
                               f'picture is {size}')
        widths = [int(text[37 + 4 * i:41 + 4 * i], 2) + 1 for i in range(4)]
        out = np.zeros(count, np.uint8)
        done, place = 0, 53
        while done < count:
            repeated, width = text[place] == '1', widths[int(text[place + 1:place + 3], 2)]
            place += 3
            length = int(text[place:place + width], 2) + 1
            place += width
            words = np.packbits(bits[place:place + 8 * (1 if repeated else length)])
            out[done:done + length] = words
            place += 8 * len(words)
            done += length
            if done > count or place > len(text):
                raise ValueError
    except (ValueError, IndexError):
        raise DatasetError(f'{where}: the run lengths of a brush do not fill the picture'
                           ) from None
    return out.reshape(size.height, size.width, 4)[:, :, 3] > 0
