"""
Videos out, whole or not at all, each picture at its time.

PyAV writes where it is installed: time stamps as they were, H.264 where the encoder is there, so
that browsers play it, and the input's sound.  Else OpenCV does, at a constant rate.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from importlib.util import find_spec
import io
import os
from pathlib import Path
import tempfile
from typing import Any, Protocol

import cv2
import numpy as np

from ..errors import MediaError
from ..images.drawing import as_rgb
from ..support.arrays import UInt8Array
from ..support.atomic_files import replacing

VIDEO_CODECS = {'.mp4': 'mp4v', '.m4v': 'mp4v', '.mov': 'mp4v', '.mkv': 'mp4v', '.avi': 'MJPG'}
"""
Suffix to OpenCV's codec.

MPEG-4 and Motion JPEG are in every build of OpenCV; H.264 is not.
"""

WriteFrame = Callable[..., None]
"""
(image, time=None, duration=0.0): append a picture, uint8 H x W x 3 (RGB) or H x W.

The time is in seconds, and so is the duration that it is shown for, 0 where nobody knows.
"""

_H264 = ('libx264', 'h264_nvenc', 'libopenh264')
_MAX_TIMEBASE = 65535  # MPEG-4 holds no finer division of a second
_TICKS = 60000
_PROBE = 64  # pixels a side


@contextmanager
def video_sink(path: str | os.PathLike[str], rate: float, *,
               sound: str | os.PathLike[str] | None = None) -> Iterator[WriteFrame]:
    """
    Give a function that appends a frame to a video; the file appears whole or not at all.

    All frames of a video have one size, the first one's: others, as recordings of calls hold
    them, are scaled to it.  An odd width or height is made even by doubling the last column or
    row: video codecs take nothing else.  A frame without a time follows the last one at ``rate``.

    :param path: its suffix says the format, one of :data:`VIDEO_CODECS`.
    :param rate: frames a second; where it varies, their mean.
    :param sound: file whose sound is copied, as far as the container takes it.
    :raises MediaError: for another suffix, or when it cannot be written.
    """
    path = Path(path)
    codec = VIDEO_CODECS.get(path.suffix.lower())
    if codec is None:
        raise MediaError(f"{path}: cannot write '{path.suffix}' videos, "
                         f'use one of {", ".join(VIDEO_CODECS)}')
    with replacing(path) as temporary:
        writer: _Writer
        # AVI has no time stamps: OpenCV's constant rate is all that there is.
        if codec == 'MJPG' or find_spec('av') is None:
            writer = _OpenCVWriter(temporary, codec, rate, path)
        else:
            writer = _AvWriter(temporary, rate, sound, path)
        count = 0
        end = 0.0
        first: tuple[int, ...] = ()

        def write(image: UInt8Array, time: float | None = None, duration: float = 0.0) -> None:
            nonlocal count, end, first
            time = end if time is None else time
            first = first or image.shape[:2]
            rows, columns = first
            picture = as_rgb(image)
            if picture.shape[:2] != first:
                picture = np.asarray(cv2.resize(picture, (columns, rows)), np.uint8)
            writer.write(cv2.copyMakeBorder(picture, 0, rows % 2, 0, columns % 2,
                                            cv2.BORDER_REPLICATE), time, duration)
            count += 1
            end = time + (duration or 1 / rate)

        try:
            yield write
        except BaseException:
            with suppress(Exception):
                writer.close()
            raise
        writer.close()
        if not writer.is_whole(count):
            raise MediaError(f'cannot write the video {path}: is the disk full?')


def check_video_sink(path: str | os.PathLike[str], rate: float) -> None:
    """
    Write a small video as :func:`video_sink` would: what cannot be written is said before work.

    :param path: of the video to come; nothing is written there.
    :param rate: frames a second.
    :raises MediaError: when its encoder does not work here.
    """
    with tempfile.TemporaryDirectory(prefix='fcn_seg_') as folder, \
            video_sink(Path(folder) / f'probe{Path(path).suffix}', rate) as write:
        for _ in range(2):
            write(np.zeros((_PROBE, _PROBE, 3), np.uint8))


class _Writer(Protocol):
    def write(self, image: Any, time: float, duration: float) -> None:
        """Append a picture of even sides."""

    def close(self) -> None:
        """Write what is left."""

    def is_whole(self, count: int) -> bool:
        """Tell whether the file holds what was written."""


class _AvWriter:
    def __init__(self, path: Path, rate: float, sound: str | os.PathLike[str] | None,
                 name: Path) -> None:
        import av
        self._av, self._name = av, name
        self._base = Fraction(1, _TICKS)
        self._last = -1
        self._durations: dict[int, int] = {}
        try:
            self._container = av.open(str(path), 'w')
            self._stream = self._add_stream(rate)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise MediaError(f'cannot write the video {name}: {error}') from None
        self._sound = _Sound(av, self._container, sound) if sound is not None else None
        self._opened = False

    def write(self, image: Any, time: float, duration: float) -> None:
        if not self._opened:
            self._stream.height, self._stream.width = image.shape[:2]
            self._opened = True
        frame = self._av.VideoFrame.from_ndarray(image, format='rgb24')
        # No two frames have the same time, or the encoder refuses the second.
        self._last = max(round(time * _TICKS), self._last + 1)
        frame.pts, frame.time_base = self._last, self._base
        if duration > 0:
            self._durations[self._last] = round(duration * _TICKS)
        try:
            # The encoder is opened first: containers begin with what it says of itself.
            self._mux(self._stream.encode(frame))
            if self._sound:
                self._sound.copy_until(time)
        except (self._av.error.FFmpegError, OSError, ValueError) as error:
            raise MediaError(f'cannot write the video {self._name}: {error}') from None

    def close(self) -> None:
        try:
            if self._sound:
                self._sound.close()
            if self._opened:
                self._mux(self._stream.encode(None))
            self._container.close()  # writes the index, without which there is no video
        except (self._av.error.FFmpegError, OSError) as error:
            raise MediaError(f'cannot write the video {self._name}: {error}') from None

    def is_whole(self, count: int) -> bool:
        # PyAV reports what OpenCV does not: a write that failed was an error above.
        return count > 0

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            # The encoder says one frame of the mean rate, which the last one would last for.
            duration = self._durations.pop(packet.pts, 0)
            if duration:
                packet.duration = duration
            self._container.mux(packet)

    def _add_stream(self, rate: float) -> Any:
        stated = Fraction(rate).limit_denominator(1001)
        for codec in (*_H264, 'mpeg4'):
            try:
                stream = self._container.add_stream(codec, rate=stated)
            except (self._av.error.FFmpegError, ValueError):
                continue
            stream.pix_fmt = 'yuv420p'
            stream.codec_context.time_base = self._base
            if codec == 'libx264':
                # Frames that look ahead (bf) make a container of varying rate too short.
                stream.options = {'crf': '20', 'preset': 'fast', 'bf': '0'}
            elif codec == 'mpeg4':
                stream.bit_rate = 8_000_000
            return stream
        raise MediaError(f'cannot write the video {self._name}: FFmpeg has no encoder here')


class _Sound:
    """Copies the sound of the input between the pictures, so that players find both together."""

    def __init__(self, av: Any, target: Any, source: str | os.PathLike[str]) -> None:
        self._av, self._target = av, target
        self._container = av.open(os.path.abspath(source), metadata_errors='replace')
        pictures = next(iter(self._container.streams.video), None)
        self._start = 0.0
        if pictures is not None and pictures.start_time and pictures.time_base:
            self._start = float(pictures.start_time * pictures.time_base)
        self._pairs: dict[int, Any] = {}
        for stream in self._container.streams.audio:
            if stream.codec_context is not None and self._is_taken(stream):
                self._pairs[stream.index] = target.add_stream_from_template(stream)
        self._packets = self._container.demux(
            *(self._container.streams[index] for index in self._pairs)) if self._pairs else None
        self._next: Any = None

    def _is_taken(self, stream: Any) -> bool:
        """
        Tell whether the container takes a stream, by beginning one of its kind in memory.

        Its list of codecs is not enough: FFmpeg's MOV names FLAC and refuses it at the header.
        """
        try:
            with self._av.open(io.BytesIO(), 'w', format=self._target.format.name) as trial:
                trial.add_stream_from_template(stream)
                trial.start_encoding()
        except (self._av.error.FFmpegError, ValueError):
            return False
        return True

    def copy_until(self, time: float) -> None:
        while self._packets is not None:
            if self._next is None:
                try:
                    self._next = next(self._packets)
                except (StopIteration, self._av.error.FFmpegError):
                    self._packets = None
                    return
            packet, self._next = self._next, None
            if packet.dts is None or packet.time_base is None:
                continue
            begin = float(packet.dts * packet.time_base) - self._start
            if begin < 0:
                continue
            if begin > time:
                self._next = packet
                return
            shift = round(self._start / packet.time_base)
            packet.dts -= shift
            packet.pts = packet.dts if packet.pts is None else packet.pts - shift
            packet.stream = self._pairs[packet.stream.index]
            self._target.mux(packet)

    def close(self) -> None:
        self._container.close()


class _OpenCVWriter:
    """Pictures at a constant rate: each is repeated, or left out, to keep its time."""

    def __init__(self, path: Path, codec: str, rate: float, name: Path) -> None:
        self._path, self._name = path, name
        self._codec = cv2.VideoWriter_fourcc(*codec)  # type: ignore[attr-defined] # no stub
        self._rate = _rate_with_short_fraction(rate)
        self._writer = cv2.VideoWriter()
        self._frames = 0
        self._last: Any = None

    def write(self, image: Any, time: float, duration: float) -> None:
        frame = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        if self._last is None:
            opened = self._writer.open(str(self._path), self._codec, self._rate,
                                       frame.shape[1::-1])
            if not opened:
                raise MediaError(
                    f'cannot write the video {self._name}: OpenCV has no encoder for '
                    f'{frame.shape[1]}x{frame.shape[0]} at {self._rate:g} frames a second here')
        while self._last is not None and self._frames < round(time * self._rate):
            self._append(self._last)
        if self._frames <= round(time * self._rate):
            self._append(frame)
        self._last = frame

    def close(self) -> None:
        self._writer.release()

    def is_whole(self, count: int) -> bool:
        # OpenCV does not tell when a write fails.
        written = cv2.VideoCapture(str(self._path))
        try:
            return count > 0 and written.get(cv2.CAP_PROP_FRAME_COUNT) >= self._frames > 0
        finally:
            written.release()

    def _append(self, frame: Any) -> None:
        self._writer.write(frame)
        self._frames += 1


def _rate_with_short_fraction(rate: float) -> float:
    """Return the nearest rate that MPEG-4 can hold: OpenCV writes it as a decimal fraction."""
    for digits in (3, 2, 1):
        if round(rate * 10 ** digits) <= _MAX_TIMEBASE:
            return round(rate, digits)
    return float(max(1, round(rate)))
