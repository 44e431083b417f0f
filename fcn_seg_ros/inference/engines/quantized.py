"""Networks in int8: made from calibration pictures once, run by ONNX Runtime as they are."""

from collections.abc import Iterable
import os
from pathlib import Path
import tempfile
from typing import TYPE_CHECKING

from ...errors import DeviceError
from ...support.arrays import Float32Array
from ...support.atomic_files import replacing
from ...support.digests import file_sha256

if TYPE_CHECKING:
    import torch

    from ...networks.model import FCNResNet18

MADE_FROM = 'weights_sha256'
"""Entry of the graph's metadata: the digest of the weights that it was made from."""


def quantized_path(weights: str | os.PathLike[str]) -> Path:
    """
    Return where the int8 graph of a weights file lies, if there is one: beside it.

    :param weights: path of the weights.
    """
    return Path(weights).with_suffix('.int8.onnx')


def quantize(model: 'FCNResNet18', size: tuple[int, int], weights: str | os.PathLike[str],
             batches: 'Iterable[torch.Tensor]') -> Path:
    """
    Write the int8 graph of a network beside its weights.

    Weights get a scale for each output channel and activations one for each tensor, which
    is the range that they have over the calibration pictures.  Weights have 7 bits: with 8,
    processors without VNNI instructions would overflow.

    :param model: FCNResNet18 in eval mode, float32, on the CPU.
    :param size: (height, width) of the input, pixels.
    :param weights: the file that ``model`` was loaded from.
    :param batches: iterable of normalised float32 tensors 1 x 3 x H x W, some dozens.
    :returns: path of the graph.
    :raises DeviceError: when it cannot be made or written, or onnx is not installed.
    """
    try:
        import onnx
        from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise DeviceError(f'int8 needs {error.name}: pip install {error.name}') from None
    from .onnx_cache import export  # imports PyTorch, which running the graph does not need

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        def __init__(self) -> None:
            self._batches = iter(batches)

        def get_next(self) -> dict[str, Float32Array] | None:
            batch = next(self._batches, None)
            return None if batch is None else {'input_0': batch.contiguous().numpy()}

    path = quantized_path(weights)
    with tempfile.TemporaryDirectory(prefix='fcn_seg_int8_') as folder:
        whole, folded, result = (str(Path(folder, f'{name}.onnx'))
                                 for name in ('whole', 'folded', 'result'))
        try:
            export(model, size, whole)
            quant_pre_process(whole, folded, skip_symbolic_shape=True)
            quantize_static(folded, result, Reader(), per_channel=True, reduce_range=True,
                            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
            graph = onnx.load(result)
            onnx.helper.set_model_props(graph, {MADE_FROM: file_sha256(weights)})
            with replacing(path) as temporary:
                onnx.save(graph, str(temporary))
        except (OSError, RuntimeError, ValueError) as error:
            raise DeviceError(f'cannot make {path}: {error}') from error
    return path
