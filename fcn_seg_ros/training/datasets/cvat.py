"""CVAT: "CVAT for images 1.1" (XML) and "Segmentation mask 1.1" (colours and labelmap.txt)."""

from pathlib import Path
import re
from xml.etree import ElementTree

import numpy as np
from PIL import Image, UnidentifiedImageError

from .base import Color, colors_to_ids, IGNORE, pictures_in
from .common_labels import BACKGROUND
from .exports import Export, Labelled, MAX_JSON_BYTES, split_of
from .shapes import Area, checked_size, Drawing, ellipse, ring, Shape, Stencil, turned
from ...errors import DatasetError
from ...support.arrays import MAX_PIXELS, Size, UInt8Array

_LABELMAP, _XML = 'labelmap.txt', 'annotations.xml'


class Cvat(Export):
    """
    An export of CVAT, with the pictures in it or put beside it.

    Layouts: ``annotations.xml`` and ``images/``, where polygons, boxes, ellipses and masks are
    drawn by their ``z_order``; or ``labelmap.txt``, ``SegmentationClass/NAME.png``,
    ``JPEGImages/`` and ``ImageSets/Segmentation/<split>.txt``.
    """

    name = 'cvat'

    def _read_export(self) -> None:
        self._labels: dict[str, Color | None] = {}
        self._xml: ElementTree.Element | None = None
        if (self.root / _LABELMAP).is_file():
            self._read_labelmap(self.root / _LABELMAP)
        elif (self.root / _XML).is_file():
            self._read_xml(self.root / _XML)
        else:
            raise DatasetError(f'cvat: {self.root} has neither {_XML} (export as "CVAT for images '
                               f'1.1") nor {_LABELMAP} (export as "Segmentation mask 1.1")')

    def _named(self) -> tuple[list[str], dict[str, Color]]:
        return list(self._labels), {label: color for label, color in self._labels.items() if color}

    def _pictures(self) -> Labelled:
        return self._masked() if self._xml is None else self._drawn(self._xml)

    # Segmentation mask 1.1

    def _read_labelmap(self, path: Path) -> None:
        for number, line in enumerate(path.read_text(encoding='utf-8-sig').splitlines(), 1):
            if not line.strip() or line.startswith('#'):
                continue
            label, *rest = line.split(':')
            values = rest[0].split(',') if rest else []
            if len(values) != 3 or not all(v.strip().isdecimal() and int(v) < 256 for v in values):
                raise DatasetError(f"{path} line {number} is '{line[:40]}': expected "
                                   'label:R,G,B::')
            red, green, blue = map(int, values)
            self._labels[label.strip()] = red, green, blue

    def _masked(self) -> Labelled:
        splits = {}
        for listing in sorted(self.root.glob('ImageSets/Segmentation/*.txt')):
            for name in listing.read_text(encoding='utf-8-sig').splitlines():
                splits[name.strip()] = split_of(listing.stem)
        folder = self.root / 'SegmentationClass'
        by_stem: dict[str, Path] = {}
        for path in pictures_in(self.root):
            inside = path.relative_to(self.root)
            if inside.parts[0] not in ('SegmentationClass', 'SegmentationObject'):
                by_stem.setdefault(str(Path(*inside.with_suffix('').parts[1:])), path)
                by_stem.setdefault(path.stem, path)
        result: Labelled = []
        for mask in pictures_in(folder):
            name = str(mask.relative_to(folder).with_suffix(''))
            picture = by_stem.get(name) or by_stem.get(mask.stem)
            if picture is None:
                raise DatasetError(f'cvat: the picture of {mask} is missing: export with "save '
                                   f'images", or put it into {self.root / "JPEGImages"}')
            result.append((picture, mask, splits.get(name, '')))
        return result

    def _read_mask(self, picture: Path, mask: Path) -> UInt8Array:
        try:
            with Image.open(mask) as file:
                rgb = np.array(file.convert('RGB'), np.uint8)
        except (OSError, UnidentifiedImageError) as error:
            raise DatasetError(f'cannot read the mask {mask}: {error}') from None
        names = [*self._labels, BACKGROUND[0]]
        places = {color: place for place, color in reversed(list(enumerate(
            [*self._labels.values(), (0, 0, 0)]))) if color}
        drawn, unknown = colors_to_ids(rgb, places)
        if unknown.any():
            color = tuple(rgb[unknown][0].tolist())
            raise DatasetError(f'{mask}: the colour {color} is not in {_LABELMAP}')
        table = np.full(256, IGNORE, np.uint8)
        for place in np.unique(drawn).tolist():  # a label that occurs nowhere may lack a class
            table[place] = self.class_id(names[place], picture)
        return table[drawn]

    # CVAT for images 1.1

    def _read_xml(self, path: Path) -> None:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise DatasetError(f'{path} is larger than {MAX_JSON_BYTES >> 20} MiB')
        data = path.read_bytes()
        if b'<!DOCTYPE' in data or b'<!ENTITY' in data:
            raise DatasetError(f'{path} declares entities, which CVAT never does')
        try:
            self._xml = ElementTree.fromstring(data)
        except ElementTree.ParseError as error:
            raise DatasetError(f'cannot read {path}: {error}') from None
        if self._xml.find('track') is not None:
            raise DatasetError(f'{path} is "CVAT for video": export it as "CVAT for images 1.1"')
        for label in self._xml.iterfind('meta//labels/label'):
            name = (label.findtext('name') or '').strip()
            color = (label.findtext('color') or '').strip().lstrip('#')
            if name and re.fullmatch('[0-9A-Fa-f]{6}', color):
                red, green, blue = bytes.fromhex(color)
                self._labels[name] = red, green, blue
            elif name:
                self._labels[name] = None
        # Without "meta", as other tools write it: what the shapes say.
        for shape in self._xml.iterfind('image/*[@label]'):
            self._labels.setdefault(shape.get('label', ''), None)

    def _drawn(self, xml: ElementTree.Element) -> Labelled:
        result: Labelled = []
        for image in xml.iterfind('image'):
            name = image.get('name', '')
            where = f'{self.root / _XML}: {name}'
            size = checked_size(_integer(image, 'width', where), _integer(image, 'height', where),
                                where)
            elements = sorted(image, key=lambda one: _order(one, where))
            shapes = [shape for shape in (_shape(one, where) for one in elements) if shape]
            folder = self.root / 'images'
            picture = self._picture(name, self.root, folder, folder / image.get('subset', ''))
            result.append((picture, Drawing(size, shapes), split_of(image.get('subset', ''))))
        return result


