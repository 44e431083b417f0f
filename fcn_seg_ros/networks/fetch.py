"""Fetch a network's published weights: all of them, checked, or nothing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import fcntl
import hashlib
from importlib.util import find_spec
import json
import os
from pathlib import Path
import shutil
import time
from typing import Any
from urllib.parse import urlsplit

from .archive import unpack
from .download import download, Progress
from .folders import NETWORK_FILE, weights_below
from .labels import read_stated_labels
from .onnx_file import read_graph
from .registry import Network, Registry
from ..errors import FetchError, RegistryError, WeightsError
from ..support.atomic_files import sync, write_file
from ..support.digests import file_sha256

LOCK_TIMEOUT = 1800.0
"""Seconds to wait for another process that fetches the same network."""

WORK_DIR = '.fetch'  # next to the networks; hidden, so that it is never taken for one
_RECORD_FILE = 'fetched.json'


def fetch(network: Network, models_dir: str | os.PathLike[str] = '', *,
          urls: Sequence[str] = (), sha256: str | None = None, progress: Progress | None = None,
          stall_timeout: float = 30.0) -> Path:
    """
    Make sure that a network's weights are installed, downloading them if they are not.

    The archive is downloaded (going on with an earlier try), its sha256 compared,
    unpacked beside the target, loaded into the model as a check (without PyTorch: read), and
    only then renamed into place.  The sha256 of the first fetch is kept in
    ``.fetch/<name>/fetched.json`` and holds for later ones.  Processes that fetch the same
    network wait for each other.

    :param network: ``registry.Network``.
    :param models_dir: folder of the user's models, '' for the cache folder.
    :param urls: addresses to use instead of the network's own, tried in this order.
    :param sha256: of the archive, wins over the registry's and the recorded one.
    :param progress: called with (bytes so far, bytes in all or None) while downloading;
        what it raises ends the fetch and can be resumed.
    :param stall_timeout: seconds after which a silent server is given up.
    :returns: path of the weights file.
    :raises FetchError: when they cannot be had or cannot be trusted; nothing of them is
        installed then.
    """
    registry = Registry.load(models_dir)
    base = network.folder or registry.models_dir
    target = base / 'weights' if network.folder else base / network.name
    job = _Job(network, base / WORK_DIR / network.name, target, sha256)
    try:
        weights = _installed(registry, job)
        if weights:
            return weights
        urls = tuple(urls) or network.urls
        for url in urls:
            _host(url)
        if not urls:
            raise FetchError(f'{network.name} has no address to fetch it from: copy its weights '
                             f'to {target}, or give --url')
        job.work.mkdir(parents=True, exist_ok=True)
        with _locked(job.work / 'lock', network.name, progress):
            # Another process may have been faster.
            return _installed(registry, job) or job.run(urls, progress, stall_timeout)
    except OSError as error:
        raise FetchError(f'cannot install {network.name} in {base}: '
                         f'{error.strerror or error}') from None


def _installed(registry: Registry, job: '_Job') -> Path | None:
    """Return the weights that are there already, checked, or None."""
    try:
        weights = registry.find_weights(job.network)
        if weights:
            _check_loads(job.network, weights)
    except (RegistryError, WeightsError) as error:
        raise FetchError(f'the installed copy cannot be used ({error}): delete or repair it, '
                         'then fetch again') from None
    if weights:
        job.check_record(weights)
    return weights


def _host(url: str) -> str:
    """Return the server's name, for messages: the rest of an address may hold secrets."""
    try:
        return urlsplit(url).hostname or url[:40]
    except ValueError as error:
        raise FetchError(f'{url[:80]} is not an address ({error})') from None


def _check_loads(network: Network, weights: Path) -> None:
    if find_spec('torch') is None:
        _check_whole(weights)
        return
    from .weights import load_network  # PyTorch is not needed until something is there
    load_network(network, weights)


def _check_whole(weights: Path) -> None:
    """
    Check what can be checked without PyTorch: that the file can be read.

    ONNX Runtime, which is to run it then, compares its size and classes with the network's.

    :raises WeightsError: when it cannot, or only PyTorch could.
    """
    suffix = weights.suffix.lower()
    if suffix == '.onnx':
        try:
            read_graph(weights.read_bytes())
        except WeightsError as error:
            raise WeightsError(f'{weights}: {error}') from None
    elif suffix == '.safetensors':
        read_stated_labels(weights)
    else:
        raise WeightsError(f'{weights.name} needs PyTorch: pip install torch torchvision')


