"""Downloads from servers that are slow, broken or hostile."""

import collections

from fcn_seg_ros.errors import FetchError
from fcn_seg_ros.networks import download as download_module, transfer
from fcn_seg_ros.networks.download import download
from local_server import running, serve
import pytest

DATA = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture
def get(tmp_path):
    """Return a function that downloads what a route gives, and the requests that it took."""
    def run(route, path='/file', routes=(), **options):
        part = tmp_path / 'file.part'
        with running({'/file': route, **dict(routes)}) as server:
            run.requests = server.requests
            download(server.url(path), part, **{'stall_timeout': 20, 'retry_delay': 0, **options})
        return part.read_bytes()
    run.part = tmp_path / 'file.part'
    return run


def test_whole_file(get):
    seen = []
    assert get(DATA, progress=lambda done, total: seen.append((done, total))) == DATA
    assert seen[-1] == (len(DATA), len(DATA))
    assert seen == sorted(seen)
    assert get.requests == [('/file', None)]


def test_without_a_length(get):
    def route(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(DATA)
    assert get(route) == DATA


def test_chunked(get):
    def route(handler):
        handler.protocol_version = 'HTTP/1.1'
        handler.send_response(200)
        handler.send_header('Transfer-Encoding', 'chunked')
        handler.end_headers()
        for at in range(0, len(DATA), 100_000):
            chunk = DATA[at:at + 100_000]
            handler.wfile.write(b'%x\r\n%s\r\n' % (len(chunk), chunk))
        handler.wfile.write(b'0\r\n\r\n')
        handler.close_connection = True
    assert get(route) == DATA


def test_connection_that_breaks_is_resumed(get):
    cuts = collections.deque([300_000, 200_000])

    def route(handler):
        serve(handler, DATA, stop_after=cuts.popleft() if cuts else None)
    assert get(route) == DATA
    assert [asked for _, asked in get.requests] == [None, 'bytes=300000-', 'bytes=500000-']


def begin(get, **options):
    """Leave a part of the file, as a process that was interrupted does."""
    class UserError(Exception):
        pass

    def progress(done, total):
        if done > 100_000:
            raise UserError
    with pytest.raises(UserError):
        get(lambda handler: serve(handler, DATA, **options), progress=progress)
    size = get.part.stat().st_size
    assert 0 < size < len(DATA)
    return size


def test_later_try_goes_on(get):
    size = begin(get)
    assert get(DATA) == DATA
    assert get.requests == [('/file', f'bytes={size}-')]


def test_by_modification_time(get):
    when = 'Sat, 29 Oct 1994 19:43:31 GMT'
    size = begin(get, etag=None, extra=[('Last-Modified', when)])

    def route(handler):
        assert handler.headers['If-Range'] == when
        handler.send_response(206)
        handler.send_header('Content-Range', f'bytes {size}-{len(DATA) - 1}/{len(DATA)}')
        handler.send_header('Last-Modified', when)
        handler.end_headers()
        handler.wfile.write(DATA[size:])
    assert get(route) == DATA


@pytest.mark.parametrize('etag', [None, 'W/"1"'])
def test_what_cannot_be_told_the_same_is_begun_anew(get, etag):
    begin(get, etag=etag)
    assert get(DATA) == DATA
    assert get.requests == [('/file', None)]


def test_file_that_changed_is_begun_anew(get):
    begin(get)
    new = DATA[::-1]
    assert get(lambda handler: serve(handler, new, etag='"2"')) == new
    assert len(get.requests) == 1


@pytest.mark.parametrize('answer', ['bytes 0-9/1048576', 'bytes 5-1048575/1048576', 'x', None,
                                    'bytes {}-{}/{}'])
def test_wrong_range_is_not_appended(get, answer):
    size = begin(get)
    etag = '"1"'
    if answer and '{' in answer:  # the right range, of another file
        answer, etag = answer.format(size, len(DATA) - 1, len(DATA)), '"2"'

    def route(handler):
        if not handler.headers['Range']:
            return serve(handler, DATA)
        handler.send_response(206)
        handler.send_header('ETag', etag)
        if answer:
            handler.send_header('Content-Range', answer)
        handler.end_headers()
        return handler.wfile.write(DATA[:10])
    assert get(route) == DATA
    assert [asked for _, asked in get.requests] == [f'bytes={size}-', None]


def test_range_beyond_the_end_is_begun_anew(get):
    begin(get)

    def route(handler):
        if handler.headers['Range']:
            return handler.send_error(416)
        return serve(handler, DATA)
    assert get(route) == DATA


def test_damaged_note_is_begun_anew(get):
    begin(get)
    get.part.with_name('file.part.json').write_text('[')
    assert get(DATA) == DATA
    assert get.requests == [('/file', None)]


@pytest.mark.parametrize('path, message', [('/none', 'HTTP 404'), ('/file', 'HTTP 204')])
def test_refused(get, path, message):
    with pytest.raises(FetchError, match=message):
        get(lambda handler: (handler.send_response(204), handler.end_headers()), path)


def test_reason_of_a_refusal_is_shown_in_one_printable_line(get):
    def route(handler):
        handler.wfile.write(b'HTTP/1.0 500 ' + b'\x1b[2J' * 1000 + b'\r\n\r\n')
    with pytest.raises(FetchError, match=r'^HTTP 500 \?\[2J') as caught:
        get(route)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) <= 200