def _integer(element: ElementTree.Element, key: str, where: str) -> int:
    text = element.get(key, '')
    if not text.isdecimal():
        raise DatasetError(f"{where}: '{key}' must be a whole number, not '{text[:20]}'")
    return int(text)


def _order(element: ElementTree.Element, where: str) -> float:
    return _number(element, 'z_order', where) if element.get('z_order') else 0.0


def _number(element: ElementTree.Element, key: str, where: str) -> float:
    try:
        return float(element.get(key, ''))
    except ValueError:
        raise DatasetError(f"{where}: '{key}' must be a number") from None


def _shape(element: ElementTree.Element, where: str) -> Shape | None:
    """Return what a shape covers; None for one without area, as for tags."""
    label = element.get('label', '')
    if element.tag == 'polygon':
        points = ring((pair.split(',') for pair in element.get('points', '').split(';')), where)
        return Area(label, (points,))
    if element.tag in ('box', 'ellipse'):
        keys = ('xtl', 'ytl', 'xbr', 'ybr') if element.tag == 'box' else ('cx', 'cy', 'rx', 'ry')
        a, b, c, d = (_number(element, key, where) for key in keys)
        if element.tag == 'box':
            outline = np.array([(a, b), (c, b), (c, d), (a, d)], np.float64)
        else:
            outline = ellipse(a, b, c, d)
        angle = _number(element, 'rotation', where) if element.get('rotation') else 0.0
        return Area(label, (ring(turned(outline, angle, outline.mean(0)), where),))
    if element.tag == 'mask':
        return _stencil(element, label, where)
    return None


def _stencil(element: ElementTree.Element, label: str, where: str) -> Stencil:
    left, top, width, height = (_integer(element, key, where)
                                for key in ('left', 'top', 'width', 'height'))
    counts = [int(text) for text in element.get('rle', '').split(',') if text.strip().isdecimal()]
    if width * height > MAX_PIXELS or sum(counts) != width * height:
        raise DatasetError(f"{where}: the run lengths of a mask '{label}' do not fill it")
    mask = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(Size(height, width))
    return Stencil(label, mask, left, top)
