"""From a trained network to an archive to a robot: everything arrives, nothing else does."""

import io
import tarfile

from fcn_seg_ros.cli.main import main
from fcn_seg_ros.networks.classes import ClassSet
from fcn_seg_ros.networks.model import FCNResNet18
from fcn_seg_ros.networks.registry import Registry
from fcn_seg_ros.support.arrays import Size
from fcn_seg_ros.training.folder import write_network
import numpy as np
import pytest
import torch

CLASSES = ClassSet('yard', ('grass', 'path'), np.array([(1, 2, 3), (4, 5, 6)], np.uint8),
                   ('ground', 'ground'), (20, 0))


@pytest.fixture(scope='module')
def built(tmp_path_factory):
    """Return the folder of a network with an int8 graph and a card."""
    folder = tmp_path_factory.mktemp('run') / 'best'
    torch.manual_seed(0)
    write_network(folder, FCNResNet18(2, 'fcn8s'), name='yard', classes=CLASSES,
                  size=Size(64, 96), scores={'accuracy': 0.9, 'mean_iou': 0.7})
    (folder / 'model.int8.onnx').write_bytes(b'a graph')
    (folder / 'README.md').write_text('# yard\n')
    return folder


@pytest.fixture
def models(tmp_path):
    return tmp_path / 'models'


@pytest.fixture(scope='module')
def archive(built):
    path = built.parent / 'yard.tar.gz'
    assert main(['pack', str(built / 'network.yaml'), str(path)]) == 0
    return path


def install(archive, models, *options):
    return main(['fetch', str(archive), '--models-dir', str(models), *options])


def test_what_is_packed_is_installed_bit_for_bit(built, archive, models, capsys):
    assert install(archive, models) == 0
    assert f'yard: {models / "yard" / "model.safetensors"}' in capsys.readouterr().out
    for path in built.iterdir():
        assert (models / 'yard' / path.name).read_bytes() == path.read_bytes()
    network = Registry.load(models).get('yard')
    assert (network.width, network.height, network.mean_iou) == (96, 64, 0.7)
    assert network.classes.roles == CLASSES.roles and network.classes.costs == (20, 0)
    assert install(archive, models) == 0  # it is there already
    assert sorted(path.name for path in models.iterdir() if path.name != '.fetch') == ['yard']
    assert not list((models / '.fetch').iterdir())


def test_the_same_network_gives_the_same_bytes(built, archive, tmp_path):
    assert main(['pack', str(built / 'network.yaml'), str(tmp_path / 'again.tar.gz')]) == 0
    assert (tmp_path / 'again.tar.gz').read_bytes() == archive.read_bytes()


def test_a_card_is_made_where_there_is_none(built, tmp_path, models, monkeypatch):
    bare = tmp_path / 'bare'
    bare.mkdir()
    for name in ('network.yaml', 'model.safetensors'):
        (bare / name).write_bytes((built / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    assert main(['pack', f'{bare}/network.yaml']) == 0  # into yard.tar.gz
    assert install('yard.tar.gz', models) == 0
    card = (models / 'yard/README.md').read_text()
    assert '| 0 | grass | ground |' in card and '| mean_iou | 0.7000 |' in card


def test_another_network_of_the_name_is_kept(archive, models, capsys):
    (models / 'yard').mkdir(parents=True)
    (models / 'yard/model.safetensors').write_bytes(b'mine')
    assert install(archive, models) == 1
    assert "another network 'yard'" in capsys.readouterr().err
    assert (models / 'yard/model.safetensors').read_bytes() == b'mine'


def repacked(archive, path, change):
    """Write an archive whose files went through a function of {name: bytes}."""
    with tarfile.open(archive) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}
    with tarfile.open(path, 'w:gz', compresslevel=1) as tar:
        for name, content in change(files).items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize('change, message', [
    (lambda files: {**files, 'yard/run.py': b'import os'}, 'holds yard/run.py'),
    (lambda files: {**files, 'yard/sub/model.onnx': b'x'}, 'holds yard/sub'),
    (lambda files: {**files, 'other/README.md': b'x'}, 'no packed network'),
    (lambda files: {**files, '../outside': b'x'}, 'is not allowed'),
    (lambda files: {**files, 'yard/model.safetensors': b'x' * 99}, 'cannot be used: yard/model'),
    (lambda files: {**files, 'yard/network.yaml': b'name: yard'}, "'classes' is missing"),
    (lambda files: {name: data for name, data in files.items() if 'safe' not in name},
     'cannot be used'),
])
def test_an_archive_that_cannot_be_trusted_leaves_nothing(archive, models, tmp_path, capsys,
                                                          change, message):
    bad = repacked(archive, tmp_path / 'bad.tar.gz', change)
    assert install(bad, models) == 1
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1
    assert not (models / 'yard').exists() and not list(tmp_path.rglob('outside'))


def test_a_checksum_and_a_missing_file(archive, models, capsys):
    assert install(archive, models, '--sha256', '0' * 64) == 1
    assert 'has the sha256' in capsys.readouterr().err
    assert install('no-such.tar.gz', models) == 1
    assert 'cannot install no-such.tar.gz' in capsys.readouterr().err
    assert main(['pack', 'no-such-network']) == 1
    assert "unknown network 'no-such-network'" in capsys.readouterr().err
