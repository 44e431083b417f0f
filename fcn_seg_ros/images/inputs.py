"""Whatever people call a picture, as an RGB array."""

import os
from typing import Any, TypeAlias, Union

import numpy as np
import numpy.typing as npt
from PIL import Image

from .files import picture_to_rgb, read_picture
from ..errors import ImageError
from ..support.arrays import UInt8Array

Picture: TypeAlias = Union[str, 'os.PathLike[str]', npt.NDArray[Any], Image.Image]
"""A file, an array, or a PIL picture."""


def to_rgb_array(picture: Picture, *, bgr: bool = False) -> UInt8Array:
    """
    Return a picture as an array.

    :param picture: path of a picture file (it comes upright), uint8 array H x W x 3, or a PIL
        picture (its pixels as they lie).
    :param bgr: arrays are in OpenCV's order, blue first; nothing else is.
    :returns: uint8 array H x W x 3, RGB; a view where an array is given.
    :raises ImageError: for anything else, and what to do about it.
    :raises MediaError: when the file cannot be read.
    """
    if isinstance(picture, np.ndarray):
        _check_array(picture)
        return picture[..., ::-1] if bgr else picture
    if isinstance(picture, (str, os.PathLike)):
        return read_picture(picture)
    if isinstance(picture, Image.Image):
        return picture_to_rgb(picture)
    hint = {list: 'a list inside a list', tuple: 'a list inside a list',
            bytes: 'bytes (fcn_seg_ros.images.compressed.decode reads a JPEG, PNG or WebP)',
            }.get(type(picture), f'a {type(picture).__module__}.{type(picture).__qualname__}')
    if hasattr(picture, 'numpy'):
        hint += ' (of a tensor 3 x H x W give tensor.permute(1, 2, 0).cpu().numpy())'
    raise ImageError('encoding', 'a picture is a path, a uint8 array H x W x 3 in RGB, or a PIL '
                                 f'picture, not {hint}')


def _check_array(array: npt.NDArray[Any]) -> None:
    if array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3 and array.size:
        return
    shape = ' x '.join(map(str, array.shape))
    if not array.size:
        hint = 'it has no pixels'
    elif array.dtype != np.uint8:
        hint = ('of shares from 0 to 1 give (image * 255).astype(numpy.uint8)'
                if np.issubdtype(array.dtype, np.floating) else 'bring it to 0 to 255 first')
    elif array.ndim == 2 or array.shape[2:] == (1,):
        hint = 'of grey levels H x W give numpy.dstack([image] * 3)'
    elif array.shape[2:] == (4,):
        hint = 'of four channels give image[..., :3], which leaves the transparency out'
    elif array.ndim == 3 and array.shape[0] == 3:
        hint = 'of 3 x H x W give image.transpose(1, 2, 0)'
    elif array.ndim == 4:
        hint = 'of several pictures give list(images)'
    else:
        hint = 'there are three channels, the last axis'
    raise ImageError('size', 'a picture must be a uint8 array H x W x 3, not '
                             f'{array.dtype} {shape}: {hint}')
