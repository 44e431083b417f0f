"""``fcn-seg networks`` and ``fcn-seg fetch`` as a user runs them."""

import argparse
import json

from fcn_seg_ros.cli import fetch as fetch_command, networks as networks_command
from fcn_seg_ros.errors import FetchError, RegistryError
from fcn_seg_ros.networks import fetch as fetch_module
from local_server import running
import published
import pytest

OWN = 'classes: street\nwidth: 320\nheight: 240\nmean_iou: 0.5\n'


def run(command, *argv):
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    args = parser.parse_args([command.__name__.rpartition('.')[2], *map(str, argv)])
    return args.run(args)


def lines_by_name(text):
    return {line.split()[0]: line for line in text.splitlines()}


def test_table(tmp_path, capsys):
    for name in ('park', 'hill', 'broken', 'doubtful'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'network.yaml').write_text('x' if name == 'broken' else OWN)
    (tmp_path / 'park' / 'model.safetensors').touch()
    (tmp_path / 'doubtful' / 'a.onnx').touch()
    (tmp_path / 'doubtful' / 'b.onnx').touch()
    assert not run(networks_command, '--models-dir', tmp_path)
    out, err = capsys.readouterr()
    rows = lines_by_name(out)
    assert rows['NAME'].split() == ['NAME', 'CLASSES', 'SIZE', 'ACCURACY', 'mIoU', 'WEIGHTS']
    assert rows['park'].split() == ['park', '11', '(street)', '320x240', '-', '0.500',
                                    'installed:', str(tmp_path / 'park' / 'model.safetensors')]
    assert rows['hill'].endswith('not installed')
    assert 'several .onnx files' in rows['doubtful']
    assert rows['fcn-resnet18-voc-320x320'].split()[1:5] == ['21', '(voc)', '320x320', '0.859']
    assert rows['fcn-resnet18-voc-320x320'].endswith('not installed, can be fetched')
    assert 'broken' not in rows
    assert err.startswith(f'fcn-seg: left out: {tmp_path}/broken/network.yaml')
    assert len({line.index(line.split()[2]) for line in out.splitlines()[1:2]}) == 1


def test_json(tmp_path, capsys):
    assert not run(networks_command, '--json', '--models-dir', tmp_path)
    rows = {row['name']: row for row in json.loads(capsys.readouterr().out)}
    assert len(rows) == 12
    city = rows['fcn-resnet18-cityscapes-512x256']
    assert city['aliases'] == ['fcn-resnet18-cityscapes']
    assert city['classes'][3] == 'road'
    assert (city['state'], city['weights']) == ('fetchable', None)


def test_fetch(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(fetch_module, '_check_loads', lambda network, weights: None)
    archive = published.tar_gz({'model.onnx': b'weights'})
    with running({'/a': archive}) as server:
        options = ('--models-dir', tmp_path, '--url', server.url('/none'), '--url',
                   server.url('/a'))
        assert not run(fetch_command, 'fcn_resnet18_voc', *options)
    path = tmp_path / 'fcn-resnet18-voc-320x320' / 'model.onnx'
    assert capsys.readouterr().out == f'{path}\n'
    assert not run(networks_command, '--models-dir', tmp_path)
    row = lines_by_name(capsys.readouterr().out)['fcn-resnet18-voc-320x320']
    assert row.endswith(f'installed: {path}')


def test_fetch_that_fails(tmp_path, capsys):
    with running({}) as server, pytest.raises(FetchError, match='HTTP 404'):
        run(fetch_command, 'fcn-resnet18-voc', '--models-dir', tmp_path, '--url', server.url('/'))
    with pytest.raises(RegistryError, match='unknown network'):
        run(fetch_command, 'alexnet', '--models-dir', tmp_path)
    assert capsys.readouterr().out == ''


@pytest.mark.parametrize('text', ['', 'abc', 'g' * 64, '0' * 65])
def test_sha256_that_is_none(tmp_path, capsys, text):
    with pytest.raises(SystemExit):
        run(fetch_command, 'fcn-resnet18-voc', '--sha256', text)
    assert '64 hexadecimal digits' in capsys.readouterr().err


def test_progress_bar(monkeypatch, capsys):
    bars = []

    class Bar:
        def __init__(self, **options):
            self.n, self.total, self.closed = 0, None, False
            bars.append(self)

        def update(self, count):
            self.n += count

        def close(self):
            self.closed = True
    monkeypatch.setattr('tqdm.tqdm', Bar)
    with fetch_command._Progress('x') as progress:
        assert not bars
        for done, total in ((0, None), (50, 100), (10, 100), (100, 100)):
            progress(done, total)
    assert [(bar.n, bar.total, bar.closed) for bar in bars] == [(100, 100, True)]
