"""
Download one file over HTTP(S): bounded, resumable, and never silently stuck.

A thread talks to the server and the caller's thread watches it.  So name resolution,
headers that trickle in and a server that falls silent are all noticed in the same way,
and whoever waits can give up at any time by raising from ``progress``.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
import http.client
import json
from pathlib import Path
import queue
import re
import shutil
import threading
import time
from typing import IO, TypeAlias
import urllib.error
from urllib.parse import urlsplit
import urllib.request

from ..errors import FetchError
from ..support.text import one_line

Progress: TypeAlias = Callable[[int, int | None], object]
"""Called with the bytes so far and the bytes in all, None while those are unknown."""

MAX_BYTES = 256 * 1024 * 1024
MIN_RATE = 256  # bytes a second; a slower server counts as stalled
TRIES = 8  # connections for one file, each goes on where the one before broke off

_CHUNK = 64 * 1024
_TICK = 0.25  # seconds between two looks at a silent server


class _InterruptedError(Exception):
    """The connection ended early; what came so far is on the disk."""


class _StoppedError(Exception):
    """Nobody listens any more."""


def download(url: str, part: Path, *, progress: Progress | None = None,
             stall_timeout: float = 30.0, retry_delay: float = 1.0) -> None:
    """
    Download a file, going on with what an earlier try has left.

    :param url: http or https address; redirects may not lead anywhere else, nor from
        https to http.
    :param part: path of the file to write; ``<part>.json`` beside it keeps what tells
        whether the server's file is still the same.
    :param progress: called with (bytes so far, bytes in all or None) several times a
        second, also while nothing arrives; what it raises ends the download.
    :param stall_timeout: seconds in which some bytes must arrive.
    :param retry_delay: seconds to wait before connecting again.
    :raises FetchError: when the server fails, stalls, lies or has too large a file.
    :raises OSError: when ``part`` cannot be written.
    """
    report: Progress = progress or (lambda done, total: None)
    if not re.match('https?://', url):
        raise FetchError('only http and https addresses can be fetched')
    for left in reversed(range(TRIES)):
        problem = _try_once(url, part, report, stall_timeout)
        if problem is None:
            return
        if left:
            time.sleep(retry_delay)
    raise FetchError(f'the connection broke off {TRIES} times ({problem})')


def _try_once(url: str, part: Path, progress: Progress, stall_timeout: float
              ) -> _InterruptedError | None:
    """Return None when the file is whole, or why the connection ended before."""
    try:
        _download_once(url, part, progress, stall_timeout)
    except _InterruptedError as error:
        return error
    return None


def _download_once(url: str, part: Path, progress: Progress, stall_timeout: float) -> None:
    done, headers = _resume_from(part)
    total: int | None = None
    transfer = _Transfer(url, headers, stall_timeout)
    try:
        def tick() -> None:
            progress(done, total)

        begun = transfer.answer(tick)
        status, answer = begun.status, begun.headers
        if done and status == 206 and _continues(answer, done, headers):
            total = int(answer['Content-Range'].rpartition('/')[2])
        elif status == 200:
            done, total = 0, _content_length(answer)
            _remember(part, answer)
        else:
            _forget(part)  # and begin anew: the file changed, or there is no such range
            if not done:
                raise FetchError(f'the server answered with HTTP {status}')
            raise _InterruptedError(f'HTTP {status} for the rest of the file')
        _check_size(part, done, total)
        with open(part, 'ab' if done else 'wb') as file:
            for data in transfer.body(tick):
                file.write(data)
                done += len(data)
                _check_size(part, done, done)
                progress(done, total)
    except OSError:
        _forget(part)  # the disk is full: leave it to those who need it
        raise
    finally:
        transfer.stop()
    if total is not None and done != total:
        if done > total:
            _forget(part)
        raise _InterruptedError(f'{done} of {total} bytes came')


def _check_size(part: Path, done: int, total: int | None) -> None:
    if total is None:
        return
    if total > MAX_BYTES:
        _forget(part)
        raise FetchError(f'the file is larger than {MAX_BYTES >> 20} MiB')
    free = shutil.disk_usage(part.parent).free
    if total - done > free:
        raise FetchError(f'{(total - done) >> 20} MiB are needed on the disk of {part.parent}, '
                         f'{free >> 20} MiB are free')


@dataclass(frozen=True)
class _Answer:
    """The beginning of a server's answer."""

    status: int
    headers: Message


