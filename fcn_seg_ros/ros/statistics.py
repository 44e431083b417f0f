"""Counters, rates and latencies of a running segmentation, for diagnostics."""

from collections import Counter, deque
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
    """

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._totals = Counter()
        self._times = {}  # event -> times of the last ones, seconds
        self._first = {}  # event -> time of the first one
        self._latencies = deque(maxlen=_WINDOW)
        self.last_error = ''

    def count(self, event):
        """Count an event, now."""
        now = self._clock()
        with self._lock:
            self._totals[event] += 1
            self._first.setdefault(event, now)
            self._times.setdefault(event, deque(maxlen=_WINDOW)).append(now)

    def frame_done(self, latency):
        """Count ``done``: a frame whose outputs are out, ``latency`` seconds after it came."""
        with self._lock:
            self._latencies.append(latency)
        self.count('done')

    def frame_failed(self, kind, message):
        """Count ``error:kind``: a frame that was lost to an error."""
        self.last_error = message
        self.count(f'error:{kind}')

    def total(self, event):
        """Return how often an event happened; with a colon at its end, all that begin so."""
        with self._lock:
            return sum(self._totals[name] for name in self._named(event))

    def by_name(self, prefix):
        """Return {name without the prefix: total} of the events that begin so."""
        with self._lock:
            return {name.removeprefix(prefix): self._totals[name]
                    for name in self._named(prefix)}

    def recent(self, event, window):
        """Return how often an event (as for :meth:`total`) happened in the last seconds."""
        since = self._clock() - window
        with self._lock:
            return sum(time > since for name in self._named(event) for time in self._times[name])

    def rate(self, event, window=5.0):
        """Return an event's times a second over the last ``window`` seconds."""
        with self._lock:
            first = self._first.get(event)
        if first is None:
            return 0.0
        elapsed = self._clock() - first
        if elapsed < window:  # the first event began the measurement
            return (self.recent(event, window) - 1) / elapsed if elapsed > 0 else 0.0
        return self.recent(event, window) / window

    def latency(self):
        """Return the latency's (p50, p95, p99) in seconds over the last frames, or None."""
        with self._lock:
            values = list(self._latencies)
        return tuple(np.percentile(values, (50, 95, 99)).tolist()) if values else None

    def age(self, event):
        """Return seconds since an event last happened, or None."""
        with self._lock:
            times = self._times.get(event)
            return self._clock() - times[-1] if times else None

    def _named(self, event):
        if event.endswith(':'):
            return [name for name in self._totals if name.startswith(event)]
        return [event] if event in self._totals else []
