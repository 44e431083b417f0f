"""A network as one archive, to carry to a robot or to hand on."""

import gzip
import io
from pathlib import Path
import tarfile
import tempfile

from .card import model_card
from .folder import write_entry
from ..errors import TrainingError
from ..inference.engines.quantized import quantized_path
from ..networks.folders import NETWORK_FILE
from ..networks.loading import load_installed
from ..networks.packed import CARD_FILE, TEXT_FILES
from ..support.arrays import Size
from ..support.atomic_files import write_file


def pack(name: str, output: str | Path = '', *, weights: str = '', models_dir: str = ''
         ) -> tuple[Path, list[str]]:
    """
    Write a .tar.gz that ``fcn-seg fetch`` installs.

    It holds network.yaml, the weights, the int8 graph if there is one, and the model card, which
    is made from what is known where the network has none.  The same network gives the same bytes.

    :param name: name, alias or path of an installed network.
    :param output: the archive; '' is NAME.tar.gz in the current folder.
    :param weights: file to use instead of the network's own.
    :param models_dir: folder of the user's models.
    :returns: the archive's path, and the names of the files in it.
    :raises FcnSegError: when there is no such network, or its weights cannot be used.
    """
    network, model, classes, source = load_installed(name, weights, models_dir)
    size = Size(network.height, network.width)
    path = Path(output or f'{network.name}.tar.gz')
    if not path.name.endswith(('.tar.gz', '.tgz')):
        raise TrainingError(f'{path}: the archive is a .tar.gz, name it so')
    scores = {key: value for key, value in (('accuracy', network.accuracy),
                                            ('mean_iou', network.mean_iou)) if value is not None}
    inside = Path(f'model{source.suffix}')  # the name that is looked for first
    files = {inside.name: source.read_bytes()}
    graph = quantized_path(source)
    if graph.is_file():
        files[quantized_path(inside).name] = graph.read_bytes()
    for folder in filter(None, (source.parent, network.folder)):
        for text in TEXT_FILES:
            if (folder / text).is_file():
                files[text] = (folder / text).read_bytes()
    if NETWORK_FILE not in files:
        with tempfile.TemporaryDirectory() as temporary:
            write_entry(temporary, name=network.name, classes=classes, size=size,
                        decoder=model.decoder, mean=network.mean, std=network.std, scores=scores)
            files[NETWORK_FILE] = (Path(temporary) / NETWORK_FILE).read_bytes()
    files.setdefault(CARD_FILE, model_card(
        network.name, classes, size, model.decoder, scores=scores).encode())
    write_file(path, _archive(network.name, files))
    return path, sorted(files)


def _archive(folder: str, files: dict[str, bytes]) -> bytes:
    """Return a .tar.gz of some files; it tells no time and no user."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode='wb', mtime=0) as stream, \
            tarfile.open(fileobj=stream, mode='w', format=tarfile.PAX_FORMAT) as tar:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(f'{folder}/{name}')
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()
