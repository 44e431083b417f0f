"""What the benchmark computes; that it measures anything is a node test's business."""

import json
from types import SimpleNamespace

from fcn_seg_ros.bench import engines, machine, report, stages, suite
from fcn_seg_ros.bench.dds.arrivals import Arrivals, read_stamp, write_stamp
from fcn_seg_ros.bench.report import check
from fcn_seg_ros.bench.stages import count_launches
from fcn_seg_ros.bench.timing import measure, Timing
from fcn_seg_ros.cli.main import main
from fcn_seg_ros.errors import FcnSegError
from fcn_seg_ros.inference.devices import Device
from fcn_seg_ros.inference.engines import ENGINES
from fcn_seg_ros.networks.registry import Registry
from fcn_seg_ros.support.arrays import Size
import numpy as np
import pytest
from tiny_network import tiny_models_dir
import torch


def timing(median):
    return Timing(median, median * 0.9, median * 1.2, 9).to_dict()


def full_results():
    """Return results of every part, all goals met."""
    return {
        'machine': {'cpu': 'one'}, 'run': {'network': 'tiny'},
        'stages': {'forward': timing(60.0)}, 'messages': {'publish rgb8': timing(1.0)},
        'engines': {'torch': timing(80.0)},
        'published': {'machine': 'nano', 'fps': 48},
        'end_to_end': {
            'latency': {'forward': timing(60.0), 'ours': timing(67.0), 'mask': timing(66.0),
                        'usual': timing(300.0), 'other': timing(72.0)},
            'rate': {'forward': 16.0, 'ours': 12.0, 'mask': 15.0, 'usual': 3.0, 'other': 11.0}},
        'launches': {'cudaGraphLaunch': 1, 'launches': 1, 'kernels and copies': 43},
        'start': {'ours': {'start': timing(1300.0), 'memory': 150_000_000},
                  'usual': {'start': timing(6500.0), 'memory': 1_000_000_000}},
        'idle': 0.005, 'memory': {'bytes': 400_000, 'frames': 500},
        'cameras': {'1': {'round': timing(70.0), 'rate': 12.0, 'shares': [1.0]},
                    '4': {'round': timing(245.0), 'rate': 13.0,
                          'shares': [0.25, 0.25, 0.24, 0.26]}},
        'profiles': {'2.1 MB': {'shipped, reliable': {'latency': timing(3.0), 'arrived': 1.0}}}}


def test_functions_are_timed_in_turns():
    calls, now = [], [0.0]

    def work(name, seconds):
        calls.append(name)
        now[0] += seconds

    timings = measure({'a': lambda: work('a', 0.001), 'b': lambda: work('b', 0.004)}, 0.1,
                      clock=lambda: now[0])
    assert calls[:4] == ['a', 'b', 'a', 'b']
    assert timings['a'].median == pytest.approx(1.0)
    assert timings['b'].high == pytest.approx(4.0)
    assert timings['a'].count == timings['b'].count == 20


def test_quartiles():
    result = Timing.of([0.001, 0.002, 0.003, 0.004, 0.005])
    assert result.to_dict() == {'median': 3.0, 'low': 2.0, 'high': 4.0, 'count': 5}


def test_a_frame_arrives_with_its_last_output():
    arrivals = Arrivals(['a'], outputs=2, warm_up=1)
    assert not arrivals.add('a', 1.0, 1.1)
    assert arrivals.add('a', 1.0, 1.2)  # warms up
    assert not arrivals.add('a', 2.0, 2.1)
    assert not arrivals.add('a', 3.0, 3.1)  # the other output of the frame before is lost
    assert arrivals.add('a', 3.0, 3.3)
    result = arrivals.to_dict()
    assert result['latencies'] == {'a': [pytest.approx(0.3)]}
    assert result['seconds'] == pytest.approx(3.3 - 1.2)


def test_a_round_ends_with_the_last_camera():
    arrivals = Arrivals(['a', 'b'], outputs=1, warm_up=1)
    arrivals.add('a', 1.0, 1.1)
    assert arrivals.add('b', 1.0, 1.2)
    assert not arrivals.add('b', 2.01, 2.1)
    assert arrivals.add('a', 2.0, 2.4)
    assert arrivals.to_dict()['rounds'] == [pytest.approx(0.4)]
    assert [len(values) for values in arrivals.latencies.values()] == [1, 1]