def test_nobody_listens(tmp_path):
    with running({}) as server:
        url = server.url('/file')
    with pytest.raises(FetchError, match='refused'):
        download(url, tmp_path / 'part')


@pytest.mark.parametrize('url', ['file:///etc/passwd', 'ftp://127.0.0.1/x', 'data:,x', '/etc',
                                 'http://', 'http://[', 'http://127.0.0.1:99999/'])
def test_address_that_cannot_be_fetched(tmp_path, url):
    with pytest.raises(FetchError):
        download(url, tmp_path / 'part')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('target', ['file:///etc/passwd', 'ftp://127.0.0.1/x', 'data:,x',
                                    'gopher://127.0.0.1/'])
def test_redirect_to_something_else(get, target):
    def route(handler):
        handler.send_response(302)
        handler.send_header('Location', target)
        handler.end_headers()
    with pytest.raises(FetchError, match='redirect|Redirection'):
        get(route)
    assert not get.part.exists()


def test_redirect_is_followed_and_not_for_ever(get):
    def route(handler):
        handler.send_response(302)
        handler.send_header('Location', handler.server.url(handler.path[:-1] or '/'))
        handler.end_headers()
    assert get(DATA, '/file1', {'/file1': route}) == DATA

    def loop(handler):
        handler.send_response(302)
        handler.send_header('Location', handler.server.url('/file'))
        handler.end_headers()
    with pytest.raises(FetchError, match='302'):
        get(loop)


def test_redirect_from_https_to_http_is_refused():
    redirects = transfer._Redirects()
    request = transfer.urllib.request.Request('https://example.org/a')
    with pytest.raises(FetchError, match='redirects to http://example.org/b'):
        redirects.redirect_request(request, None, 302, 'Found', {}, 'http://example.org/b')
    assert redirects.redirect_request(request, None, 302, 'Found', {}, 'https://example.org/b')


def stalls_before_headers(handler):
    handler.server.release.wait()


def stalls_in_headers(handler):
    handler.wfile.write(b'HTTP/1.0 200 OK\r\nContent-')
    while not handler.server.release.wait(0.05):
        handler.wfile.write(b'x')  # a byte now and then must not keep us waiting


def stalls_in_body(handler):
    handler.send_response(200)
    handler.send_header('Content-Length', str(len(DATA)))
    handler.end_headers()
    handler.wfile.write(DATA[:1000])
    while not handler.server.release.wait(0.05):
        handler.wfile.write(b'x')


@pytest.mark.parametrize('route', [stalls_before_headers, stalls_in_headers, stalls_in_body])
def test_stall(get, route):
    with pytest.raises(FetchError, match='stalled for 0.4 s'):
        get(route, stall_timeout=0.4)
    assert len(get.requests) == 1


def test_caller_can_give_up_while_nothing_arrives(get):
    class UserError(Exception):
        pass

    def progress(done, total):
        raise UserError
    with pytest.raises(UserError):
        get(stalls_before_headers, progress=progress)


def test_length_that_promises_too_much(get):
    with pytest.raises(FetchError, match='broke off 8 times .*of 1048586 bytes came'):
        get(lambda handler: serve(handler, DATA, etag=None, length=len(DATA) + 10))


def test_length_that_promises_too_little_cuts_the_file(get):
    # What is missing is noticed when the archive is checked.
    assert get(lambda handler: serve(handler, DATA, length=1000)) == DATA[:1000]


@pytest.mark.parametrize('length', ['-5', 'many', '1e9', '9' * 40])
def test_length_that_is_none(get, length):
    with pytest.raises(FetchError, match='gives the length as'):
        get(lambda handler: serve(handler, DATA, length=length))


@pytest.mark.parametrize('length', [None, 1 << 40])
def test_file_that_is_too_large(get, monkeypatch, length):
    monkeypatch.setattr(download_module, 'MAX_BYTES', 500_000)

    def route(handler):
        if length:
            return serve(handler, DATA, length=length)
        handler.send_response(200)
        handler.end_headers()
        return handler.wfile.write(DATA)
    with pytest.raises(FetchError, match='larger than 0 MiB'):
        get(route)
    assert not get.part.exists()


def test_disk_without_room(get, monkeypatch):
    usage = collections.namedtuple('usage', 'total used free')
    monkeypatch.setattr(download_module.shutil, 'disk_usage', lambda path: usage(10, 10, 1000))
    with pytest.raises(FetchError, match='1 MiB are needed on the disk .* 0 MiB are free'):
        get(DATA)
