"""A camera's calibration as camera drivers keep it in files, or guessed from its lens."""

from dataclasses import dataclass, replace
import math
import os
from pathlib import Path
from typing import Any

import cv2

from .camera import CameraModel
from .rescaled import rescaled_info
from ..errors import CalibrationError, RegistryError
from ..support.safe_yaml import is_integer, is_number, load_yaml, MAX_BYTES, parse_yaml

_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
_MAX_SHAPE_ERROR = 0.01
_MESSAGE_FIELDS = {'k': 'camera_matrix', 'd': 'distortion_coefficients',
                   'r': 'rectification_matrix', 'p': 'projection_matrix'}
_MAX_OPENCV_BYTES = 1 << 20


@dataclass(frozen=True)
class Calibration:
    """
    The fields of a sensor_msgs/CameraInfo, matrices row-major.

    :param width: pixels.
    :param height: pixels.
    :param k: 9 numbers; zeros for a camera that is not calibrated.
    :param p: 12 numbers.
    :param d: distortion coefficients.
    :param r: 9 numbers.
    :param distortion_model: 'plumb_bob', 'rational_polynomial', 'equidistant' or ''.
    """

    width: int
    height: int
    k: tuple[float, ...] = (0.0,) * 9
    p: tuple[float, ...] = (0.0,) * 12
    d: tuple[float, ...] = ()
    r: tuple[float, ...] = _IDENTITY
    distortion_model: str = ''

    @classmethod
    def from_field_of_view(cls, width: int, height: int, degrees: float) -> 'Calibration':
        """
        Return an ideal pinhole camera with square pixels that looks straight ahead.

        The focal length is (width / 2) / tan(angle / 2); the principal point is the
        picture's middle, ((width - 1) / 2, (height - 1) / 2), as pixel centres have
        whole coordinates.

        :param width: of the pictures, pixels.
        :param height: of the pictures, pixels.
        :param degrees: horizontal field of view.
        :raises CalibrationError: unless it is between 1 and 179.
        """
        if not 1 <= degrees <= 179:
            raise CalibrationError(
                f'a horizontal field of view of {degrees:g} degrees: 1 to 179 make sense')
        focal = width / 2 / math.tan(math.radians(degrees) / 2)
        cx, cy = (width - 1) / 2, (height - 1) / 2
        return cls(width, height, d=(0.0,) * 5, distortion_model='plumb_bob',
                   k=(focal, 0.0, cx, 0.0, focal, cy, 0.0, 0.0, 1.0),
                   p=(focal, 0.0, cx, 0.0, 0.0, focal, cy, 0.0, 0.0, 0.0, 1.0, 0.0))

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str]) -> 'Calibration':
        """
        Read a file as camera_calibration, OpenCV's samples or ``ros2 topic echo`` write it.

        :param path: of the file.
        :raises CalibrationError: when it cannot be read or its numbers make no sense.
        """
        path = Path(path)
        try:
            data = _read_opencv(path) if _is_opencv(path) else _read_ros(path)
        except RegistryError as error:
            raise CalibrationError(_other_format(path) or str(error)) from None
        if not isinstance(data, dict):
            raise CalibrationError(f'{path} is no calibration as camera_calibration writes it')
        if isinstance(data.get('cam0'), dict):
            raise CalibrationError(f'{path} is a camchain of Kalibr: write its numbers as '
                                   'camera_calibration does, its radtan is plumb_bob there')
        for key in ('image_width', 'image_height'):
            if not is_integer(data.get(key)):
                raise CalibrationError(f"{path}: '{key}' must be a whole number")
        # Some versions of camera_calibration wrote 'camera_model'.
        model = data.get('distortion_model', data.get('camera_model', 'plumb_bob'))
        if not isinstance(model, str):
            raise CalibrationError(f"{path}: 'distortion_model' must be a name")
        k = _matrix(path, data, 'camera_matrix', 9)
        straight = (k[0], k[1], k[2], 0.0, k[3], k[4], k[5], 0.0, k[6], k[7], k[8], 0.0)
        calibration = cls(
            data['image_width'], data['image_height'], k=k, distortion_model=model,
            p=_matrix(path, data, 'projection_matrix', 12, straight),
            d=_matrix(path, data, 'distortion_coefficients', None, ()),
            r=_matrix(path, data, 'rectification_matrix', 9, _IDENTITY))
        try:
            CameraModel.from_calibration(
                width=calibration.width, height=calibration.height, k=k, d=calibration.d,
                p=calibration.p, distortion_model=model)
        except CalibrationError as error:
            raise CalibrationError(f'{path}: {error}') from None
        return calibration

    def resized(self, width: int, height: int) -> 'Calibration':
        """
        Return the calibration of pictures that were resampled to another size.

        :param width: of these pictures, pixels.
        :param height: of these pictures, pixels.
        :raises CalibrationError: when they have another shape: they are not resampled
            then but cut, and nobody knows where.
        """
        if abs(width * self.height / (height * self.width) - 1) > _MAX_SHAPE_ERROR:
            raise CalibrationError(
                f'the calibration is for {self.width}x{self.height} pixels, the pictures '
                f'have {width}x{height}, which is another shape: use the calibration that '
                'goes with them')
        scaled = rescaled_info(width=self.width, height=self.height, k=self.k, p=self.p,
                               mask_height=height, mask_width=width)
        assert scaled is not None  # it is for pictures of its own size
        return replace(self, width=width, height=height, k=scaled.k, p=scaled.p)


