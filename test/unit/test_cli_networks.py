"""``fcn-seg networks`` and ``fcn-seg fetch`` as a user runs them."""

import argparse
import json
from pathlib import Path
import re

from fcn_seg_ros.cli import fetch as fetch_command, networks as networks_command
from fcn_seg_ros.errors import FetchError, RegistryError
from fcn_seg_ros.networks import fetch as fetch_module
from fcn_seg_ros.networks.registry import Registry
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


def test_terms_are_named_before_the_download(tmp_path, capsys):
    with running({}) as server, pytest.raises(FetchError):
        run(fetch_command, 'fcn-resnet18-cityscapes', '--models-dir', tmp_path,
            '--url', server.url('/'))
    assert capsys.readouterr().err.startswith(
        "fcn-seg: terms of fcn-resnet18-cityscapes-512x256: NVIDIA's jetson-inference (MIT "
        'licence; none stated for the weights alone); data set Cityscapes')


def test_sample_in_the_documentation_is_what_the_command_prints(tmp_path, capsys):
    text = (Path(__file__).parents[2] / 'docs' / 'networks.md').read_text()
    sample = text.partition('$ fcn-seg networks\n')[2].partition('...\n')[0]
    run(networks_command, '--models-dir', tmp_path)
    assert len(sample.splitlines()) == 3
    assert capsys.readouterr().out.startswith(sample)


@pytest.mark.parametrize('tty, no_color, coloured', [
    (True, '', True), (True, '1', False), (False, '', False)])
def test_one_network_whole(tmp_path, capsys, monkeypatch, tty, no_color, coloured):
    monkeypatch.setenv('NO_COLOR', no_color)
    monkeypatch.setattr('sys.stdout.isatty', lambda: tty)
    run(networks_command, 'street', '--models-dir', tmp_path)
    out = capsys.readouterr().out
    assert ('\x1b[48;2;128;64;128m' in out) == coloured == ('\x1b' in out)
    assert '#804080 road (ground, cost 50)' in out
    bundled = Registry.load('').get('street')
    assert f'accuracy {bundled.accuracy:.3f}, mIoU {bundled.mean_iou:.3f}' in out
    assert 'model.safetensors (24.1 MB)' in out


def test_one_network_for_programs(tmp_path, capsys):
    run(networks_command, 'street', '--json', '--models-dir', tmp_path)
    row, = json.loads(capsys.readouterr().out)
    classes = dict(zip(row['classes'], zip(row['colors'], row['roles'])))
    assert classes['road'] == ('#804080', 'ground')
    assert len(row['colors']) == len(row['roles']) == len(row['classes'])
    assert row['terms'].startswith('research and teaching')


def test_terms_are_named_for_what_is_installed_already(tmp_path, capsys, monkeypatch):
    name = 'fcn-resnet18-voc-320x320'
    (tmp_path / name).mkdir()
    monkeypatch.setattr(fetch_command, 'fetch', lambda *_, **__: tmp_path / name)
    run(fetch_command, name, '--models-dir', tmp_path)
    assert 'under its terms of use' in capsys.readouterr().err


def test_terms_in_the_documentation_are_those_that_fetch_prints(tmp_path, capsys):
    text = (Path(__file__).parents[2] / 'docs' / 'networks.md').read_text()
    line, = re.findall('^fcn-seg: terms of .+$', text, re.M)
    with running({}) as server, pytest.raises(FetchError):
        run(fetch_command, 'fcn-resnet18-deepscene', '--models-dir', tmp_path,
            '--url', server.url('/'))
    assert capsys.readouterr().err.splitlines()[0] == line


def test_every_published_network_has_terms():
    for network in Registry.load('').networks.values():
        assert network.terms and 'licence not stated' not in network.terms
