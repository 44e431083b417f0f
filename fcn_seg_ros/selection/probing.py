"""First pass: look at pictures of recordings at a bounded rate and keep what may be chosen."""

from collections import Counter
from dataclasses import replace

from .candidates import Candidate, fault_of, looks_alike, Observer, thumbnail_of
from .choice import blurred
from ..offline.shots import Shot
from ..support.arrays import UInt8Array

MAX_CANDIDATES = 8192
"""Most candidates that are kept: some 25 MB with twenty classes."""

_NEIGHBOUR = 0.25  # s, to the next frame: later the robot sees something else
_PROBE, _FOLLOWING = 'probe', 'following'


class Prober:
    """
    Looks at some pictures of each recording.

    Of recordings with times one picture in each ``1 / rate`` seconds, and, where it comes
    soon enough, the one after it; of folders every picture.  When there are more candidates
    than ``limit`` every second one is dropped, and half as many pictures are looked at from
    then on.

    :param observer: asks the network.
    :param rate: pictures a second.
    :param limit: most candidates.
    :ivar seen: number of pictures that were looked at.
    :ivar left_out: {why: number of pictures} that cannot be chosen.
    """

    def __init__(self, observer: Observer, rate: float, limit: int = MAX_CANDIDATES) -> None:
        self._observer = observer
        self._period = 1 / rate
        self._limit = limit
        self._stride = 1
        self._due: dict[str, float] = {}
        self._before: dict[str, float] = {}
        self._latest: dict[str, UInt8Array] = {}
        # What may still get a neighbour: the candidate and its mask.
        self._open: dict[str, tuple[Candidate, UInt8Array]] = {}
        self._candidates: list[Candidate] = []
        self.seen = 0
        self.left_out: Counter[str] = Counter()

    def wanted(self, recording: str, number: int, time: float | None) -> str:
        """
        Say why a picture is wanted, '' where it is not; see :data:`.shots.Wanted`.

        To be asked after :meth:`look_at` has seen all that was wanted before.

        :param recording: its name.
        :param number: of the picture.
        :param time: seconds, or None.
        """
        now, step = (float(number), 1.0) if time is None else (time, self._period)
        step *= self._stride
        due = self._due.get(recording, now)
        # The picture next to when it is due, for a camera's come a little early or late.
        half = min(max(0.0, now - self._before.get(recording, now)), step) / 2
        self._before[recording] = now
        if now >= due - half:
            self._due[recording] = due + step if now < due + step else now + step
            return _PROBE
        if recording not in self._open:
            return ''
        if time is not None and time - self._open[recording][0].time <= _NEIGHBOUR:
            return _FOLLOWING
        self._close(recording)
        return ''

    def look_at(self, shot: Shot) -> None:
        """
        Look at a picture.

        :param shot: as :func:`.shots.read_shots` yields it for :meth:`wanted`.
        """
        if shot.why == _PROBE:
            self._close(shot.recording)
            self._probe(shot)
        else:
            self._close(shot.recording, shot.image)

    def candidates(self) -> list[Candidate]:
        """Return what may be chosen, after the last picture: all candidates but blurred ones."""
        for recording in list(self._open):
            self._close(recording)
        dull = blurred(self._candidates)
        if dull.any():
            self.left_out['blurred'] = int(dull.sum())
        return [one for one, is_dull in zip(self._candidates, dull) if not is_dull]

    def _probe(self, shot: Shot) -> None:
        self.seen += 1
        if shot.image is None:
            self.left_out['unreadable'] += 1
            return
        fault = fault_of(shot.image)
        if fault:
            self.left_out[fault] += 1
            return
        thumbnail = thumbnail_of(shot.image)
        latest = self._latest.get(shot.recording)
        if latest is not None and looks_alike(latest, thumbnail):
            self.left_out['as the one before'] += 1
            return
        self._latest[shot.recording] = thumbnail
        self._open[shot.recording] = self._observer.observe(shot, shot.image)

    def _close(self, recording: str, following: UInt8Array | None = None) -> None:
        """Add a recording's open candidate, with the frame after it where there is one."""
        if recording not in self._open:
            return
        candidate, mask = self._open.pop(recording)
        if following is not None:
            candidate = replace(candidate,
                                disagreement=self._observer.compare(mask, following))
        self._candidates.append(candidate)
        if len(self._candidates) > self._limit:
            self._candidates = self._candidates[::2]
            self._stride *= 2
