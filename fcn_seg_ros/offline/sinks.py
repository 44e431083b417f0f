"""Where pictures go to: image files and videos, whole or not at all."""

import os
from pathlib import Path

import cv2

from ..errors import MediaError
from ..images.colors import convert_colors
from ..support.arrays import UInt8Array
from ..support.atomic_files import replacing

IMAGE_OPTIONS: dict[str, list[int]] = {
    '.jpg': [cv2.IMWRITE_JPEG_QUALITY, 92],
    '.jpeg': [cv2.IMWRITE_JPEG_QUALITY, 92],
    '.png': [cv2.IMWRITE_PNG_COMPRESSION, 4],
    '.bmp': [],
    '.webp': [cv2.IMWRITE_WEBP_QUALITY, 92],
    '.tif': [],
    '.tiff': [],
}
"""Suffix of the image files that can be written, to OpenCV's options."""

LOSSY_SUFFIXES = ('.jpg', '.jpeg', '.webp')


def write_image(path: str | os.PathLike[str], image: UInt8Array) -> None:
    """
    Write a picture; an existing file is replaced once the new one is whole.

    :param path: its suffix says the format, one of :data:`IMAGE_OPTIONS`.
    :param image: uint8 array, H x W x 3 (RGB) or H x W (mono).
    :raises MediaError: when it cannot be written.
    """
    path = Path(path)
    options = IMAGE_OPTIONS.get(path.suffix.lower())
    if options is None:
        raise MediaError(f"{path}: cannot write '{path.suffix}' images, "
                         f'use one of {", ".join(IMAGE_OPTIONS)}')
    pixels = image if image.ndim == 2 else convert_colors(image, cv2.COLOR_RGB2BGR)
    try:
        encoded = cv2.imencode(path.suffix.lower(), pixels, options)[1]
        with replacing(path) as temporary:
            temporary.write_bytes(encoded.tobytes())
    except cv2.error as error:
        raise MediaError(f'cannot write {path}: {error.err}') from None
    except OSError as error:
        raise MediaError(f'cannot write {path}: {error.strerror}') from None
