"""Networks as ONNX files for other programs, checked against PyTorch before they are kept."""

from collections.abc import Sequence
from pathlib import Path
import warnings

import numpy as np
import torch

from .evaluate import check_stride32_head
from .folder import write_entry
from ..errors import TrainingError
from ..networks.classes import ClassSet
from ..networks.model import FCNResNet18
from ..networks.registry import IMAGENET_MEAN, IMAGENET_STD
from ..support.arrays import Size
from ..support.atomic_files import replacing, write_file

ONNX_FILE = 'fcn_resnet18.onnx'
"""The name that the published networks have and jetson-inference's commands take."""

OPSET = 11
"""Low enough for the TensorRT 7 of JetPack 4.4 and all that came after it."""

TOLERANCE = 1e-4
"""Largest difference from PyTorch's scores, as a share of the largest score (at least 1)."""


def published_head(model: FCNResNet18) -> FCNResNet18:
    """
    Return the network that ends in the stride-32 head, as the published ones do.

    :param model: :class:`FCNResNet18` with any decoder.
    :raises TrainingError: when the model has lost that head, see :func:`check_stride32_head`.
    """
    check_stride32_head(model)
    if model.decoder == 'fcn32s':
        return model
    result = FCNResNet18(model.num_classes, 'fcn32s')
    own = result.state_dict()
    state = model.state_dict()
    result.load_state_dict({name: state[name] for name in own})
    return result.eval()


def export_onnx(model: FCNResNet18, folder: str | Path, *, name: str, classes: ClassSet,
                size: Size, opset: int = OPSET, dynamic_batch: bool = False,
                mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
                ) -> Path:
    """
    Write ``fcn_resnet18.onnx``, ``classes.txt``, ``colors.txt`` and ``network.yaml``.

    The graph takes ``input_0``, normalised RGB, float32 1 x 3 x H x W, and gives
    ``output_0``, class scores on the decoder's grid, with no softmax and no upsampling.
    Weights keep their names, so that the file can be loaded for training again; batch
    norms are left for the run time to fold.

    :param model: :class:`FCNResNet18` in eval mode on the CPU.
    :param folder: made if it is not there.
    :param name: the network's name in ``network.yaml``.
    :param classes: its ``ClassSet``.
    :param size: of the input, pixels.
    :param opset: ONNX operator set.
    :param dynamic_batch: leave the number of pictures open.
    :param mean: of R, G, B scaled to 0..1.
    :param std: likewise.
    :returns: path of the .onnx file.
    :raises TrainingError: when ONNX Runtime and PyTorch disagree; no file is left then.
    """
    path = Path(folder) / ONNX_FILE
    axes = {'input_0': {0: 'batch'}, 'output_0': {0: 'batch'}} if dynamic_batch else None
    try:
        with replacing(path) as partial:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')  # the exporter deprecates itself at length
                torch.onnx.export(
                    model, (torch.zeros(1, 3, *size),), str(partial), dynamo=False,
                    opset_version=opset, input_names=['input_0'], output_names=['output_0'],
                    dynamic_axes=axes, do_constant_folding=False,
                    # EVAL would fold the batch norms and rename the weights.
                    training=torch.onnx.TrainingMode.PRESERVE)
            verify_onnx(model, partial, size, (1, 2) if dynamic_batch else (1,))
    except ImportError as error:
        raise TrainingError(f'the export needs {error.name}: pip install {error.name}') from None
    texts = {'classes.txt': '\n'.join(classes.labels),
             'colors.txt': '\n'.join(' '.join(map(str, color))
                                     for color in classes.colors.tolist())}
    for file_name, text in texts.items():
        write_file(path.with_name(file_name), f'{text}\n'.encode())
    write_entry(folder, name=name, classes=classes, size=size, decoder=model.decoder, mean=mean,
                std=std)
    return path


def verify_onnx(model: FCNResNet18, path: str | Path, size: Size, batches: Sequence[int] = (1,)
                ) -> float:
    """
    Compare an ONNX file with PyTorch on random pictures.

    :param model: in eval mode on the CPU.
    :param path: the ONNX file.
    :param size: of the input, pixels.
    :param batches: numbers of pictures to try at a time.
    :returns: the largest difference, as a share of the largest score (at least 1).
    :raises TrainingError: when it is above :data:`TOLERANCE`.
    """
    import onnxruntime
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    worst = 0.0
    for batch in batches:
        pictures = torch.randn(batch, 3, *size,
                               generator=torch.Generator().manual_seed(batch))
        with torch.inference_mode():
            expected = model(pictures).numpy()
        scores, = session.run(['output_0'], {'input_0': pictures.numpy()})
        if scores.shape != expected.shape:
            raise TrainingError(f'the exported network gives {scores.shape}, PyTorch '
                                f'{expected.shape}')
        difference = np.abs(scores - expected).max() / max(1.0, np.abs(expected).max())
        # Written so that NaN fails as well.
        if not difference <= TOLERANCE:
            raise TrainingError(f'the exported network differs from PyTorch by {difference:.2g} '
                                f'of the largest score, more than {TOLERANCE:g}')
        worst = max(worst, float(difference))
    return worst