_Event: TypeAlias = _Answer | bytes | Exception | None
"""What a transfer hands on: the answer, chunks of its body, then an error or None."""


class _Transfer(threading.Thread):
    """Sends one request and hands on what arrives."""

    def __init__(self, url: str, headers: dict[str, str], stall_timeout: float) -> None:
        super().__init__(daemon=True, name='fcn-seg-download')
        self._url = url
        self._headers = {'User-Agent': 'fcn-seg', 'Accept-Encoding': 'identity', **headers}
        self._stall_timeout = stall_timeout
        self._queue: queue.Queue[_Event] = queue.Queue(maxsize=16)
        self._stopped = threading.Event()
        self.start()

    def answer(self, tick: Callable[[], object]) -> _Answer:
        """
        Wait for the beginning of the answer.

        :param tick: called while waiting.
        :raises FetchError: when the server cannot be reached, refuses or stalls.
        """
        answer = next(self._events(tick))
        assert isinstance(answer, _Answer)
        return answer

    def body(self, tick: Callable[[], object]) -> Iterator[bytes]:
        """
        Yield the chunks of the body; call :meth:`answer` before.

        :param tick: called while waiting.
        :raises FetchError: when the server stalls.
        :raises _InterruptedError: when the connection breaks.
        """
        for event in self._events(tick):
            assert isinstance(event, bytes)
            yield event

    def _events(self, tick: Callable[[], object]) -> Iterator[_Answer | bytes]:
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
                self._put(_Answer(response.status, response.headers))
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
        return _Answer(416, error.headers)
    return (_InterruptedError if started else FetchError)(_reason(error))


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


def _content_length(headers: Message) -> int | None:
    value = headers.get('Content-Length')
    if value is None:
        return None
    if not re.fullmatch('[0-9]{1,15}', value.strip()):
        raise FetchError(f'the server gives the length as {ascii(value[:30])}')
    return int(value)


def _note(part: Path) -> Path:
    return part.with_name(part.name + '.json')


def _remember(part: Path, headers: Message) -> None:
    """Keep what identifies the server's version of the file, to resume later."""
    part.unlink(missing_ok=True)
    note = {'etag': headers.get('ETag'), 'last_modified': headers.get('Last-Modified')}
    _note(part).write_text(json.dumps(note), encoding='utf-8')


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def _resume_from(part: Path) -> tuple[int, dict[str, str]]:
    """Return how many bytes there are, and the headers that ask for the rest of the same file."""
    try:
        note = json.loads(_note(part).read_text(encoding='utf-8'))
        done = part.stat().st_size
        # Weak ETags do not tell bytes apart, so they cannot be used here (RFC 9110, 13.1.5).
        etag = note['etag'] if (note['etag'] or 'W/').startswith('"') else None
        validator = etag or note['last_modified']
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0, {}
    if not done or not isinstance(validator, str):
        return 0, {}
    return done, {'Range': f'bytes={done}-', 'If-Range': validator}


def _continues(answer: Message, done: int, asked: dict[str, str]) -> bool:
    """Tell whether a 206 is the rest, up to the end, of the file that was begun."""
    found = re.fullmatch(r'bytes (\d{1,15})-(\d{1,15})/(\d{1,15})',
                         answer.get('Content-Range', '').strip())
    if not found:
        return False
    first, last, total = map(int, found.groups())
    same = asked['If-Range'] in (answer.get('ETag', asked['If-Range']),
                                 answer.get('Last-Modified'))
    return first == done and last == total - 1 and same
