"""Log lines that a broken camera must not flood, and the core's log lines."""

import logging
import time
import traceback

_PERIOD = 5.0


class Throttle:
    """
    Log each key at most once in some seconds, saying how often it came meanwhile.

    :param logger: the node's logger.
    """

    def __init__(self, logger, period=_PERIOD, clock=time.monotonic):
        self._logger = logger
        self._period = period
        self._clock = clock
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
            self._logger.error(f'{text}: {error!r}{suffix}\n{format_traceback(error)}')

    def _due(self, key):
        now = self._clock()
        last, count = self._last.get(key, (float('-inf'), 0))
        if now - last < self._period:
            self._last[key] = last, count + 1
            return None
        self._last[key] = now, 0
        return f' ({count} more like it since the last line)' if count else ''


class RosLogHandler(logging.Handler):
    """
    Pass what the core logs on to the node's log.

    :param logger: the node's logger.
    """

    def __init__(self, logger):
        super().__init__(logging.INFO)
        self._logger = logger

    def emit(self, record):
        """Log one record, at its level."""
        text = record.getMessage()
        # One call site each: rclpy ties a severity to the line it was first logged from.
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)


def format_traceback(error):
    """Return the text of an exception with its traceback."""
    return ''.join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()
