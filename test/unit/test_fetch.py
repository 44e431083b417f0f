"""Fetching a network: the published path, and that nothing else gets installed."""

import errno
import hashlib
import json
import os
from pathlib import Path
import subprocess
import sys
import tempfile

from fcn_seg_ros.errors import FetchError
from fcn_seg_ros.networks import download as download_module, fetch as fetch_module
from fcn_seg_ros.networks.fetch import fetch
from fcn_seg_ros.networks.registry import Registry
from fcn_seg_ros.networks.weights import load_network
from local_server import running, serve
import numpy as np
import onnxruntime
import published
import pytest
import torch

NAME = published.NETWORK
OWN = 'classes: deepscene\nwidth: 96\nheight: 64\n'


@pytest.fixture
def get(tmp_path):
    """Return a function that fetches a network from a server of the given routes."""
    def run(*routes, name=NAME, **options):
        served = {f'/{i}': route for i, route in enumerate(routes)}
        with running(served) as server:
            run.requests = server.requests
            network = Registry.load(tmp_path).get(name)
            return fetch(network, tmp_path, urls=[server.url(path) for path in served], **options)
    return run


@pytest.fixture
def light(monkeypatch):
    """Let small files pass for weights, where a test is not about weights."""
    monkeypatch.setattr(fetch_module, '_check_loads', lambda network, weights: None)
    return published.tar_gz({'model.onnx': b'weights', 'classes.txt': b'trail\n'})


def installed(models_dir):
    """Return what is in the models folder, but for the hidden working folder."""
    return sorted(str(path.relative_to(models_dir)) for path in models_dir.rglob('*')
                  if '.fetch' not in path.parts)


def leftovers(models_dir):
    return {path.name for path in (models_dir / '.fetch').rglob('*') if path.is_file()}


# The published path


def test_published_archive(get, tmp_path):
    files = published.contents()
    archive = published.tar_gz(files)
    seen = []
    path = get(archive, progress=lambda done, total: seen.append((done, total)))
    assert path == tmp_path / NAME / 'fcn_resnet18.onnx'
    assert {p.name: p.read_bytes() for p in path.parent.iterdir()} == files
    assert seen[-1] == (len(archive), len(archive))
    assert leftovers(tmp_path) == {'lock', 'fetched.json'}
    record = json.loads((tmp_path / '.fetch' / NAME / 'fetched.json').read_text())
    assert record['sha256'] == hashlib.sha256(archive).hexdigest()

    registry = Registry.load(tmp_path)
    network = registry.get(NAME)
    assert registry.find_weights(network) == path
    model, classes = load_network(network, path)
    assert classes.labels == published.LABELS
    image = torch.randn(1, 3, published.HEIGHT, published.WIDTH)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, ['CPUExecutionProvider'])
    expected = session.run(['output_0'], {'input_0': image.numpy()})[0]
    np.testing.assert_allclose(model(image).numpy(), expected, atol=1e-4)

    assert get(archive) == path  # and nothing is downloaded again
    assert not get.requests


def test_copy_by_hand_needs_no_server(tmp_path):
    folder = tmp_path / NAME / 'FCN-ResNet18-DeepScene-576x320'
    folder.mkdir(parents=True)
    for name, data in published.contents().items():
        (folder / name).write_bytes(data)
    network = Registry.load(tmp_path).get(NAME)
    assert fetch(network, tmp_path) == folder / 'fcn_resnet18.onnx'


def test_bundled_network_needs_no_server(tmp_path, light):
    network = Registry.load(tmp_path).get('fcn-resnet18-street')
    if Registry.load(tmp_path).find_weights(network) is None:
        pytest.skip('this source tree holds no bundled weights')
    assert network.folder in fetch(network, tmp_path).parents


@pytest.fixture
def no_torch(monkeypatch):
    """Let PyTorch be missing."""
    monkeypatch.setattr(fetch_module, 'find_spec', lambda name: None)
    monkeypatch.setitem(sys.modules, 'fcn_seg_ros.networks.weights', None)


def test_published_archive_without_pytorch(get, tmp_path, no_torch):
    archive = published.tar_gz(published.contents())
    path = get(archive)
    assert path == tmp_path / NAME / 'fcn_resnet18.onnx'
    assert get(archive) == path
    assert fetch(Registry.load(tmp_path).get('fcn-resnet18-street'), tmp_path).is_file()


