"""Second pass: read the chosen pictures again, write what people label, and why it was chosen."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import csv
import io
import math
from pathlib import Path

import cv2
import numpy as np

from .choice import Choice
from ..images.compressed import encode_jpeg
from ..images.drawing import contact_sheet, draw_label, legend_entries
from ..offline.shots import Shot
from ..segmenter import Segmenter
from ..support.arrays import UInt8Array
from ..support.atomic_files import write_file
from ..training.labelling import write_cvat_masks, write_labelme

PRELABELS = ('labelme', 'cvat')
"""Labelling tools that the network's masks can be written for."""

Key = tuple[str, int]
"""Recording and number of a picture."""

CVAT_ARCHIVE = 'cvat_masks.zip'

_QUALITY = 95  # of the JPEG files, 1 to 100
_TOLERANCE = 1.0  # pixels that LabelMe's outlines may be off, to have fewer points to move
_ON_SHEET = 12  # pictures, each with the network's opinion beside it
_COLUMNS, _CELL_WIDTH, _TEXT_HEIGHT = 4, 320, 9  # the latter in pixels
_TABLE = ('picture', 'order', 'recording', 'number', 'time', 'reasons', 'stands_for', 'entropy',
          'disagreement', 'sharpness', 'seen')


class Folder:
    """
    The folder of chosen pictures: ``images/``, ``frames.csv``, ``contact_sheet.jpg``.

    :param path: where to write.
    :param segmenter: its network's masks are on the contact sheet and in the prelabels.
    :param files: {(recording, number): name of the file without suffix} of the chosen pictures,
        in the order of being chosen; the contact sheet shows the first ones.
    :param prelabel: one of :data:`PRELABELS`, or '' for none.
    """

    def __init__(self, path: Path, segmenter: Segmenter, files: Mapping[Key, str],
                 prelabel: str = '') -> None:
        self._path, self._segmenter, self._prelabel = path, segmenter, prelabel
        self._files = files
        self._on_sheet = set(list(files.values())[:_ON_SHEET])
        self._cells: dict[str, list[UInt8Array]] = {}
        self._written: set[str] = set()
        self._masks: list[tuple[str, UInt8Array]] = []  # as PNG, for CVAT's archive

    def write_pictures(self, shots: Iterable[Shot]) -> None:
        """
        Write pictures, and masks beside them where LabelMe is to open them.

        :param shots: chosen ones; what can no longer be read is left out.
        """
        for shot in shots:
            if shot.image is None:
                continue
            name = self._files[shot.recording, shot.number]
            path = self._path / 'images' / f'{name}.jpg'
            write_file(path, encode_jpeg(shot.image, _QUALITY))
            self._written.add(name)
            if not self._prelabel and name not in self._on_sheet:
                continue
            result = self._segmenter(shot.image)
            if self._prelabel == 'labelme':
                write_labelme(path, result.class_mask, self._segmenter.classes,
                              tolerance=_TOLERANCE)
            elif self._prelabel == 'cvat':
                packed = cv2.imencode('.png', result.class_mask)[1]
                self._masks.append((path.name, np.asarray(packed, np.uint8)))
            if name in self._on_sheet:
                self._cells[name] = [_small(shot.image), _small(result.overlay(0.5))]

    def finish(self, choices: Sequence[Choice]) -> int:
        """
        Write the table, the contact sheet, and CVAT's archive where it was asked for.

        :param choices: in the order of being chosen.
        :returns: number of pictures that were written.
        """
        named = [(self._files[choice.candidate.recording, choice.candidate.number], choice)
                 for choice in choices]
        named = [(name, choice) for name, choice in named if name in self._written]
        write_file(self._path / 'frames.csv', _table(named, self._segmenter.classes.labels))
        cells = []
        for number, (name, choice) in enumerate(named, 1):
            if name in self._cells:
                picture, overlay = self._cells[name]
                draw_label(picture, f'{number}: {choice.reasons[0]}', _TEXT_HEIGHT)
                cells += [picture, overlay]
        if cells:
            sheet = contact_sheet(
                [cells[first:first + _COLUMNS] for first in range(0, len(cells), _COLUMNS)],
                entries=legend_entries(self._segmenter.classes), cell_width=_CELL_WIDTH)
            write_file(self._path / 'contact_sheet.jpg', encode_jpeg(sheet))
        if self._masks:
            write_cvat_masks(self._unpacked(), self._segmenter.classes,
                             self._path / CVAT_ARCHIVE)
        return len(named)

    def _unpacked(self) -> Iterator[tuple[str, UInt8Array]]:
        for name, packed in self._masks:
            yield name, np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)


def _table(named: Sequence[tuple[str, Choice]], labels: Sequence[str]) -> bytes:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator='\n')
    rows.writerow(_TABLE)
    for order, (name, choice) in enumerate(named, 1):
        one = choice.candidate
        shown = sorted(zip(one.shares.tolist(), labels), reverse=True)
        rows.writerow((
            f'images/{name}.jpg', order, one.recording, one.number, f'{one.time:.3f}',
            '; '.join(choice.reasons), choice.stands_for, f'{one.entropy:.4f}',
            '' if math.isnan(one.disagreement) else f'{one.disagreement:.4f}',
            f'{one.sharpness:.3f}',
            ' '.join(f'{label}:{share:.3f}' for share, label in shown if share >= 0.001)))
    return text.getvalue().encode()


def _small(image: UInt8Array) -> UInt8Array:
    height = max(1, round(image.shape[0] * _CELL_WIDTH / image.shape[1]))
    return np.asarray(cv2.resize(image, (_CELL_WIDTH, height), interpolation=cv2.INTER_AREA),
                      np.uint8)
