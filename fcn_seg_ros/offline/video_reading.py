"""
Frames of videos and cameras with the time at which each is shown.

PyAV reads files where it is installed: it tells time stamps, edit lists and rotations.  Without
it OpenCV does, which suffices for most, and always for cameras.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
import math
import os
from pathlib import Path
import re
from types import TracebackType
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np

from .kinds import kind_of, local_source, why_no_video
from ..errors import MediaError
from ..images.raw import check_size
from ..support.arrays import UInt8Array

DEFAULT_RATE = 30.0
"""Pictures a second where a video does not tell its own."""

_LENGTH_TOLERANCE = 0.98  # some containers only estimate how long they are
_MAX_RATE = 1000.0

# Reports of FFmpeg inside OpenCV (-8 is its "quiet"): we say ourselves what went wrong.
os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')


class Frame(NamedTuple):
    """
    A picture of a video.

    :ivar image: uint8 H x W x 3, RGB, the right way up.
    :ivar time: seconds since the video's first picture.
    :ivar duration: seconds that it is shown for, 0 where the video does not tell.
    """

    image: UInt8Array
    time: float
    duration: float = 0.0


class _Reader(Protocol):
    """What reads a video; ``rate``, ``length`` and ``seconds`` as the video says, else None."""

    rate: float | None
    length: int | None
    seconds: float | None

    def frames(self) -> Iterator[Frame]:
        """Yield the frames; their times need not begin at 0."""

    def close(self) -> None:
        """Release the file or the device."""


class Video:
    """
    The frames of a video file or of a camera, in order; a context manager.

    :ivar source: as it was given.
    :ivar rate: frames a second as the video says (their mean where it varies), else
        :data:`DEFAULT_RATE`.
    :ivar length: number of frames as the video says, or None; often an estimate.
    :ivar path: of the file, None for a camera.
    """

    def __init__(self, source: str | os.PathLike[str]) -> None:
        """
        Open a video.

        :param source: path of a file, or of a V4L2 device, or a device's number.
        :raises MediaError: when it cannot be opened.
        """
        self.source = source
        name = local_source(source)
        is_device = kind_of(source) == 'device'
        self.path = None if is_device else Path(name)
        self._reader: _Reader
        if is_device or find_spec('av') is None:
            self._reader = _OpenCVReader(name, is_device)
        else:
            self._reader = _AvReader(name)
        rate = self._reader.rate
        self.rate = rate if rate and math.isfinite(rate) and 0 < rate <= _MAX_RATE \
            else DEFAULT_RATE
        self.length = self._reader.length
        self._count, self._end, self._longest = 0, 0.0, 1 / self.rate

    def ask_for(self, *, width: int | None = None, height: int | None = None,
                rate: float | None = None) -> None:
        """
        Ask a camera for a mode; what it gives is seen in the frames.

        :param width: pixels.
        :param height: pixels.
        :param rate: pictures a second.
        """
        if isinstance(self._reader, _OpenCVReader):
            self._reader.ask_for(width, height, rate)

    def frames(self) -> Iterator[Frame]:
        """Yield the frames with their times: they begin at 0 and grow."""
        first = None
        last = -math.inf
        for frame in self._reader.frames():
            check_size(*frame.image.shape[:2])
            time = frame.time if math.isfinite(frame.time) else self._count / self.rate
            first = time if first is None else first
            # Broken streams repeat or lack time stamps: a frame never goes back in time.
            time = time - first if time - first > last else last + 1 / self.rate
            if self._count:
                self._longest = max(self._longest, time - last)
            last = time
            self._count += 1
            # Where a frame's own duration is not told, it may be shown as long as any other;
            # some containers count their length from before the first frame.
            self._end = max(first, 0.0) + time + max(frame.duration, self._longest)
            yield frame._replace(time=time)

    def __iter__(self) -> Iterator[UInt8Array]:
        """Yield the pictures, uint8 arrays H x W x 3, RGB."""
        return (frame.image for frame in self.frames())

    def breaks_off(self) -> str:
        """
        Say, after the last frame, what is missing of what the video says it holds; '' if whole.

        A video of varying rate has other frames than its length and its mean rate make one
        expect, so that both its time and its frames must be short.
        """
        seconds = self._reader.seconds
        if seconds is not None and self._end >= _LENGTH_TOLERANCE * seconds:
            return ''
        if self.length is None:
            return '' if seconds is None else \
                f'it ends after {self._end:.1f} of {seconds:.1f} seconds'
        if self._count >= _LENGTH_TOLERANCE * self.length:
            return ''
        return f'{self._count} of {self.length} frames could be read'

    def close(self) -> None:
        """Release the file or the device."""
        self._reader.close()

    def __enter__(self) -> 'Video':
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()


class _AvReader:
    """A file by PyAV."""

    def __init__(self, name: str) -> None:
        import av
        self._errors = av.error.FFmpegError
        try:
            # Absolute: FFmpeg takes a relative name with a colon for an address.
            self._container = av.open(os.path.abspath(name), metadata_errors='replace')
        except (self._errors, OSError, ValueError):
            raise MediaError(f'{name} cannot be opened as an image or a video'
                             f'{why_no_video(name)}') from None
        try:
            self._stream = self._choose(name)
        except MediaError:
            self._container.close()
            raise
        self._stream.thread_type = 'AUTO'
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.rate = float(rate) if rate else None
        self.seconds = self._seconds()
        self.length = self._stream.frames or None
        if self.length is None and self.seconds and self.rate:
            self.length = max(1, round(self.seconds * self.rate))

    def frames(self) -> Iterator[Frame]:
        base = float(self._stream.time_base or 0)
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, self._errors):
                return
            try:
                decoded = packet.decode()
            except self._errors:
                continue  # a damaged frame: those after it may be whole
            for frame in decoded:
                turned = np.rot90(frame.to_ndarray(format='rgb24'), round(frame.rotation / 90))
                yield Frame(np.ascontiguousarray(turned),
                            math.nan if frame.pts is None else frame.pts * base,
                            (getattr(frame, 'duration', 0) or 0) * base)

    def close(self) -> None:
        self._container.close()

    def _choose(self, name: str) -> Any:
        """Return the stream with the pictures: not the cover of a piece of music."""
        streams = [stream for stream in self._container.streams.video
                   if not int(stream.disposition) & 0x400]  # attached picture
        if not streams:
            reason = why_no_video(name) or ': it has no stream of pictures'
            raise MediaError(f'{name} cannot be opened as an image or a video{reason}')
        stream = streams[0]
        if stream.codec_context is None:
            raise MediaError(f'{name}: no decoder for its pictures is here: make it H.264 first, '
                             'ffmpeg -i INPUT -c:v libx264 OUTPUT.mp4')
        return stream

    def _seconds(self) -> float | None:
        stream = self._stream
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        match = re.match(r'(\d+):(\d+):([\d.]+)', stream.metadata.get('DURATION', ''))
        if match:
            return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
        if self._container.duration and len(self._container.streams) == 1:
            return float(self._container.duration) / 1e6
        return None


class _OpenCVReader:
    """A file or a camera by OpenCV."""

    def __init__(self, name: str, is_device: bool) -> None:
        with _silent_opencv():
            if is_device:
                number = re.fullmatch(r'(?:/dev/video)?(\d+)', name)
                self._capture = cv2.VideoCapture(
                    int(number[1]) if number else name, cv2.CAP_V4L2)
            else:
                self._capture = cv2.VideoCapture(name)
        self._is_device = is_device
        if not self._capture.isOpened():
            what = 'a camera' if is_device else 'an image or a video'
            raise MediaError(f'{name} cannot be opened as {what}'
                             f'{"" if is_device else why_no_video(name)}')
        self.rate: float | None = self._capture.get(cv2.CAP_PROP_FPS)
        length = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.length = int(length) if math.isfinite(length) and length >= 1 else None
        self.seconds = self.length / self.rate if self.length and self.rate else None
        self._codec = '' if is_device else self._fourcc()

    def ask_for(self, width: int | None, height: int | None, rate: float | None) -> None:
        for key, value in ((cv2.CAP_PROP_FRAME_WIDTH, width),
                           (cv2.CAP_PROP_FRAME_HEIGHT, height), (cv2.CAP_PROP_FPS, rate)):
            if value:
                self._capture.set(key, value)

    def frames(self) -> Iterator[Frame]:
        count = 0
        while True:
            with _silent_opencv():
                ok, frame = self._capture.read()
            if not ok:
                break
            time = math.nan if self._is_device else \
                self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            count += 1
            yield Frame(np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8), time)
        if not count and self._codec:
            raise MediaError(f'no frame of the video can be read: OpenCV does not decode '
                             f"'{self._codec}' here: pip install av, or make it H.264 first, "
                             'ffmpeg -i INPUT -c:v libx264 OUTPUT.mp4')

    def close(self) -> None:
        self._capture.release()

    def _fourcc(self) -> str:
        code = int(self._capture.get(cv2.CAP_PROP_FOURCC)) & 0xffffffff
        return code.to_bytes(4, 'little').decode('ascii', 'replace').strip('\0 ')


@contextmanager
def _silent_opencv() -> Iterator[None]:
    """Keep OpenCV from writing warnings of its own to stderr."""
    logging = getattr(cv2.utils, 'logging', None)  # OpenCV 4.6 has no such binding
    if logging is None:
        yield
        return
    before = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(before)
