"""Which engine is the fastest here: measured, remembered, and recalled where all is as it was."""

from dataclasses import replace
import json
import logging

import cv2
from fcn_seg_ros import Segmenter
from fcn_seg_ros.bench import tune
from fcn_seg_ros.cli import tune as command
from fcn_seg_ros.cli.main import main
from fcn_seg_ros.errors import FcnSegError
from fcn_seg_ros.inference import tuning
from fcn_seg_ros.inference.devices import CPU
from fcn_seg_ros.inference.tuning import Choice, recall, remember, situation_of
import numpy as np
import pytest
from tiny_network import LABELS, tiny_models_dir

CHOICE = Choice('torch', 'fp32', 12.5, 1.0, True, '2026-01-31')


def test_what_auto_takes_unasked_is_accurate_enough_for_the_command():
    """Else ``fcn-seg tune`` chose a slower engine for the bundled network than auto does."""
    pytest.importorskip('onnxruntime')
    pytest.importorskip('torch')
    exact, rounded = (Segmenter('fcn-resnet18-street', device='cpu', engine='onnxruntime',
                                precision=precision) for precision in ('fp32', 'int8'))
    agreement = np.mean([exact(picture).class_mask == rounded(picture).class_mask
                         for picture in command._pictures('')])
    assert command.LEAST_AGREEMENT <= agreement < 1


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Give the test a cache of its own."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path / 'cache/fcn_seg_ros/tuning'


@pytest.fixture
def weights(tmp_path):
    """Return a file that stands for weights."""
    path = tmp_path / 'weights'
    path.write_bytes(b'weights')
    return path


def situation():
    """Return the situation of the small network."""
    segmenter = Segmenter('tiny', models_dir=tiny_models_dir(), device='cpu', engine='torch')
    return situation_of(segmenter.weights, segmenter.input_size, CPU)


def test_a_choice_is_recalled(cache, weights):
    where = situation_of(weights, (32, 64), CPU)
    assert recall(where) is None
    path = remember(where, CHOICE)
    assert path.parent == cache
    assert recall(where) == CHOICE
    assert json.loads(path.read_text())['situation']['size'] == '64x32'


def test_another_situation_has_another_memory(cache, weights, monkeypatch):
    where = situation_of(weights, (32, 64), CPU)
    remember(where, CHOICE)
    weights.write_bytes(b'others')
    assert recall(situation_of(weights, (32, 64), CPU)) is None
    assert recall(replace(where, size='64x64')) is None
    assert recall(replace(where, device='cpu another')) is None
    versions = tuning._versions()
    monkeypatch.setattr(tuning, '_versions', lambda: [*versions[:-1], 'onnxruntime 99'])
    weights.write_bytes(b'weights')
    assert recall(situation_of(weights, (32, 64), CPU)) is None


@pytest.mark.parametrize('content', [
    b'', b'{}', b'[1]', b'{"choice": {"engine": "torch"}}', b'{"choice": 7}', b'\xff',
    json.dumps({'choice': {**vars(CHOICE), 'milliseconds': 'fast'}}).encode()])
def test_a_damaged_memory_is_said_and_left(cache, weights, caplog, content):
    where = situation_of(weights, (32, 64), CPU)
    remember(where, CHOICE).write_bytes(content)
    assert recall(where) is None
    assert "run 'fcn-seg tune' again" in caplog.text


def test_what_cannot_be_written_is_one_line(cache, weights):
    cache.parent.mkdir(parents=True)
    cache.write_text('a file')
    with pytest.raises(FcnSegError, match='cannot remember'):
        remember(situation_of(weights, (32, 64), CPU), CHOICE)


def test_the_processor_has_a_name():
    assert tuning.cpu_name().rpartition(' x')[0]


def test_auto_takes_what_is_remembered(cache, caplog):
    caplog.set_level(logging.INFO)
    where = situation()
    Segmenter('tiny', models_dir=tiny_models_dir(), device='cpu')
    assert "'fcn-seg tune' measures it" in caplog.text
    for engine in ('torch', 'onnxruntime'):
        remember(where, replace(CHOICE, engine=engine))
        caplog.clear()
        segmenter = Segmenter('tiny', models_dir=tiny_models_dir(), device='cpu')
        assert (segmenter.engine.name, segmenter.engine.precision) == (engine, 'fp32')
        assert 'to be the fastest on 2026-01-31, with 12.5 ms a frame' in caplog.text
    # What is asked for goes before what is remembered.
    asked = Segmenter('tiny', models_dir=tiny_models_dir(), device='cpu', engine='torch')
    assert asked.engine.name == 'torch'


