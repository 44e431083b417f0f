"""Times with their spread, taken in turns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
import time

import numpy as np

_WARM_UP = 3
_LEAST = 5


@dataclass(frozen=True)
class Timing:
    """
    The middle and the spread of some durations.

    :ivar median: milliseconds.
    :ivar low: lower quartile, milliseconds.
    :ivar high: upper quartile, milliseconds.
    :ivar count: how many there were.
    """

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> 'Timing':
        """
        Return the timing of some durations.

        :param seconds: the durations, at least one.
        """
        low, median, high = np.percentile(np.asarray(seconds) * 1e3, (25, 50, 75)).tolist()
        return cls(median, low, high, len(seconds))

    def to_dict(self) -> dict[str, float]:
        """Return what goes into JSON."""
        return {key: round(value, 3) for key, value in asdict(self).items()}

    def __str__(self) -> str:
        return f'{self.median:.2f} ms ({self.low:.2f} to {self.high:.2f})'


def measure(functions: Mapping[str, Callable[[], object]], seconds: float,
            clock: Callable[[], float] = time.perf_counter) -> dict[str, Timing]:
    """
    Time functions in turns, so that what else the machine does hits all of them alike.

    :param functions: {name: function without arguments}.
    :param seconds: about how long to go on; each is run some times at least.
    :param clock: seconds, from any beginning.
    :returns: {name: :class:`Timing`}.
    """
    for _ in range(_WARM_UP):
        for function in functions.values():
            function()
    durations: dict[str, list[float]] = {name: [] for name in functions}
    end = clock() + seconds
    rounds = 0
    while rounds < _LEAST or clock() < end:
        for name, function in functions.items():
            began = clock()
            function()
            durations[name].append(clock() - began)
        rounds += 1
    return {name: Timing.of(values) for name, values in durations.items()}