def _is_opencv(path: Path) -> bool:
    """Tell whether a file is YAML as cv2.FileStorage writes it, which other readers refuse."""
    try:
        with open(path, 'rb') as file:
            data = file.read(_MAX_OPENCV_BYTES)
            return data.startswith(b'%YAML:') or b'!!opencv-matrix' in data
    except OSError:
        return False  # load_yaml() says what is wrong


def _read_ros(path: Path) -> object:
    """Return the fields of camera_calibration's file, or of a CameraInfo that was printed."""
    try:
        data = load_yaml(path)
    except RegistryError:
        if not path.is_file():
            raise
        with open(path, 'rb') as file:
            text = file.read(MAX_BYTES)
        # ros2 topic echo ends each message with a line that begins another document.
        first, separator, _ = text.partition(b'\n---')
        if not separator or not first.strip() or first.startswith(b'---'):
            raise
        data = parse_yaml(first, path)
    if not (isinstance(data, dict) and {'k', 'width', 'height'} <= data.keys()):
        return data
    roi = data.get('roi')
    binned = any(data.get(key) not in (None, 0, 1) for key in ('binning_x', 'binning_y'))
    if binned or (isinstance(roi, dict) and any(roi.get(key) for key in ('width', 'x_offset'))):
        raise CalibrationError(f'{path} is a CameraInfo of a part of the sensor or of binned '
                               'pixels: take one of whole pictures')
    return {'image_width': data['width'], 'image_height': data['height'],
            'distortion_model': data.get('distortion_model', 'plumb_bob'),
            **{name: {'data': data.get(key)} for key, name in _MESSAGE_FIELDS.items()}}


def _read_opencv(path: Path) -> dict[str, Any]:
    """Return the fields of a calibration that OpenCV has written, as ROS's file has them."""
    # From memory, with a bound: OpenCV's own parser reads what it is given.
    data = path.read_bytes()[:_MAX_OPENCV_BYTES + 1]
    if len(data) > _MAX_OPENCV_BYTES:
        raise CalibrationError(f'{path} is larger than {_MAX_OPENCV_BYTES >> 10} kB')
    storage = cv2.FileStorage()
    fields: dict[str, Any] = {}
    try:
        if not storage.open(data.decode('utf-8', 'replace'),
                            cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY):
            raise CalibrationError(f'{path} is damaged: OpenCV cannot read it')
        for key in ('image_width', 'image_height'):
            node = storage.getNode(key)
            fields[key] = int(node.real()) if node.isInt() else None
        for key in ('camera_matrix', 'distortion_coefficients'):
            node = storage.getNode(key)
            matrix = node.mat() if node.isMap() else None
            if matrix is not None:
                fields[key] = {'data': [float(value) for value in matrix.ravel()]}
        is_fisheye = bool(storage.getNode('fisheye_model').real())
    except cv2.error as error:
        raise CalibrationError(f'{path} is damaged: {error.err}') from None
    finally:
        storage.release()
    # Of the others OpenCV names no model: the number of coefficients tells it.
    count = len(fields.get('distortion_coefficients', {}).get('data', ()))
    fields['distortion_model'] = 'equidistant' if is_fisheye else (
        'plumb_bob' if count <= 5 else 'rational_polynomial')
    return fields


def _other_format(path: Path) -> str:
    """Return what a file is that is no YAML, and what to take instead; '' if nobody knows."""
    try:
        with open(path, 'rb') as file:
            data = file.read(_MAX_OPENCV_BYTES)
    except OSError:
        return ''
    if b'[image]' in data and b'camera matrix' in data:
        return (f'{path} is in the INI format of camera_calibration: take the ost.yaml that it '
                'writes beside that')
    return ''


def _matrix(path: Path, data: dict[str, Any], key: str, count: int | None,
            default: tuple[float, ...] | None = None) -> tuple[float, ...]:
    """Return the numbers of ``key: {rows, cols, data}``; ``count`` None takes up to 14."""
    entry = data.get(key)
    if entry is None and default is not None:
        return default
    numbers = entry.get('data') if isinstance(entry, dict) else None
    if isinstance(numbers, list) and len(numbers) == 1 and isinstance(numbers[0], str):
        numbers = _without_commas(numbers[0])
    if not (isinstance(numbers, list) and all(map(is_number, numbers))
            and (len(numbers) == count if count else len(numbers) <= 14)):
        raise CalibrationError(f"{path}: '{key}' must have 'data' with "
                               f'{count or "up to 14"} numbers')
    return tuple(float(value) for value in numbers)


def _without_commas(text: str) -> list[float] | None:
    """Return the numbers of ``[0.1 -0.2 0.0]``, as camera_calibration wrote them in Kinetic."""
    try:
        return [float(word) for word in text.split()]
    except ValueError:
        return None
