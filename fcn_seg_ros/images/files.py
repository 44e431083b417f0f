"""
The one reader of picture files, for all commands, for training and for the Segmenter.

Content decides what a file is, not its suffix.  Pictures come the right way up (by their EXIF
orientation), in 8 bits; a file that is cut short is refused by name.
"""

from io import BytesIO
import os
from pathlib import Path
import re
import warnings

import cv2
import numpy as np
from PIL import Image

from .colors import convert_colors
from .compressed import decode
from .headers import read_header
from .raw import check_size
from ..errors import ImageError, MediaError
from ..support.arrays import UInt8Array

PICTURE_SUFFIXES = ('.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.bmp', '.webp', '.tif', '.tiff',
                    '.ppm', '.pgm', '.pbm', '.pnm')
"""Suffixes, in lower case, of the files that are looked for in a folder."""

PHONE_SUFFIXES = ('.heic', '.heif', '.avif')
"""Suffixes of the pictures of phones, which are not read: to be named, not to be passed over."""

MAX_BYTES = 512 << 20
"""Largest file that is read: 64 million pixels of 16 bits and four channels."""

_OTHER_FORMATS = ('BMP', 'PPM', 'TIFF')
"""What Pillow may read; JPEG, PNG and WebP are decoded by :mod:`.compressed`."""
_ORIENTATION = 0x0112  # EXIF's tag
_HEIF = re.compile(rb'....ftyp(heic|heix|heim|heis|hevc|mif1|msf1|avif|avis)', re.DOTALL)
HEIF_ADVICE = ('it is a HEIC or AVIF picture, make it a JPEG or PNG first (heif-convert, '
               'ImageMagick)')
"""What such a picture is refused with, by whoever meets it first."""


def is_picture_name(path: str | os.PathLike[str],
                    suffixes: tuple[str, ...] = PICTURE_SUFFIXES) -> bool:
    """
    Tell by a file's name whether it is to be taken for a picture when a folder is searched.

    Hidden files are none: macOS puts ``._name.jpg``, which holds no picture, beside ``name.jpg``.

    :param path: the file; it is not looked at.
    :param suffixes: those that pictures have, in lower case.
    """
    path = Path(path)
    return path.suffix.lower() in suffixes and not path.name.startswith('.')


def read_picture(path: str | os.PathLike[str]) -> UInt8Array:
    """
    Read a picture file: JPEG, PNG, WebP, TIFF, BMP or PNM, whatever its name.

    16-bit samples are scaled to 8 bits, transparency is dropped, and what follows the picture's
    end in the file is left out.

    :param path: the file.
    :returns: uint8 array, H x W x 3, RGB, upright.
    :raises MediaError: naming the file, when it cannot be read, is cut short or damaged, has
        more than :data:`.raw.MAX_PIXELS` pixels, or is no such picture.
    """
    path = Path(path)
    try:
        with open(path, 'rb') as file:
            data = file.read(MAX_BYTES + 1)
        if not data:
            raise ImageError('compressed', 'it is empty')
        if len(data) > MAX_BYTES:
            raise ImageError('too_large', f'it is larger than {MAX_BYTES >> 20} MiB')
        return _upright(data)
    except (ImageError, cv2.error) as error:
        raise MediaError(f'cannot read {path}: {getattr(error, "err", error)}') from None
    except OSError as error:
        raise MediaError(f'cannot read {path}: {error.strerror or error}') from None


def is_heif(data: bytes) -> bool:
    """
    Tell whether a file's beginning is that of a HEIC or AVIF picture, as phones take them.

    :param data: its first 12 bytes or more.
    """
    return _HEIF.match(data) is not None


def picture_to_rgb(picture: Image.Image) -> UInt8Array:
    """
    Return the pixels of a PIL picture as they lie, in RGB.

    :param picture: of any mode that has colours or grey levels of 1, 8 or 16 bits; its EXIF
        orientation, if any, is left to whoever opened it.
    :returns: uint8 array, H x W x 3.
    :raises ImageError: for another mode, or too many pixels.
    """
    check_size(picture.height, picture.width)
    # Pillow reads 16 bits of PNM, in older versions also of PNG, into 32.
    if picture.mode.startswith('I;16') or (
            picture.mode == 'I' and picture.format in ('PPM', 'PNG')):
        levels = np.asarray(picture).astype(np.uint16)
        grey = cv2.convertScaleAbs(levels, alpha=1 / 257)
        return convert_colors(grey, cv2.COLOR_GRAY2RGB)
    if picture.mode in ('I', 'F'):
        raise ImageError('encoding', f'a picture of mode {picture.mode} holds numbers without '
                                     'a scale: make it 8 bits first')
    if picture.mode != 'RGB':
        # A transparent pixel keeps its colour: convert('RGB') of these drops the alpha.
        picture = picture.convert('RGBA') if 'transparency' in picture.info else picture
        picture = picture.convert('RGB')
    return np.array(picture, np.uint8)


def _upright(data: bytes) -> UInt8Array:
    header = read_header(data)
    if is_heif(data):
        raise ImageError('encoding', HEIF_ADVICE)
    if header is None:
        return _read_with_pillow(data)
    try:
        pixels = decode(data, upright=True)
    except ImageError:
        if header.codec != 'WebP':
            raise
        # Older OpenCV, Ubuntu 22.04's among them, reads no moving WebP.
        pixels = _read_with_pillow(data, ('WEBP',))
    return pixels if header.codec == 'JPEG' else _turn(pixels, _orientation(data))


def _orientation(data: bytes) -> int:
    """Return the EXIF orientation of a PNG or WebP, 1 where it has none that can be read."""
    try:
        with Image.open(BytesIO(data), formats=('PNG', 'WEBP')) as picture:
            return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # Pillow raises what its parsers come to; the pixels are whole
        return 1


def _turn(pixels: UInt8Array, orientation: int) -> UInt8Array:
    """Return the picture upright whose EXIF orientation (1 to 8) is given."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _read_with_pillow(data: bytes, formats: tuple[str, ...] = _OTHER_FORMATS) -> UInt8Array:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # our own bound is lower than Pillow's
            picture = Image.open(BytesIO(data), formats=formats)
        with picture:
            check_size(picture.height, picture.width)  # before anything is decoded
            picture.load()  # which turns a TIFF upright; the other formats say nothing of it
            return picture_to_rgb(picture)
    except ImageError:
        raise
    except Image.UnidentifiedImageError:
        raise ImageError('encoding', 'it is no JPEG, PNG, WebP, TIFF, BMP or PNM picture, or its '
                                     'beginning is damaged') from None
    except Exception as error:  # on damaged files Pillow raises whatever its parsers come to
        raise ImageError('compressed', f'it is cut short or damaged ({error})') from None
