"""Log lines that a broken camera must not flood, and the core's log lines."""

from collections.abc import Callable, Hashable
import logging
import time
import traceback

from ..inference.recovery import Log

_PERIOD = 5.0


class Throttle:
    """
    Log each key at most once in some seconds, saying how often it came meanwhile.

    :param logger: the node's logger.
    :param period: seconds from one line of a key to the next.
    :param clock: seconds that never go back.
    """

    def __init__(self, logger: Log, period: float = _PERIOD,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._period = period
        self._clock = clock
        # key -> (time of the last line, count since)
        self._last: dict[Hashable, tuple[float, int]] = {}

    def warning(self, key: Hashable, text: str) -> None:
        """
        Log a warning unless its key had its line lately.

        :param key: what warnings of one kind have in common.
        :param text: the line.
        """
        suffix = self._due(key)
        if suffix is not None:
            self._logger.warning(text + suffix)

    def exception(self, key: Hashable, text: str, error: BaseException) -> None:
        """
        Log an error with its traceback unless its key had its line lately.

        :param key: what errors of one kind have in common.
        :param text: what went wrong.
        :param error: the exception.
        """
        suffix = self._due(key)
        if suffix is not None:
            self._logger.error(f'{text}: {error!r}{suffix}\n{format_traceback(error)}')

    def _due(self, key: Hashable) -> str | None:
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

    def __init__(self, logger: Log) -> None:
        super().__init__(logging.INFO)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """
        Log one record at its level.

        :param record: of the core's log.
        """
        text = record.getMessage()
        # One call site each: rclpy ties a severity to the line it was first logged from.
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)


def format_traceback(error: BaseException) -> str:
    """
    Return the text of an exception with its traceback.

    :param error: the exception.
    """
    return ''.join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()
