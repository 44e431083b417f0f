"""
Download one file over HTTP(S): bounded, resumable, and never silently stuck.

Whoever waits can give up at any time by raising from ``progress``; transfer.py notices a server
that falls silent.
"""

from collections.abc import Callable
from email.message import Message
import json
from pathlib import Path
import re
import shutil
import time
from typing import TypeAlias

from .transfer import InterruptedTransferError, Transfer
from ..errors import FetchError

Progress: TypeAlias = Callable[[int, int | None], object]
"""Called with the bytes so far and the bytes in all, None while those are unknown."""

MAX_BYTES = 256 * 1024 * 1024
TRIES = 8  # connections for one file, each goes on where the one before broke off


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
              ) -> InterruptedTransferError | None:
    """Return None when the file is whole, or why the connection ended before."""
    try:
        _download_once(url, part, progress, stall_timeout)
    except InterruptedTransferError as error:
        return error
    return None


def _download_once(url: str, part: Path, progress: Progress, stall_timeout: float) -> None:
    done, headers = _resume_from(part)
    total: int | None = None
    transfer = Transfer(url, headers, stall_timeout)
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
            raise InterruptedTransferError(f'HTTP {status} for the rest of the file')
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
        raise InterruptedTransferError(f'{done} of {total} bytes came')


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
