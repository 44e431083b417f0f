"""Counters, rates and latencies of a running segmentation, for diagnostics."""

from collections import Counter, deque
from collections.abc import Callable
import threading
import time

import numpy as np

_WINDOW = 512
"""Events of a kind that rates, and frames that latencies, are taken over."""


class Statistics:
    """
    What happened to the frames of one camera; every method may be called from any thread.

    Events are counted by name; names that belong together share what is before a colon,
    such as ``error:step`` and ``error:encoding``.

    :param clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._totals: Counter[str] = Counter()
        self._times: dict[str, deque[float]] = {}  # event -> when the last ones were, seconds
        self._first: dict[str, float] = {}  # event -> when the first one was, seconds
        self._latencies: deque[float] = deque(maxlen=_WINDOW)
        self.last_error = ''

    def count(self, event: str) -> None:
        """
        Count an event, now.

        :param event: its name.
        """
        now = self._clock()
        with self._lock:
            self._totals[event] += 1
            self._first.setdefault(event, now)
            self._times.setdefault(event, deque(maxlen=_WINDOW)).append(now)

    def frame_done(self, latency: float) -> None:
        """
        Count ``done``: a frame whose outputs are out.

        :param latency: seconds since it came.
        """
        with self._lock:
            self._latencies.append(latency)
        self.count('done')

    def frame_failed(self, kind: str, message: str) -> None:
        """
        Count ``error:kind``: a frame that was lost to an error.

        :param kind: of the error.
        :param message: what was wrong, one line.
        """
        self.last_error = message
        self.count(f'error:{kind}')

    def total(self, event: str) -> int:
        """
        Return how often an event happened.

        :param event: its name; with a colon at the end it stands for all that begin so.
        """
        with self._lock:
            return sum(self._totals[name] for name in self._named(event))

    def by_name(self, prefix: str) -> dict[str, int]:
        """
        Return {name without the prefix: total} of some events.

        :param prefix: what their names begin with, a colon at its end.
        """
        with self._lock:
            return {name.removeprefix(prefix): self._totals[name]
                    for name in self._named(prefix)}

    def recent(self, event: str, window: float) -> int:
        """
        Return how often an event happened lately.

        :param event: its name, as of :meth:`total`.
        :param window: the last how many seconds count.
        """
        since = self._clock() - window
        with self._lock:
            return sum(time > since for name in self._named(event) for time in self._times[name])

    def rate(self, event: str, window: float = 5.0) -> float:
        """
        Return how often a second an event happened lately.

        :param event: its name.
        :param window: the last how many seconds count.
        """
        with self._lock:
            first = self._first.get(event)
        if first is None:
            return 0.0
        elapsed = self._clock() - first
        if elapsed < window:  # the first event began the measurement
            return (self.recent(event, window) - 1) / elapsed if elapsed > 0 else 0.0
        return self.recent(event, window) / window

    def latency(self) -> tuple[float, float, float] | None:
        """Return the latency's (p50, p95, p99) in seconds over the last frames, or None."""
        with self._lock:
            values = list(self._latencies)
        if not values:
            return None
        p50, p95, p99 = np.percentile(values, (50, 95, 99)).tolist()
        return p50, p95, p99

    def age(self, event: str) -> float | None:
        """
        Return the seconds since an event last happened, or None when it never did.

        :param event: its name.
        """
        with self._lock:
            times = self._times.get(event)
            return self._clock() - times[-1] if times else None

    def _named(self, event: str) -> list[str]:
        if event.endswith(':'):
            return [name for name in self._totals if name.startswith(event)]
        return [event] if event in self._totals else []
