"""The ONNX Runtime engine: its fastest installed execution provider."""

import hashlib
import logging
import os
import tempfile
import warnings

import onnxruntime as ort
import torch

from ..errors import DeviceError
from ..paths import cache_dir

PROVIDERS = {
    'cuda': ('TensorrtExecutionProvider', 'CUDAExecutionProvider'),
    'cpu': ('OpenVINOExecutionProvider', 'CPUExecutionProvider'),
}
"""Execution providers by device, fastest first."""

_EXPORT_VERSION = 1
"""Part of the cache's key: raise it when the exported graph changes for equal weights."""

_log = logging.getLogger(__name__)


class OnnxRuntimeEngine:
    """
    Run the network with ONNX Runtime.

    The network is exported once and cached under the hash of its weights and size.

    :param model: FCNResNet18 in eval mode, float32, on the CPU.
    :param size: (height, width) of the input, pixels.
    :param onnx_file: a published .onnx file of the same network, run as it is.
    :raises DeviceError: when no provider serves the device or the graph can't be run.
    """

    name = 'onnxruntime'

    def __init__(self, model, *, size, device, precision='auto', threads=0,
                 deterministic=False, onnx_file=None):
        self.device = torch.device(device)
        if precision not in ('auto', 'fp32'):
            raise DeviceError(f"precision '{precision}' needs the torch engine")
        self.precision = 'fp32'
        available = ort.get_available_providers()
        providers = [p for p in PROVIDERS[self.device.type] if p in available]
        if not providers:
            raise DeviceError(f'this ONNX Runtime has no provider for {self.device.type} '
                              f"(it has {', '.join(available)})")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.use_deterministic_compute = deterministic
        options.log_severity_level = 3
        # Spinning workers would burn a core between frames.
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        path = str(onnx_file) if onnx_file else exported(model, size)
        arguments = [({'device_id': self.device.index or 0} if self.device.type == 'cuda' else {})
                     for _ in providers]
        try:
            self._session = ort.InferenceSession(path, options, providers, arguments)
        except Exception as error:  # ORT's own exception types have no public base class
            first = str(error).splitlines()[0]
            raise DeviceError(f'ONNX Runtime cannot run {path}: {first}') from error
        self._input = self._session.get_inputs()[0]
        self._fixed_batch = isinstance(self._input.shape[0], int)
        used = self._session.get_providers()[0].removesuffix('ExecutionProvider')
        self.detail = f'{used} provider, fp32, ONNX Runtime {ort.__version__}'

    def __call__(self, batch):
        """Return float32 scores N x C x h x w for a normalised batch N x 3 x H x W."""
        if self._fixed_batch and len(batch) != 1:
            return torch.cat([self(one[None]) for one in batch])
        batch = batch.contiguous()
        if self.device.type == 'cpu':
            scores, = self._session.run(None, {self._input.name: batch.numpy()})
            return torch.from_numpy(scores)
        binding = self._session.io_binding()
        binding.bind_input(self._input.name, 'cuda', self.device.index or 0, 'float32',
                           tuple(batch.shape), batch.data_ptr())
        name = self._session.get_outputs()[0].name
        binding.bind_output(name, 'cuda', self.device.index or 0)
        torch.cuda.current_stream(self.device).synchronize()
        self._session.run_with_iobinding(binding)
        return torch.from_dlpack(binding.get_outputs()[0]._ortvalue).clone()


def exported(model, size):
    """
    Return the path of ``model`` as .onnx, exporting it unless the cache has it.

    :raises DeviceError: when it can be neither exported nor written.
    """
    digest = hashlib.sha256(repr((_EXPORT_VERSION, size, model.decoder)).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    folder = cache_dir() / 'onnx'
    path = folder / f'{digest.hexdigest()[:32]}.onnx'
    if path.is_file():
        return str(path)
    _log.info('exporting the network to ONNX, once')
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=folder, suffix='.part')
        os.close(handle)
        try:
            _export(model, size, partial)
            os.replace(partial, path)  # whole or not at all, whoever else exports
        finally:
            if os.path.exists(partial):
                os.unlink(partial)
    except (OSError, ImportError, RuntimeError) as error:
        raise DeviceError(f'cannot export the network to {path}: {error}') from error
    return str(path)


def _export(model, size, path):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # the exporter deprecates itself at length
        torch.onnx.export(
            model, (torch.zeros(1, 3, *size),), path, dynamo=False, opset_version=17,
            input_names=['input_0'], output_names=['output_0'],
            dynamic_axes={'input_0': {0: 'batch'}, 'output_0': {0: 'batch'}})
