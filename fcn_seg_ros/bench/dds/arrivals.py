"""
Which outputs of which frames have arrived, and when; no ROS.

A frame is known by its stamp, which serialised messages that begin with a header have at the
same place: in CDR four bytes come first, of which the second tells the byte order.
"""

from collections.abc import Sequence
import struct
from typing import Any

_STAMP_OFFSET = 4


class Arrivals:
    """
    Put the outputs of several cameras together to frames, and frames to rounds.

    A frame is complete with its last output, a round when every camera has had one.

    :param cameras: their names.
    :param outputs: how many outputs a frame has.
    :param warm_up: rounds that do not count.

    :ivar rounds: [(seconds of the last arrival, seconds since the first frame's stamp)].
    :ivar latencies: {camera: [seconds from stamp to last output]}.
    """

    def __init__(self, cameras: Sequence[str], outputs: int, warm_up: int) -> None:
        self.latencies: dict[str, list[float]] = {camera: [] for camera in cameras}
        self.rounds: list[tuple[float, float]] = []
        self.began: float | None = None
        self._ended = 0.0
        self._outputs = outputs
        self._warm_up = warm_up
        self._waiting: dict[str, dict[float, int]] = {camera: {} for camera in cameras}
        self._stamps: dict[str, float] = {}

    def add(self, camera: str, stamp: float, now: float) -> bool:
        """
        Note the arrival of an output.

        :param camera: whose frame it is of.
        :param stamp: of the frame, seconds.
        :param now: seconds, by the same clock.
        :returns: whether this completes a round.
        """
        waiting = self._waiting[camera]
        waiting[stamp] = waiting.get(stamp, 0) + 1
        if waiting[stamp] < self._outputs:
            return False
        for older in [other for other in waiting if other <= stamp]:
            del waiting[older]
        if self.began is not None:
            self.latencies[camera].append(now - stamp)
            self._ended = now
        self._stamps.setdefault(camera, stamp)
        if len(self._stamps) < len(self._waiting):
            return False
        first = min(self._stamps.values())
        self._stamps.clear()
        if self._warm_up:
            self._warm_up -= 1
            if not self._warm_up:
                self.began = self._ended = now
        else:
            self.rounds.append((now, now - first))
        return True

    def to_dict(self) -> dict[str, Any]:
        """Return what was measured, in seconds; nothing, if the warm-up has not ended."""
        return {'seconds': self._ended - self.began if self.began is not None else 0.0,
                'latencies': self.latencies,
                'rounds': [duration for _, duration in self.rounds]}


def read_stamp(data: bytes | bytearray) -> float:
    """
    Return the stamp in seconds.

    :param data: the message.
    """
    sec, nanosec = struct.unpack_from(_layout(data), data, _STAMP_OFFSET)
    return float(sec + nanosec * 1e-9)


def write_stamp(data: bytearray, nanoseconds: int) -> None:
    """
    Set the stamp of a message.

    :param data: the message, which is changed.
    :param nanoseconds: the stamp.
    """
    struct.pack_into(_layout(data), data, _STAMP_OFFSET, *divmod(nanoseconds, 10**9))


def _layout(data: bytes | bytearray) -> str:
    return '<iI' if data[1] else '>iI'
