"""
One HTTP(S) request in a thread of its own, and what arrives of its answer.

The caller's thread watches the one that talks to the server.  So name resolution, headers that
trickle in and a server that falls silent are all noticed in the same way.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
import http.client
import queue
import threading
import time
from typing import IO, TypeAlias
import urllib.error
from urllib.parse import urlsplit
import urllib.request

from ..errors import FetchError
from ..support.text import one_line

MIN_RATE = 256  # bytes a second; a slower server counts as stalled

_CHUNK = 64 * 1024
_TICK = 0.25  # seconds between two looks at a silent server


class InterruptedTransferError(Exception):
    """The connection ended early; what came so far is on the disk."""


class _StoppedError(Exception):
    """Nobody listens any more."""


@dataclass(frozen=True)
class Answer:
    """
    The beginning of a server's answer.

    :ivar status: HTTP's.
    :ivar headers: those of the answer.
    """

    status: int
    headers: Message


_Event: TypeAlias = Answer | bytes | Exception | None
"""What a transfer hands on: the answer, chunks of its body, then an error or None."""


class Transfer(threading.Thread):
    """
    Sends one request and hands on what arrives.

    :param url: http or https address.
    :param headers: of the request, beside those that every request has.
    :param stall_timeout: seconds in which some bytes must arrive.
    """

    def __init__(self, url: str, headers: dict[str, str], stall_timeout: float) -> None:
        super().__init__(daemon=True, name='fcn-seg-download')
        self._url = url
        self._headers = {'User-Agent': 'fcn-seg', 'Accept-Encoding': 'identity', **headers}
        self._stall_timeout = stall_timeout
        self._queue: queue.Queue[_Event] = queue.Queue(maxsize=16)
        self._stopped = threading.Event()
        self.start()

    def answer(self, tick: Callable[[], object]) -> Answer:
        """
        Wait for the beginning of the answer.

        :param tick: called while waiting.
        :raises FetchError: when the server cannot be reached, refuses or stalls.
        """
        answer = next(self._events(tick))
        assert isinstance(answer, Answer)
        return answer

    def body(self, tick: Callable[[], object]) -> Iterator[bytes]:
        """
        Yield the chunks of the body; call :meth:`answer` before.

        :param tick: called while waiting.
        :raises FetchError: when the server stalls.
        :raises InterruptedTransferError: when the connection breaks.
        """
        for event in self._events(tick):
            assert isinstance(event, bytes)
            yield event

    def _events(self, tick: Callable[[], object]) -> Iterator[Answer | bytes]:
        since, received = time.monotonic(), 0
        while True:
            if time.monotonic() - since > self._stall_timeout:
                if received < MIN_RATE * self._stall_timeout:
                    raise FetchError(f'the server stalled for {self._stall_timeout:g} s')
                since, received = time.monotonic(), 0
            try:
                event = self._queue.get(timeout=min(_TICK, self._stall_timeout))
            except queue.Empty:
                tick()
                continue
            if event is None:
                return
            if isinstance(event, Exception):
                raise event
            if isinstance(event, bytes):
                received += len(event)
            yield event

    def stop(self) -> None:
        """Make the thread end with its next chunk, without waiting for it."""
        self._stopped.set()

    def run(self) -> None:
        """Send the request and put the answer, the body's chunks and None, or an error."""
        started = False
        try:
            # Longer than the watcher waits, so that it is the one to give up.
            timeout = 2 * self._stall_timeout + 1
            request = urllib.request.Request(self._url, headers=self._headers)
            with _opener().open(request, timeout=timeout) as response:
                self._put(Answer(response.status, response.headers))
                started = True
                while data := response.read1(_CHUNK):
                    self._put(data)
            self._put(None)
        except _StoppedError:
            pass
        except Exception as error:  # whatever it was, the caller's thread must hear of it
            with suppress(_StoppedError):
                self._put(_event_of(error, started))

    def _put(self, event: _Event) -> None:
        while not self._stopped.is_set():
            with suppress(queue.Full):
                self._queue.put(event, timeout=_TICK)
                return
        raise _StoppedError


def _event_of(error: Exception, started: bool) -> _Event:
    """Return what the caller's thread hears of an error; 416 is an answer to be dealt with."""
    if isinstance(error, urllib.error.HTTPError) and error.code == 416:
        return Answer(416, error.headers)
    return (InterruptedTransferError if started else FetchError)(_reason(error))


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http(s) only, and never from https to http."""

    def redirect_request(self, request: urllib.request.Request, body: IO[bytes], code: int,
                         message: str, headers: http.client.HTTPMessage, url: str
                         ) -> urllib.request.Request | None:
        """
        Return the request that follows a redirect.

        :param request: the one that was answered.
        :param body: of the answer.
        :param code: its HTTP status.
        :param message: its reason phrase.
        :param headers: its headers.
        :param url: where it leads.
        :raises FetchError: when it leads to anything but http(s), or from https to http.
        """
        allowed = ('https',) if request.type == 'https' else ('http', 'https')
        if urlsplit(url).scheme not in allowed:
            raise FetchError(f'the server redirects to {url[:80]}, which is not allowed')
        return super().redirect_request(request, body, code, message, headers, url)


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener that knows HTTP and HTTPS, and not files, FTP or data addresses."""
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler, urllib.request.UnknownHandler,
                    urllib.request.HTTPHandler, urllib.request.HTTPSHandler,
                    urllib.request.HTTPDefaultErrorHandler, _Redirects,
                    urllib.request.HTTPErrorProcessor):
        opener.add_handler(handler())
    return opener


def _reason(error: Exception) -> str:
    """Return in a few printable words what went wrong."""
    if isinstance(error, urllib.error.HTTPError):
        return one_line(f'HTTP {error.code} {error.reason}')
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return 'the server did not answer in time'
    if isinstance(reason, http.client.IncompleteRead):
        return 'the body ended early'
    return one_line(getattr(reason, 'strerror', None) or str(reason) or type(reason).__name__)