class _Job:
    """One network to install: where, and what its archive must be."""

    def __init__(self, network: Network, work: Path, target: Path, sha256: str | None) -> None:
        self.network = network
        self.work = work
        self._target = target
        self._record_path = work / _RECORD_FILE
        self._asked = sha256 and sha256.lower()
        self._pinned = self._asked or network.sha256

    def run(self, urls: Sequence[str], progress: Progress | None, stall_timeout: float) -> Path:
        """
        Install from the first address that gives a good archive; return the weights' path.

        :param urls: addresses of the archive, tried in this order.
        :param progress: as in :func:`fetch`.
        :param stall_timeout: as in :func:`fetch`.
        :raises FetchError: when none gives one.
        """
        if self._target.is_dir() and any(self._target.iterdir()):
            raise FetchError(f'{self._target} is in the way and holds no weights: move it away')
        problems = []
        for url in urls:
            part = self.work / f'{hashlib.sha256(url.encode()).hexdigest()[:16]}.part'
            try:
                download(url, part, progress=progress, stall_timeout=stall_timeout)
                return self._install(url, part)
            except FetchError as error:
                problems.append(f'{_host(url)}: {error}')
        raise FetchError(f'cannot fetch {self.network.name}: {"; ".join(problems)}')

    def _install(self, url: str, part: Path) -> Path:
        """Check a complete archive and put its contents into place; it is deleted either way."""
        staging = self.work / 'unpacked'
        shutil.rmtree(staging, ignore_errors=True)  # of a process that was killed
        try:
            digest = file_sha256(part)
            self._check_digest(digest)
            unpack(part, staging)
            weights = self._check_contents(staging)
            record = {'network': self.network.name, 'url': url, 'sha256': digest,
                      'size': part.stat().st_size, 'files': {weights.name: file_sha256(weights)}}
            write_file(self._record_path, json.dumps(record, indent=2).encode())
            self._target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(weights.parent, self._target)
            sync(self._target.parent)
            return self._target / weights.name
        finally:
            part.unlink(missing_ok=True)
            part.with_name(part.name + '.json').unlink(missing_ok=True)
            shutil.rmtree(staging, ignore_errors=True)

    def _check_digest(self, digest: str) -> None:
        if self._pinned and digest != self._pinned:
            raise FetchError(f'the archive has the sha256 {digest}, expected {self._pinned}')
        recorded = self._read_record().get('sha256')
        if not self._pinned and recorded and digest != recorded:
            raise FetchError(f'the archive has the sha256 {digest}, at the first fetch it was '
                             f'{recorded}: if it was replaced on purpose, give --sha256 {digest}')

    def _check_contents(self, staging: Path) -> Path:
        try:
            weights = weights_below(staging)
            if weights is None:
                raise FetchError('the archive holds no .safetensors, .onnx or .pth file')
            _check_loads(self.network, weights)
        except (RegistryError, WeightsError) as error:
            text = str(error).replace(f'{staging}{os.sep}', '')
            raise FetchError(f'the archive cannot be used: {text}') from None
        # What a network is, is said by the registry, not by a download.
        (weights.parent / NETWORK_FILE).unlink(missing_ok=True)
        return weights

    def check_record(self, weights: Path) -> None:
        """
        Refuse installed weights that are not those of the archive they should be from.

        :param weights: the installed file.
        :raises FetchError: when they are not.
        """
        record = self._read_record()
        digest = record.get('files', {}).get(weights.name)
        ours = weights.parent == self._target and isinstance(digest, str)
        if ours and file_sha256(weights) != digest:
            raise FetchError(f'{weights} has changed since it was fetched: delete the folder '
                             f'{weights.parent} and fetch again')
        if self._asked and not (ours and record.get('sha256') == self._asked):
            raise FetchError(f'{weights} is not from an archive with the sha256 {self._asked}: '
                             f'delete the folder {weights.parent} and fetch again')

    def _read_record(self) -> dict[str, Any]:
        try:
            record = json.loads(self._record_path.read_text(encoding='utf-8'))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise FetchError(f'{self._record_path} is damaged ({error}): delete it') from None
        if not isinstance(record, dict) or not isinstance(record.get('files', {}), dict):
            raise FetchError(f'{self._record_path} is damaged: delete it')
        return record


@contextmanager
def _locked(path: Path, name: str, progress: Progress | None) -> Iterator[None]:
    """Hold the file's lock; the system gives it back however the process ends."""
    with open(path, 'w') as file:
        deadline = time.monotonic() + LOCK_TIMEOUT
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise FetchError(f'another process has been fetching {name} for '
                                     f'{LOCK_TIMEOUT / 60:.0f} minutes') from None
            if progress:
                progress(0, None)  # the caller may give up here, too
            time.sleep(0.1)
        yield
