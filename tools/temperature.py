#!/usr/bin/env python3
"""
Scale a network's confidence by what another run of its recipe gets wrong on frames it never saw.

    tools/temperature.py CAMVID RUN_WITHOUT_0001TP NETWORK

RUN_WITHOUT_0001TP and NETWORK are network.yaml files.  The temperature is fitted on the first
half of the frames of sequence 0001TP; what it does to the other half is printed.  The weights
beside NETWORK are written anew, their last layer divided by it.
"""

from pathlib import Path
import sys

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the package beside this file, whatever is installed

from fcn_seg_ros.networks.loading import load_installed  # noqa: E402, I100, I202 (after the path)
from fcn_seg_ros.networks.model import FCNResNet18  # noqa: E402, I202
from fcn_seg_ros.support.atomic_files import write_file  # noqa: E402, I202
from fcn_seg_ros.training.datasets import open_dataset  # noqa: E402, I202
from fcn_seg_ros.training.metrics import ExpectedCalibrationError  # noqa: E402, I202
from fcn_seg_ros.training.temperature import (  # noqa: E402, I202
    divide_scores, fit_temperature, labelled_scores)
import numpy as np  # noqa: E402, I202
from safetensors import safe_open  # noqa: E402, I202
from safetensors.torch import load_file, save  # noqa: E402, I202
import torch  # noqa: E402, I202


def calibration_error(scores: torch.Tensor, labels: torch.Tensor) -> float:
    """
    Return the expected calibration error of scores.

    :param scores: float tensor N x C.
    :param labels: int64 tensor N.
    """
    confidence, ids = scores.softmax(1).max(1)
    error = ExpectedCalibrationError()
    error.update((confidence * 255).round().byte().numpy()[None],
                 ids.numpy().astype(np.uint8)[None], labels.numpy().astype(np.uint8)[None])
    return error.value


def main(root: str, unseeing: str, scaled: str) -> None:
    """
    Fit, say what it gives, write.

    :param root: folder of CamVid.
    :param unseeing: network.yaml of a network that has never seen 0001TP.
    :param scaled: network.yaml of the network that is to be scaled.
    """
    network, model, _, _ = load_installed(unseeing)
    assert isinstance(model, FCNResNet18)
    pictures = open_dataset('camvid', root, 'train', include=('0001TP_*',))
    half = len(pictures) // 2
    scores, labels = labelled_scores(model.eval(), network, pictures, range(half))
    temperature = round(fit_temperature(scores, labels), 3)
    scores, labels = labelled_scores(model, network, pictures, range(half, len(pictures)))
    print(f'temperature {temperature}; calibration error of the other half: '
          f'{calibration_error(scores, labels):.4f} before, '
          f'{calibration_error(scores / temperature, labels):.4f} with it')
    path = Path(scaled).with_name('model.safetensors')
    with safe_open(path, 'pt') as file:
        metadata = file.metadata()
    decoder = load_installed(scaled)[0].decoder
    write_file(path, save(divide_scores(load_file(path), decoder, temperature), metadata))


if __name__ == '__main__':
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
