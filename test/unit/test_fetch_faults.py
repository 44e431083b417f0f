"""Fetching a network on a machine that has faults: full, shared, cut off, not writable."""

import errno
import os
from pathlib import Path
import subprocess
import sys
import tempfile

from fcn_seg_ros.errors import FetchError
from fcn_seg_ros.networks import download as download_module, fetch as fetch_module
from fcn_seg_ros.networks.fetch import fetch
from fcn_seg_ros.networks.registry import Registry
from local_server import running, serve
import published
import pytest
from small_fetches import installed, leftovers, NAME


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
