"""The parameter ``download``: missing weights are fetched when the node is configured."""

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import shutil
import signal
import tarfile
import threading

from graph import image_message, picture
from networks import LABELS, TINY, WEIGHTS
from preludes import PATIENT
import pytest
from sensor_msgs.msg import Image
import yaml


@contextmanager
def server(path, stalls=False):
    """Serve one file on this machine; if it stalls, only its first half."""
    data = path.read_bytes()
    release = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header('Content-Length', str(len(data)))
            self.end_headers()
            self.wfile.write(data[:len(data) // 2] if stalls else data)
            if stalls:
                self.wfile.flush()
                release.wait()

        def log_message(self, *_):
            pass

    httpd = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    httpd.daemon_threads = True
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    try:
        yield f'http://127.0.0.1:{httpd.server_address[1]}/remote.tar.gz'
    finally:
        release.set()
        httpd.shutdown()
        httpd.server_close()


@pytest.fixture
def archive(models_dir, tmp_path):
    path = tmp_path / 'remote.tar.gz'
    with tarfile.open(path, 'w:gz', compresslevel=1) as tar:
        tar.add(models_dir / TINY / WEIGHTS, f'remote/{WEIGHTS}')
    return path


def models_dir_with(url, tmp_path):
    """Return a models folder with a network whose weights are elsewhere."""
    folder = tmp_path / 'models' / 'remote'
    folder.mkdir(parents=True)
    (folder / 'network.yaml').write_text(yaml.safe_dump({
        'name': 'remote', 'width': 64, 'height': 64, 'decoder': 'fcn8s',
        'archive': 'remote.tar.gz', 'urls': [url],
        'classes': [{'label': label, 'color': [i, i, i]}
                    for i, label in enumerate(LABELS[TINY])]}))
    return str(folder.parent)


def test_missing_weights_are_fetched_with_progress_in_the_log(nodes, archive, tmp_path):
    with server(archive) as url:
        models_dir = models_dir_with(url, tmp_path)
        node = nodes.start(network='remote', models_dir=models_dir, download=True)
        graph = nodes.graph
        camera = graph.camera()
        masks = graph.listen(Image, '/segmentation/class_mask')
        graph.wait_for_subscribers(camera)
        camera.publish(image_message(picture()))
        masks.wait_for()
        assert 'downloading network remote' in node.log
        assert node.stop()[0] == 0
    # The next start needs neither the server nor the parameter.
    node = nodes.start(network='remote', models_dir=models_dir)
    node.wait_for_log('waiting for images')
    assert 'downloading' not in node.log
    shutil.rmtree(models_dir)


WAITS_FOR_EVER = """
from fcn_seg_ros.networks.fetch import fetch
assert 'stall_timeout' in fetch.__kwdefaults__
fetch.__kwdefaults__['stall_timeout'] = 1e5
"""
"""A node that does not give up a server that has fallen silent."""


def test_a_signal_ends_a_download(nodes, archive, tmp_path):
    with server(archive, stalls=True) as url:
        node = nodes.start(network='remote', models_dir=models_dir_with(url, tmp_path),
                           download=True, prelude=WAITS_FOR_EVER + PATIENT)
        node.wait_for_log('downloading network remote')
        # The download would go on for ever, and this node would wait for it, unless it is broken
        # off; that an end comes in under 2 s, whatever holds it back, is shown in
        # test_lifecycle.py.
        assert node.stop(signal.SIGTERM)[0] == 0, node.log
    assert 'Traceback' not in node.log


def test_without_the_parameter_nothing_is_fetched(nodes, tmp_path):
    node = nodes.start(network='remote',
                       models_dir=models_dir_with('http://127.0.0.1:9/remote.tar.gz', tmp_path))
    assert node.wait_for_exit() == 1
    assert "network 'remote' is not installed: run 'fcn-seg fetch remote'" in node.log
