"""An HTTP server on this machine that behaves as a test tells it to."""

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import threading


class Server(ThreadingHTTPServer):
    """
    Serves what ``routes`` says.

    :param routes: path to bytes (served with an ETag and Range) or to a function that
        takes the request's handler.

    ``requests`` lists (path, value of the Range header) of what was asked for.
    """

    daemon_threads = True

    def __init__(self, routes):
        super().__init__(('127.0.0.1', 0), _Handler)
        self.routes = routes
        self.requests = []
        self.release = threading.Event()  # set when the server ends: stalled answers wait for it

    def url(self, path):
        """Return the address of a path."""
        return f'http://127.0.0.1:{self.server_address[1]}{path}'


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append((self.path, self.headers.get('Range')))
        route = self.server.routes.get(self.path)
        if route is None:
            self.send_error(404)
        elif callable(route):
            route(self)
        else:
            serve(self, route)

    def log_message(self, *_):
        pass


def serve(handler, data, *, etag='"1"', length=None, stop_after=None, extra=()):
    """
    Answer with data, honouring Range and If-Range.

    :param length: a Content-Length that is not the data's.
    :param stop_after: bytes of the body after which the connection is closed.
    """
    start, asked = 0, handler.headers.get('Range')
    if asked and handler.headers.get('If-Range') == etag:
        start = int(asked.removeprefix('bytes=').removesuffix('-'))
    handler.send_response(206 if start else 200)
    if start:
        handler.send_header('Content-Range', f'bytes {start}-{len(data) - 1}/{len(data)}')
    if etag:
        handler.send_header('ETag', etag)
    for name, value in extra:
        handler.send_header(name, value)
    handler.send_header('Content-Length', str(len(data) - start if length is None else length))
    handler.end_headers()
    handler.wfile.write(data[start:][:stop_after])
    handler.close_connection = True


@contextmanager
def running(routes):
    """Serve ``routes`` while the block runs."""
    server = Server(routes)
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.release.set()
        server.shutdown()
        thread.join()
        server.server_close()