@pytest.mark.parametrize(('name', 'words'), [
    ('model.onnx', 'model.onnx: it is not'), ('model.safetensors', 'is not a whole .safetensors'),
    ('model.pth', 'model.pth needs PyTorch')])
def test_what_cannot_be_checked_without_pytorch_is_not_installed(
        get, tmp_path, no_torch, name, words):
    with pytest.raises(FetchError, match=words):
        get(published.tar_gz({name: b'weights'}))
    assert not installed(tmp_path)


def test_own_network_with_an_address(get, tmp_path, light):
    folder = tmp_path / 'park'
    folder.mkdir()
    (folder / 'network.yaml').write_text(OWN)
    path = get(light, name='park')
    assert path == folder / 'weights' / 'model.onnx'
    assert Registry.load(tmp_path).find_weights(Registry.load(tmp_path).get('park')) == path


def test_archive_without_a_folder(get, tmp_path, light):
    assert get(published.tar_gz({'model.onnx': b'w'}, folder='')) == tmp_path / NAME / 'model.onnx'


def test_archive_cannot_redefine_the_network(get, tmp_path, light):
    get(published.tar_gz({'model.onnx': b'w', 'network.yaml': OWN.encode()}))
    assert installed(tmp_path) == [NAME, f'{NAME}/model.onnx']


def test_no_address(tmp_path):
    (tmp_path / 'park').mkdir()
    (tmp_path / 'park' / 'network.yaml').write_text(OWN)
    with pytest.raises(FetchError, match='park has no address to fetch it from: copy'):
        fetch(Registry.load(tmp_path).get('park'), tmp_path)


# Archives that cannot be used


@pytest.fixture(scope='module')
def bad_archives():
    def with_files(**options):
        return published.tar_gz(published.contents(**options), level=0)
    whole = published.onnx()
    return {
        'corrupt weights': (with_files(weights=whole[:100] + b'????' + whole[104:]), 'onnx'),
        'truncated weights': (with_files(weights=whole[:-1000]), 'cut off'),
        'wrong class count': (with_files(weights=published.onnx(num_classes=7)),
                              'has 7 classes but .* has 5'),
        'classes that do not fit': (with_files(labels=('a', 'b')), '5 colours for 2 classes'),
        'colours that do not fit': (with_files(colors=published.COLORS[:4]),
                                    '4 colours for 5 classes'),
        'another decoder': (with_files(weights=published.onnx(decoder='fcn8s')), 'fcn32s'),
        'no weights': (published.tar_gz({'classes.txt': b'a\n'}), 'holds no .safetensors'),
        'two kinds of weights': (published.tar_gz({'a.onnx': b'1', 'b.onnx': b'2'}), 'several'),
        'a way out': (published.tar_gz({'../../evil.onnx': b'x'}), 'not allowed'),
        'a login page': (b'<html>Please log in</html>', 'not a .tar.gz'),
    }


@pytest.mark.parametrize('case', [
    'corrupt weights', 'truncated weights', 'wrong class count', 'classes that do not fit',
    'colours that do not fit', 'another decoder', 'no weights', 'two kinds of weights',
    'a way out', 'a login page'])
def test_unusable_archive(get, tmp_path, bad_archives, case):
    data, message = bad_archives[case]
    with pytest.raises(FetchError, match=message) as caught:
        get(data)
    assert '\n' not in str(caught.value)
    assert str(caught.value).startswith(f'cannot fetch {NAME}: 127.0.0.1: ')
    assert installed(tmp_path) == []
    assert leftovers(tmp_path) == {'lock'}
    assert not (tmp_path.parent / 'evil.onnx').exists()


def test_mirror_takes_over(get, tmp_path, light):
    def missing(handler):
        handler.send_error(404)

    def lying(handler):
        serve(handler, light, length=len(light) - 1)

    def redirecting(handler):
        handler.send_response(302)
        handler.send_header('Location', 'file:///etc/passwd')
        handler.end_headers()

    def stalling(handler):
        handler.server.release.wait()
    path = get(missing, lying, redirecting, stalling, b'<html>', light, stall_timeout=2)
    assert path.read_bytes() == b'weights'
    assert [asked for asked, _ in get.requests] == ['/0', '/1', '/2', '/3', '/4', '/5']
    assert leftovers(tmp_path) == {'lock', 'fetched.json'}


def test_all_addresses_fail(get, tmp_path):
    with pytest.raises(FetchError) as caught:
        get(lambda handler: handler.send_error(404), lambda handler: handler.send_error(503))
    assert '127.0.0.1: HTTP 404' in str(caught.value)
    assert '127.0.0.1: HTTP 503' in str(caught.value)
    assert installed(tmp_path) == []


