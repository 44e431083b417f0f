"""Log lines that a broken camera must not flood."""

import time
import traceback

_PERIOD = 5.0


class Throttle:
    """
    Log each key at most once in some seconds, saying how often it came meanwhile.

    :param logger: the node's logger.
    """

    def __init__(self, logger, period=_PERIOD):
        self._logger = logger
        self._period = period
        self._last = {}  # key -> (time of the last line, count since)

    def warning(self, key, text):
        """Log a warning unless ``key`` had its line lately."""
        suffix = self._due(key)
        if suffix is not None:
            self._logger.warning(text + suffix)

    def exception(self, key, text, error):
        """Log an error with its traceback unless ``key`` had its line lately."""
        suffix = self._due(key)
        if suffix is not None:
            trace = ''.join(traceback.format_exception(error))
            self._logger.error(f'{text}: {error}{suffix}\n{trace}')

    def _due(self, key):
        now = time.monotonic()
        last, count = self._last.get(key, (float('-inf'), 0))
        if now - last < self._period:
            self._last[key] = last, count + 1
            return None
        self._last[key] = now, 0
        return f' ({count} more like it since the last line)' if count else ''
