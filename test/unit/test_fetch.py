"""Fetching a network: the published path, and that nothing else gets installed."""

import hashlib
import json
import os
import sys

from fcn_seg_ros.errors import FetchError
from fcn_seg_ros.networks import fetch as fetch_module
from fcn_seg_ros.networks.fetch import fetch
from fcn_seg_ros.networks.registry import Registry
from fcn_seg_ros.networks.weights import load_network
from local_server import running, serve
import numpy as np
import onnxruntime
import published
import pytest
from small_fetches import installed, leftovers, NAME
import torch

OWN = 'classes: deepscene\nwidth: 96\nheight: 64\n'


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