def test_interrupted_fetch_goes_on(tmp_path, light):
    big = published.tar_gz({'model.onnx': os.urandom(400_000)})

    class UserError(Exception):
        pass

    def progress(done, total):
        if done > 100_000:
            raise UserError
    with running({'/a': big}) as server:
        network = Registry.load(tmp_path).get(NAME)
        address = server.url('/a')
        with pytest.raises(UserError):
            fetch(network, tmp_path, urls=[address], progress=progress)
        assert installed(tmp_path) == []
        assert fetch(network, tmp_path, urls=[address]).stat().st_size == 400_000
        assert server.requests[0] == ('/a', None)
        assert server.requests[1][1].startswith('bytes=')


# What an archive must be


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def remove(models_dir):
    fetch_module.shutil.rmtree(models_dir / NAME)


def test_first_sha256_is_kept_and_enforced(get, tmp_path, light):
    get(light)
    remove(tmp_path)
    other = published.tar_gz({'model.onnx': b'other'})
    with pytest.raises(FetchError, match=f'at the first fetch it was {sha256(light)}.* give '
                                         f'--sha256 {sha256(other)}'):
        get(other)
    assert installed(tmp_path) == []
    assert get(light).read_bytes() == b'weights'
    remove(tmp_path)
    assert get(other, sha256=sha256(other).upper()).read_bytes() == b'other'
    remove(tmp_path)
    with pytest.raises(FetchError, match='at the first fetch'):
        get(light)


def test_pinned_sha256(get, tmp_path, light):
    with pytest.raises(FetchError, match=f'has the sha256 {sha256(light)}, expected {"0" * 64}'):
        get(light, sha256='0' * 64)
    assert installed(tmp_path) == []
    assert get(b'<html>', light, sha256=sha256(light)).read_bytes() == b'weights'
    with pytest.raises(FetchError, match='is not from an archive with the sha256 000'):
        get(light, sha256='0' * 64)


def test_sha256_of_the_registry(get, tmp_path, light):
    (tmp_path / 'park').mkdir()
    (tmp_path / 'park' / 'network.yaml').write_text(OWN + f'sha256: "{"1" * 64}"\n')
    with pytest.raises(FetchError, match=f'expected {"1" * 64}'):
        get(light, name='park')
    assert get(light, name='park', sha256=sha256(light)).read_bytes() == b'weights'


def test_installed_weights_that_changed(get, tmp_path, light):
    path = get(light)
    path.write_bytes(b'Weights')
    with pytest.raises(FetchError, match='has changed since it was fetched'):
        get(light)


def test_installed_weights_that_are_damaged(get, tmp_path):
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / 'a.onnx').write_bytes(b'x')
    with pytest.raises(FetchError, match='installed copy cannot be used .*a.onnx'):
        get(b'')
    assert not get.requests


@pytest.mark.parametrize('text', ['{', '[]', '{"files": 3}'])
def test_damaged_record_is_not_ignored(get, tmp_path, light, text):
    get(light)
    remove(tmp_path)
    (tmp_path / '.fetch' / NAME / 'fetched.json').write_text(text)
    with pytest.raises(FetchError, match='fetched.json is damaged.*: delete it'):
        get(light)


def test_folder_in_the_way_is_left_alone(get, tmp_path, light):
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / 'notes.txt').write_text('mine')
    with pytest.raises(FetchError, match='is in the way and holds no weights'):
        get(light)
    assert installed(tmp_path) == [NAME, f'{NAME}/notes.txt']


# The machine's faults


def test_remains_of_a_killed_process(get, tmp_path, light):
    staging = tmp_path / '.fetch' / NAME / 'unpacked' / 'half'
    staging.mkdir(parents=True)
    (staging / 'model.onnx').write_bytes(b'wei')
    (tmp_path / NAME).mkdir()
    assert get(light).read_bytes() == b'weights'
    assert leftovers(tmp_path) == {'lock', 'fetched.json'}


PROCESS = """
import resource, sys
from fcn_seg_ros.networks import fetch as module
from fcn_seg_ros.errors import FetchError
from fcn_seg_ros.networks.registry import Registry
name, models_dir, url, limit = sys.argv[1:]
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
module._check_loads = lambda network, weights: None
def progress(done, total):
    if done == 0 and total is None:
        print('waiting', flush=True)
try:
    print(module.fetch(Registry.load(models_dir).get(name), models_dir, urls=[url],
                       progress=progress))
except FetchError as error:
    sys.exit(f'failed: {error}')
"""