def test_a_remembered_engine_that_does_not_start_is_left(cache, caplog):
    remember(situation(), replace(CHOICE, engine='tensorrt', precision='fp16'))
    segmenter = Segmenter('tiny', models_dir=tiny_models_dir(), device='cpu')
    assert segmenter.engine.name != 'tensorrt'
    assert 'needs an NVIDIA GPU' in caplog.text


def test_deterministic_needs_a_choice_that_repeats(cache, caplog):
    caplog.set_level(logging.INFO)
    where = situation()
    for repeats in (False, True):
        caplog.clear()
        remember(where, replace(CHOICE, repeats=repeats))
        Segmenter('tiny', models_dir=tiny_models_dir(), device='cpu', deterministic=True)
        assert ('to be the fastest on' in caplog.text) == repeats


def row(engine, milliseconds, agreement):
    """Return a row of a table."""
    return tune.Row(engine, 'fp32', milliseconds, agreement, True)


def test_the_fastest_that_is_accurate_enough():
    rows = [row('a', 9.0, 1.0), row('b', 5.0, 0.992), row('c', 1.0, 0.98),
            tune.Row('d', 'int8', problem='no graph')]
    assert tune.fastest(rows, 0.99).engine == 'b'
    assert tune.fastest(rows, 1.0).engine == 'a'
    assert tune.fastest(rows, 0.5).engine == 'c'
    with pytest.raises(FcnSegError, match='no engine'):
        tune.fastest(rows[1:], 1.0)
    text = tune.table(rows)
    assert '99.200%' in text
    assert 'no graph' in text


def test_the_command_measures_prints_and_remembers(cache, capsys):
    arguments = ['tune', '--network', 'tiny', '--models-dir', str(tiny_models_dir()), '--device',
                 'cpu', '--rounds', '1', '--agreement', '0.5']
    assert main([*arguments, '--dry-run']) == 0
    assert not cache.exists()
    assert main(arguments) == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert ['torch', 'fp32'] in [line[:2] for line in lines]
    torch_row = next(line for line in lines if line[:2] == ['torch', 'fp32'])
    assert torch_row[3:] == ['100.000%', 'yes']
    assert next(line for line in lines if line[:2] == ['onnxruntime', 'int8'])[2] == '-'
    choice = recall(situation())
    assert f'fastest: {choice.engine} in {choice.precision}' in out


def labelled(folder, masks):
    """Write a data set of pictures and masks, classes of the small network; return its root."""
    for number, mask in enumerate(masks):
        for kind, pixels in (('images', np.dstack([mask] * 3) * 40), ('labels', mask)):
            path = folder / 'val' / kind / f'{number}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), pixels)
    (folder / 'classes.txt').write_text('\n'.join(LABELS) + '\n')
    return folder


def test_labels_give_the_mean_iou(cache, tmp_path, capsys):
    rng = np.random.default_rng(2)
    picture = np.kron(rng.integers(0, 5, (6, 8), np.uint8), np.ones((8, 8), np.uint8))
    segmenter = Segmenter('tiny', models_dir=tiny_models_dir(), device='cpu', engine='torch',
                          precision='fp32')
    truth = segmenter(np.dstack([picture] * 3) * 40).class_mask
    root = labelled(tmp_path / 'data', [picture])
    cv2.imwrite(str(root / 'val/labels/0.png'), truth)
    arguments = ['tune', '--network', 'tiny', '--models-dir', str(tiny_models_dir()), '--device',
                 'cpu', '--rounds', '1', '--agreement', '0.5', '--dry-run', '--data', 'folder']
    assert main([*arguments, '--root', str(root)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0][-2:] == ['mIoU', 'repeats']
    # The labels are what the network itself says in fp32.
    assert ['torch', 'fp32', '100.000%', '1.0000', 'yes'] in [
        line[:2] + line[3:] for line in lines]
    # All of another class: nothing is right.
    cv2.imwrite(str(root / 'val/labels/0.png'), (truth + 1) % 5)
    assert main([*arguments, '--root', str(root)]) == 0
    assert ' 0.0000 yes' in capsys.readouterr().out


@pytest.mark.parametrize('options', [
    ['--data', 'folder'], ['--root', 'x'], ['--data', 'folder', '--root', 'x', '--images', 'y']])
def test_half_of_a_data_set_is_an_error(capsys, options):
    assert main(['tune', *options]) == 1
    assert '--data NAME and --root DIR' in capsys.readouterr().err


def test_pictures_of_a_folder(cache, tmp_path, capsys):
    assert main(['tune', '--network', 'tiny', '--models-dir', str(tiny_models_dir()),
                 '--images', str(tmp_path)]) == 1
    assert 'holds no images' in capsys.readouterr().err
