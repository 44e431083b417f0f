"""
Download one file over HTTP(S): bounded, resumable, and never silently stuck.

A thread talks to the server and the caller's thread watches it.  So name resolution,
headers that trickle in and a server that falls silent are all noticed in the same way,
and whoever waits can give up at any time by raising from ``progress``.
"""

from contextlib import suppress
import http.client
import json
import queue
import re
import shutil
import threading
import time
import urllib.error
from urllib.parse import urlsplit
import urllib.request

from ..errors import FetchError

MAX_BYTES = 256 * 1024 * 1024
MIN_RATE = 256  # bytes a second; a slower server counts as stalled
TRIES = 8  # connections for one file, each goes on where the one before broke off

_CHUNK = 64 * 1024
_TICK = 0.25  # seconds between two looks at a silent server


class _InterruptedError(Exception):
    """The connection ended early; what came so far is on the disk."""


class _StoppedError(Exception):
    """Nobody listens any more."""


def download(url, part, *, progress=None, stall_timeout=30.0, retry_delay=1.0):
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
    progress = progress or (lambda done, total: None)
    if not re.match('https?://', url):
        raise FetchError('only http and https addresses can be fetched')
    for left in reversed(range(TRIES)):
        problem = _try_once(url, part, progress, stall_timeout)
        if problem is None:
            return
        if left:
            time.sleep(retry_delay)
    raise FetchError(f'the connection broke off {TRIES} times ({problem})')


def _try_once(url, part, progress, stall_timeout):
    """Return None when the file is whole, or why the connection ended before."""
    try:
        _download_once(url, part, progress, stall_timeout)
    except _InterruptedError as error:
        return error
    return None


def _download_once(url, part, progress, stall_timeout):
    done, headers = _resume_from(part)
    total = None
    transfer = _Transfer(url, headers, stall_timeout)
    try:
        messages = transfer.messages(lambda: progress(done, total))
        status, answer = next(messages)
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
            for data in messages:
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


def _check_size(part, done, total):
    if total is None:
        return
    if total > MAX_BYTES:
        _forget(part)
        raise FetchError(f'the file is larger than {MAX_BYTES >> 20} MiB')
    free = shutil.disk_usage(part.parent).free
    if total - done > free:
        raise FetchError(f'{(total - done) >> 20} MiB are needed on the disk of {part.parent}, '
                         f'{free >> 20} MiB are free')


class _Transfer(threading.Thread):
    """Sends one request and hands on what arrives."""

    def __init__(self, url, headers, stall_timeout):
        super().__init__(daemon=True, name='fcn-seg-download')
        self._url = url
        self._headers = {'User-Agent': 'fcn-seg', 'Accept-Encoding': 'identity', **headers}
        self._stall_timeout = stall_timeout
        self._queue = queue.Queue(maxsize=16)
        self._stopped = threading.Event()
        self.start()

    def messages(self, tick):
        """
        Yield (status, headers), then the chunks of the body.

        :param tick: called while waiting.
        :raises FetchError: when the server cannot be reached, refuses or stalls.
        :raises _InterruptedError: when the connection breaks in the body.
        """
        since, received = time.monotonic(), 0
        while True:
            if time.monotonic() - since > self._stall_timeout:
                if received < MIN_RATE * self._stall_timeout:
                    raise FetchError(f'the server stalled for {self._stall_timeout:g} s')
                since, received = time.monotonic(), 0
            try:
                kind, value = self._queue.get(timeout=min(_TICK, self._stall_timeout))
            except queue.Empty:
                tick()
                continue
            if kind == 'end':
                return
            if kind == 'error':
                raise value
            if kind == 'data':
                received += len(value)
            else:
                since = time.monotonic()
            yield value

    def stop(self):
        """Make the thread end with its next chunk, without waiting for it."""
        self._stopped.set()

    def run(self):
        started = False
        try:
            # Longer than the watcher waits, so that it is the one to give up.
            timeout = 2 * self._stall_timeout + 1
            request = urllib.request.Request(self._url, headers=self._headers)
            with _opener().open(request, timeout=timeout) as response:
                self._put('start', (response.status, response.headers))
                started = True
                while data := response.read1(_CHUNK):
                    self._put('data', data)
            self._put('end', None)
        except _StoppedError:
            pass
        except Exception as error:  # whatever it was, the caller's thread must hear of it
            self._put_error(error, started)

    def _put_error(self, error, started):
        if isinstance(error, urllib.error.HTTPError) and error.code == 416:
            value, kind = (416, error.headers), 'start'
        elif started:
            value, kind = _InterruptedError(_reason(error)), 'error'
        else:
            value, kind = FetchError(_reason(error)), 'error'
        with suppress(_StoppedError):
            self._put(kind, value)

    def _put(self, kind, value):
        while not self._stopped.is_set():
            with suppress(queue.Full):
                self._queue.put((kind, value), timeout=_TICK)
                return
        raise _StoppedError


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, request, body, code, message, headers, url):
        allowed = ('https',) if request.type == 'https' else ('http', 'https')
        if urlsplit(url).scheme not in allowed:
            raise FetchError(f'the server redirects to {url[:80]}, which is not allowed')
        return super().redirect_request(request, body, code, message, headers, url)


def _opener():
    """Return an opener that knows HTTP and HTTPS, and not files, FTP or data addresses."""
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler, urllib.request.UnknownHandler,
                    urllib.request.HTTPHandler, urllib.request.HTTPSHandler,
                    urllib.request.HTTPDefaultErrorHandler, _Redirects,
                    urllib.request.HTTPErrorProcessor):
        opener.add_handler(handler())
    return opener


def _reason(error):
    """Return in a few printable words what went wrong."""
    if isinstance(error, urllib.error.HTTPError):
        error = f'HTTP {error.code} {error.reason}'
    elif isinstance(error, urllib.error.URLError):
        error = error.reason
    if isinstance(error, TimeoutError):
        return 'the server did not answer in time'
    if isinstance(error, http.client.IncompleteRead):
        return 'the body ended early'
    text = getattr(error, 'strerror', None) or str(error) or type(error).__name__
    text = ' '.join(str(text).split())[:200]
    return ''.join(char if char.isprintable() else '?' for char in text)


def _content_length(headers):
    value = headers.get('Content-Length')
    if value is None:
        return None
    if not re.fullmatch('[0-9]{1,15}', value.strip()):
        raise FetchError(f'the server gives the length as {ascii(value[:30])}')
    return int(value)


def _note(part):
    return part.with_name(part.name + '.json')


def _remember(part, headers):
    """Keep what identifies the server's version of the file, to resume later."""
    part.unlink(missing_ok=True)
    note = {'etag': headers.get('ETag'), 'last_modified': headers.get('Last-Modified')}
    _note(part).write_text(json.dumps(note), encoding='utf-8')


def _forget(part):
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def _resume_from(part):
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


def _continues(answer, done, asked):
    """Tell whether a 206 is the rest, up to the end, of the file that was begun."""
    found = re.fullmatch(r'bytes (\d{1,15})-(\d{1,15})/(\d{1,15})',
                         answer.get('Content-Range', '').strip())
    if not found:
        return False
    first, last, total = map(int, found.groups())
    same = asked['If-Range'] in (answer.get('ETag', asked['If-Range']),
                                 answer.get('Last-Modified'))
    return first == done and last == total - 1 and same