def test_goals():
    results = full_results()
    added = next(value for what, value, *_ in check(results) if 'other version' in what)
    assert added == pytest.approx(7 / 12)
    assert all(met for *_, met in check(results))
    assert len(check(results)) == 11
    results['end_to_end']['latency']['ours'] = timing(76.0)
    results['cameras']['4']['shares'] = [0.2, 0.3, 0.25, 0.25]
    results['start']['ours'] = {'start': timing(1600.0), 'memory': 300_000_001}
    missed = [what for what, *_, met in check(results) if not met]
    assert missed == [
        'latency / forward pass', 'added to the forward pass, all outputs, ms',
        'added to the forward pass / by the other version', 'start to waiting for images, s',
        'resident memory, idle, MB', '4 cameras, largest / smallest share - 1, %']
    assert check({}) == []


def test_report_names_everything_measured():
    text = report.to_text(full_results())
    for words in ('forward pass alone', 'usual way', 'publish rgb8', '48', 'shipped, reliable',
                  '3.50', 'met', '60.00', '54.00 to 72.00', 'the other version', 'cudaGraphLaunch',
                  '0.20', '0.15'):
        assert words in text
    assert 'missed' not in text
    lines = text.splitlines()
    tables = [line for line in lines if line.startswith('|')]
    assert len(tables) > 20
    assert len(lines[lines.index(tables[0])]) == len(lines[lines.index(tables[0]) + 1])


def test_a_profile_that_lets_nothing_through_is_a_result():
    results = full_results()
    results['profiles']['2.1 MB']['default, best effort'] = {'latency': None, 'arrived': 0.0}
    row, = [line for line in report.to_text(results).splitlines() if 'default, best' in line]
    assert row.split('|')[3].strip() == '' and row.split('|')[5].strip() == '0'
    arrivals = Arrivals(['a'], outputs=1, warm_up=5)
    arrivals.add('a', 1.0, 1.1)
    assert arrivals.to_dict() == {'seconds': 0.0, 'latencies': {'a': []}, 'rounds': []}


@pytest.mark.parametrize('order', ['little', 'big'])
def test_stamps_of_serialised_messages(order):
    data = bytearray([0, order == 'little', 0, 0, *range(12)])
    write_stamp(data, 12 * 10**9 + 500_000_000)
    assert data[4:8] == (12).to_bytes(4, order) and data[12:] == bytes(range(8, 12))
    assert read_stamp(data) == 12.5


def test_what_fails_over_dds_leaves_the_rest(monkeypatch, tmp_path, capsys):
    pytest.importorskip('rclpy')
    from fcn_seg_ros.bench.dds import end_to_end

    def fail(*args):
        raise FcnSegError('nothing came')

    monkeypatch.setattr(end_to_end, 'measure_idle', fail)
    monkeypatch.setattr(end_to_end, 'measure_memory', lambda *args: 1000)
    path = tmp_path / 'bench.json'
    status = main(['bench', '--idle', '--memory', '--network', 'tiny', '--models-dir',
                   tiny_models_dir(), '--device', 'cpu', '--json', str(path)])
    assert status == 1
    assert 'idle not measured: nothing came' in capsys.readouterr().err
    assert json.loads(path.read_text())['memory']['bytes'] == 1000


class FakeProfile:
    """Stands in for PyTorch's profiler of a GPU: what a frame with a graph of two kernels is."""

    def __init__(self, activities):
        assert set(activities) == {torch.profiler.ProfilerActivity.CPU,
                                   torch.profiler.ProfilerActivity.CUDA}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def events(self):
        kinds = torch.autograd.DeviceType
        return [SimpleNamespace(name=name, device_type=kind) for name, kind in (
            ('aten::copy_', kinds.CPU), ('cudaMemcpyAsync', kinds.CPU),
            ('cudaGraphLaunch', kinds.CPU), ('cudaStreamSynchronize', kinds.CPU),
            ('preprocess_kernel', kinds.CUDA), ('classify_kernel', kinds.CUDA),
            ('Memcpy HtoD', kinds.CUDA))]


def test_launches_are_counted_once_a_frame_is_warm():
    frames = []
    assert count_launches(lambda: frames.append(1), FakeProfile) == {
        'cudaGraphLaunch': 1, 'cudaMemcpyAsync': 1, 'launches': 2, 'kernels and copies': 3}
    assert len(frames) > 2


@pytest.mark.filterwarnings('ignore:CUDA is not available')
def test_a_cpu_launches_nothing():
    assert count_launches(lambda: torch.ones(9).sum()) == {'launches': 0, 'kernels and copies': 0}


def test_every_engine_is_a_candidate_somewhere():
    known = {engine for pairs in engines.CANDIDATES.values() for engine, _ in pairs}
    assert known == set(ENGINES) - {'auto'}
    made = engines.with_others([*ENGINES, 'own'])
    assert all(pairs == (*engines.CANDIDATES[kind], ('own', 'auto'))
               for kind, pairs in made.items())


