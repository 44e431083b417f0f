#!/usr/bin/env python3
"""
Make the bundled network's int8 graph, measure both on CamVid, write scores.yaml beside them.

    tools/network_scores.py CAMVID

The graph is calibrated on every sixth picture of train, the scores are those of val.  Takes some
minutes.  Whoever changes the weights runs this and corrects what the README and the pages say:
test/unit/test_network_scores.py names what they do not have from the file.
"""

import json
from pathlib import Path
import sys
import tempfile
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the network beside this file, whatever is installed

from fcn_seg_ros.cli.export import write_int8  # noqa: E402, I100, I202 (after the path)
from fcn_seg_ros.cli.main import main as fcn_seg  # noqa: E402, I202
from fcn_seg_ros.support.atomic_files import write_file  # noqa: E402, I202
from fcn_seg_ros.support.digests import file_sha256  # noqa: E402, I202
import yaml  # noqa: E402, I202

NETWORK = ROOT / 'models' / 'fcn-resnet18-street'
WEIGHTS = NETWORK / 'model.safetensors'
SCORES = NETWORK / 'scores.yaml'
FP32 = ('--precision', 'fp32')
RUNS = {
    'fp32': (*FP32, '--robustness'),
    'bf16': ('--precision', 'bf16'),
    'int8': ('--precision', 'int8'),
    'grid': (*FP32, '--scores', 'grid'),
    'stride32': (*FP32, '--head', 'stride32'),
    'stride32, grid': (*FP32, '--head', 'stride32', '--scores', 'grid'),
    **{size: (*FP32, '--size', size) for size in ('360x270', '448x256', '480x360')},
}
"""Options of ``fcn-seg evaluate`` by the name of what is measured."""
_KEYS = ('accuracy', 'class_accuracy', 'mean_iou', 'boundary_f', 'calibration_error')
_HEAD = """\
# The bundled network on CamVid's val, by tools/network_scores.py; README and pages have their
# numbers from here.
"""


def measure(root: str) -> dict[str, Any]:
    """
    Return what scores.yaml holds.

    :param root: folder of CamVid.
    """
    runs, first = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, options in RUNS.items():
            path = Path(folder, 'scores.json')
            status = fcn_seg(['evaluate', '--network', str(NETWORK / 'network.yaml'), '--data',
                              'camvid', '--root', root, '--device', 'cpu', '--quiet', '--json',
                              str(path), *options])
            if status:
                raise SystemExit(status)
            measured = json.loads(path.read_text())
            first = first or measured
            runs[name] = {key: round(measured[key], 4) for key in _KEYS}
    return {
        'weights_sha256': file_sha256(WEIGHTS), 'pictures': first['pictures'], 'runs': runs,
        'iou': {label: round(scores['iou'], 4) for label, scores in first['classes'].items()},
        'disturbed_mean_iou': {name: round(scores['mean_iou'], 4)
                               for name, scores in first['robustness'].items()}}


if __name__ == '__main__':
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    print(write_int8(str(NETWORK), f'{sys.argv[1]}/train/images'))
    write_file(SCORES, (_HEAD + yaml.safe_dump(measure(sys.argv[1]), sort_keys=False)).encode())
