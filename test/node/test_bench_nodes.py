"""The benchmark's own processes: that it measures anything, with the small network."""

import json
from pathlib import Path

import fcn_seg_ros
from fcn_seg_ros.cli.main import main
import pytest
from without_torch import HAS_TORCH


@pytest.mark.skipif(not HAS_TORCH, reason="the usual node, which it compares with, is PyTorch's")
def test_the_node_is_compared_with_the_usual_one_and_another_version(models_dir, tmp_path, capsys):
    path = tmp_path / 'bench.json'
    status = main([
        'bench', '--dds', '--start', '--network', 'tiny', '--models-dir', str(models_dir),
        '--device', 'cpu', '--engine', 'torch', '--precision', 'fp32', '--threads', '1',
        '--size', '64x64', '--seconds', '0.2', '--rounds', '1', '--json', str(path),
        # The same package again, as if it were another version's.
        '--against', str(Path(fcn_seg_ros.__file__).parents[1])])
    captured = capsys.readouterr()
    assert status == 0, captured.err
    results = json.loads(path.read_text())
    assert set(results['start']) == {'ours', 'usual', 'other'}
    for figures in results['start'].values():
        assert figures['start']['median'] > 100
        assert figures['memory'] > 50e6
    latency = results['end_to_end']['latency']
    assert set(latency) == {'forward', 'ours', 'mask', 'usual', 'other'}
    assert all(timing['median'] > 0 for timing in latency.values())
    assert set(results['messages']) >= {'publish rgb8', 'make message mono8'}
    assert 'the other version' in captured.out
    assert 'resident memory, idle, MB' in captured.out