def test_launches_are_among_the_results_where_there_is_a_gpu(monkeypatch):
    class OnAGpu(SimpleNamespace):
        def __call__(self, picture):
            raise AssertionError('the profiler is stood in for')

    segmenter = OnAGpu(
        network=Registry.load().get('fcn-resnet18-street'), input_size=Size(288, 512),
        device=Device('cuda'), engine=SimpleNamespace(name='torch', detail='fp16'))
    monkeypatch.setattr(suite, 'Segmenter', lambda **options: segmenter)
    monkeypatch.setattr(suite.stages, 'measure_stages', lambda *args: {})
    monkeypatch.setattr(suite.stages, 'count_launches', lambda frame: {'launches': 1})
    results = suite.run({}, ['stages'], size=Size(48, 64), seconds=0.1, rounds=1, frames=10)
    assert results['launches'] == {'launches': 1}


def test_another_version_is_a_checkout(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(['bench', '--start', '--against', str(tmp_path)])
    assert 'is no checkout of fcn_seg_ros' in capsys.readouterr().err


def test_there_is_no_other_version_unless_one_is_named(tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(suite, 'run', lambda options, parts, **more: asked.append(more) or {})
    monkeypatch.setattr(report, 'to_text', lambda results: '')
    monkeypatch.chdir(tmp_path)
    assert main(['bench', '--start']) == 0
    assert asked[0]['against'] == ''


def test_chart_grows_with_the_numbers():
    chart = report.to_chart(full_results())
    assert chart.dtype == np.uint8 and chart.shape[2] == 3
    blue = (chart == report._BAR).all(axis=2).sum(axis=1)
    longest = {int(n) for n in np.unique(blue[blue > 0])}
    assert len(longest) > 2


@pytest.mark.parametrize(('board', 'expected'), [
    ('NVIDIA Jetson Nano Developer Kit', ('nano', 48)),
    ('Jetson-AGX', ('xavier', 480)),
    ('NVIDIA Jetson AGX Orin', None), ('', None)])
def test_published_rates_are_for_their_board_only(board, expected):
    network = Registry.load().get('fcn-resnet18-cityscapes-512x256')
    assert machine.published_rate(network, board) == expected


def test_board_of_other_machines(tmp_path):
    assert machine.board(tmp_path / 'none') == ''
    (tmp_path / 'model').write_bytes(b'NVIDIA Jetson Nano\0')
    assert machine.board(tmp_path / 'model') == 'NVIDIA Jetson Nano'


def test_parts(monkeypatch, caplog):
    monkeypatch.setattr(suite, 'find_spec', lambda name: None)
    assert suite.choose_parts([]) == ['stages', 'engines']
    assert 'no ROS 2 here' in caplog.text
    assert suite.choose_parts(['engines']) == ['engines']
    with pytest.raises(FcnSegError, match='need ROS 2'):
        suite.choose_parts(['dds'])
    monkeypatch.setattr(suite, 'find_spec', lambda name: True)
    assert suite.choose_parts(['memory', 'dds']) == ['dds', 'memory']


def test_a_picture_that_is_none(tmp_path):
    with pytest.raises(OSError, match='cannot be read'):
        stages.camera_picture(Size(48, 64), str(tmp_path / 'none.jpg'))
    assert stages.camera_picture(Size(48, 64)).shape == (48, 64, 3)


def test_candidates_are_in_every_precision_that_the_device_is_fast_in(monkeypatch):
    assert ('torch', 'fp16') in engines.candidates(Device('cuda'))
    cpu = Device('cpu')
    monkeypatch.setattr(engines, 'computes_bf16', lambda: False)
    assert engines.candidates(cpu) == [
        ('torch', 'fp32'), ('onnxruntime', 'fp32'), ('onnxruntime', 'int8')]
    monkeypatch.setattr(engines, 'computes_bf16', lambda: True)
    assert ('torch', 'bf16') in engines.candidates(cpu)
    assert engines.candidates(cpu, 'fp32') == [('torch', 'fp32'), ('onnxruntime', 'fp32')]
    assert engines.candidates(cpu, 'int8') == [('onnxruntime', 'int8')]


def test_command(tmp_path, capsys):
    path, chart = tmp_path / 'bench.json', tmp_path / 'bench.png'
    status = main(['bench', '--stages', '--engines', '--network', 'tiny', '--models-dir',
                   tiny_models_dir(), '--device', 'cpu', '--engine', 'torch', '--threads', '1',
                   '--size', '160x90', '--seconds', '0.1', '--json', str(path),
                   '--png', str(chart)])
    assert status == 0
    out = capsys.readouterr().out
    assert 'pre-processing' in out and 'torch eager, fp32' in out
    results = json.loads(path.read_text())
    assert results['run']['camera'] == '160x90'
    assert results['stages']['forward']['count'] >= 5
    assert results['run']['fastest engine'] in results['engines']
    assert chart.read_bytes().startswith(b'\x89PNG')