def run_fetch(models_dir, url, limit=''):
    """
    Start a process that fetches without loading the weights; it prints when it waits.

    :param limit: largest file that it may write, bytes.
    """
    return subprocess.Popen(
        [sys.executable, '-c', PROCESS, NAME, str(models_dir), url, limit],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_two_processes_at_once(tmp_path, light):
    def route(handler):
        handler.server.release.wait()  # until both processes are under way
        serve(handler, light)
    with running({'/a': route}) as server:
        processes = [run_fetch(tmp_path, server.url('/a')) for _ in range(2)]
        for process in processes:
            assert process.stdout.readline() == 'waiting\n'
        server.release.set()
        results = [process.communicate() for process in processes]
        assert [process.returncode for process in processes] == [0, 0], results
        assert [out.splitlines()[-1] for out, _ in results] == [
            str(tmp_path / NAME / 'model.onnx')] * 2
        assert len(server.requests) == 1
    assert installed(tmp_path) == [NAME, f'{NAME}/classes.txt', f'{NAME}/model.onnx']


def test_waiting_for_another_process_ends(get, tmp_path, light, monkeypatch):
    monkeypatch.setattr(fetch_module, 'LOCK_TIMEOUT', 0)
    work = tmp_path / '.fetch' / NAME
    work.mkdir(parents=True)
    with fetch_module._locked(work / 'lock', NAME, None), \
            pytest.raises(FetchError, match='another process has been fetching'):
        get(light)
    assert get(light)


@pytest.mark.parametrize('data', [os.urandom(2_000_000), bytes(2_000_000)],
                         ids=['downloading', 'unpacking'])
def test_disk_quota(tmp_path, data):
    archive = published.tar_gz({'model.onnx': data})
    with running({'/a': archive}) as server:
        process = run_fetch(tmp_path, server.url('/a'), limit=str(1 << 20))
        _, stderr = process.communicate()
    assert process.returncode == 1
    assert stderr.splitlines() == [f'failed: cannot install {NAME} in {tmp_path}: File too large']
    assert installed(tmp_path) == []
    assert leftovers(tmp_path) == {'lock'}


@pytest.mark.parametrize('call', ['os.fsync', 'os.replace'])
def test_full_disk(get, tmp_path, light, monkeypatch, call):
    def full(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')
    monkeypatch.setattr(fetch_module.os, call.partition('.')[2], full)
    with pytest.raises(FetchError, match='cannot install .*: No space left on device'):
        get(light)
    assert installed(tmp_path) == []


def test_full_disk_is_not_kept_full(get, tmp_path, light, monkeypatch):
    big = published.tar_gz({'model.onnx': os.urandom(400_000)})
    check = download_module._check_size

    def fill(part, done, total):
        if done > 200_000:
            raise OSError(errno.ENOSPC, 'No space left on device')
        check(part, done, total)
    monkeypatch.setattr(download_module, '_check_size', fill)
    with pytest.raises(FetchError, match='No space left on device'):
        get(big)
    assert leftovers(tmp_path) == {'lock'}


def test_cache_that_cannot_be_written(tmp_path, light):
    cache = tmp_path / 'cache'
    cache.write_text('a file, where the folder should be')
    network = Registry.load(cache).get(NAME)
    with pytest.raises(FetchError, match=f'cannot install {NAME} in .*cache: Not a directory'):
        fetch(network, cache)


@pytest.fixture
def read_only_folder():
    """Yield an empty folder that this process may not write to, not even as root."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)  # nobody
        try:
            yield Path(folder)
        finally:
            if root:
                os.seteuid(0)
            os.chmod(folder, 0o755)


def test_read_only_cache(read_only_folder):
    with pytest.raises(FetchError, match=f'cannot install {NAME} in .*: Permission denied'):
        fetch(Registry.load(read_only_folder).get(NAME), read_only_folder)
    assert not any(read_only_folder.iterdir())


@pytest.mark.parametrize('url', ['file:///etc/passwd', 'http://[', 'nonsense'])
def test_address_that_is_none(tmp_path, url):
    with pytest.raises(FetchError):
        fetch(Registry.load(tmp_path).get(NAME), tmp_path, urls=[url])
    assert installed(tmp_path) == []
