"""Counters and latencies of a running segmentation, for diagnostics."""

from collections import Counter, deque
import threading
import time

import numpy as np

_WINDOW = 512
"""Frames that rates and latencies are taken over."""


class Statistics:
    """
    What happened to the frames of one camera; every method may be called from any thread.

    :ivar errors: Counter of errors by kind.
    """

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._done = deque(maxlen=_WINDOW)  # (finished at, latency), seconds
        self.errors = Counter()
        self.notes = Counter()
        self.processed = 0
        self.last_error = ''

    def frame_done(self, latency):
        """Count a frame whose outputs are out, ``latency`` seconds after it arrived."""
        with self._lock:
            self.processed += 1
            self._done.append((self._clock(), latency))

    def frame_failed(self, kind, message):
        """Count a frame that was lost to an error of this kind."""
        with self._lock:
            self.errors[kind] += 1
            self.last_error = message

    def note(self, kind):
        """Count something odd that cost nothing, such as a zero stamp."""
        with self._lock:
            self.notes[kind] += 1

    def rate(self, window=5.0):
        """Return finished frames a second over the last ``window`` seconds."""
        now = self._clock()
        with self._lock:
            recent = sum(1 for finished, _ in self._done if now - finished <= window)
        return recent / window

    def latency(self):
        """Return the latency's (p50, p95, p99) in seconds over the last frames, or None."""
        with self._lock:
            values = [latency for _, latency in self._done]
        return tuple(np.percentile(values, (50, 95, 99)).tolist()) if values else None

    def age(self):
        """Return seconds since the last finished frame, or None before the first."""
        with self._lock:
            return self._clock() - self._done[-1][0] if self._done else None
