"""The ONNX Runtime engine: its fastest execution provider that works."""

import logging

import numpy as np
import onnxruntime as ort
import torch

from .onnx_cache import exported, forget
from .quantized import file_digest, MADE_FROM, quantized_path
from ...errors import DeviceError

PROVIDERS = {
    'cuda': ('CUDAExecutionProvider',),
    'cpu': ('OpenVINOExecutionProvider', 'CPUExecutionProvider'),
}
"""
Execution providers by device, fastest first.

Not TensorRT's: it would build its engine in the first frame, for minutes and without a word.
The tensorrt engine does so while the network is loaded.
"""

_log = logging.getLogger(__name__)


class _GraphError(DeviceError):
    """No provider could take the graph."""


class OnnxRuntimeEngine:
    """
    Run the network with ONNX Runtime.

    The network is exported once and cached under the hash of its weights and size.  A
    provider that ONNX Runtime has but cannot start, say for lack of a library, is warned
    about, and the next one is used.

    :param model: FCNResNet18 in eval mode, float32, on the CPU.
    :param size: (height, width) of the input, pixels.
    :param precision: ``auto`` and ``fp32`` are the same; ``int8`` is for the CPU only.
    :param weights: path of the network's weights; a published .onnx file is run as it is.
    :raises DeviceError: when no provider serves the device or the graph can't be run.
    """

    name = 'onnxruntime'
    records = False
    dtype = torch.float32

    def __init__(self, model, *, size, device, precision='auto', threads=0,
                 deterministic=False, weights=None):
        self.device = torch.device(device)
        if precision not in ('auto', 'fp32', 'int8'):
            raise DeviceError(f"precision '{precision}' needs the torch engine")
        self.precision = 'fp32' if precision == 'auto' else precision
        self._threads = threads
        self._options = ort.SessionOptions()
        self._options.intra_op_num_threads = threads
        self._options.use_deterministic_compute = deterministic
        self._options.log_severity_level = 3
        # Spinning workers would burn a core between frames.
        self._options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        if self.precision == 'int8':
            self._session = self._start_quantized(weights, model.num_classes, size)
        elif str(weights).endswith('.onnx'):
            self._session = self._start(str(weights))
        else:
            self._session = self._start_exported(model, size)
        self._input = self._session.get_inputs()[0]
        self._fixed_batch = isinstance(self._input.shape[0], int)
        self.batches = self.device.type == 'cuda' and not self._fixed_batch
        used = _short(self._session.get_providers()[0])
        self.detail = f'{used} provider, {self.precision}, ONNX Runtime {ort.__version__}'

    def _start_exported(self, model, size):
        path = exported(model, size)
        try:
            return self._start(path)
        except _GraphError as error:
            # A disk that was full or failed may have left half a file: once more.
            _log.warning('%s: exporting the network again', error)
            forget(path)
            return self._start(exported(model, size))

    def _start_quantized(self, weights, num_classes, size):
        if self.device.type != 'cpu':
            raise DeviceError('precision int8 is for the CPU: use fp16 on a GPU')
        path = quantized_path(weights)
        if not path.is_file():
            raise DeviceError(f"there is no {path}: 'fcn-seg export --int8 FOLDER' makes a "
                              'network with an int8 graph')
        session = self._start(str(path))
        if session.get_modelmeta().custom_metadata_map.get(MADE_FROM) != file_digest(weights):
            raise DeviceError(f'{path} was made from other weights than {weights}')
        takes, gives = session.get_inputs()[0].shape, session.get_outputs()[0].shape
        if takes[1:] != [3, *size] or gives[1] != num_classes:
            raise DeviceError(
                f'{path} is for {takes[-1]}x{takes[-2]} pixels and {gives[1]} classes, '
                f'the network for {size[1]}x{size[0]} and {num_classes}')
        return session

    def _start(self, path):
        """Return a session on the fastest provider that starts."""
        available = ort.get_available_providers()
        asked = [p for p in PROVIDERS[self.device.type] if p in available]
        if not asked:
            raise DeviceError(f'this ONNX Runtime has no provider for {self.device.type} '
                              f"(it has {', '.join(available)})")
        reasons = {}
        for first, name in enumerate(asked):
            try:
                session = ort.InferenceSession(
                    path, self._options, asked[first:], list(map(self._arguments, asked[first:])),
                    enable_fallback=False)
            except Exception as error:  # ORT's own exception types have no public base class
                reasons[name] = (str(error).splitlines() or [type(error).__name__])[0]
                continue
            self._check_providers(asked, session.get_providers(), reasons)
            return session
        raise _GraphError(f'ONNX Runtime cannot run {path}: {reasons[asked[-1]]}')

    def _check_providers(self, asked, used, reasons):
        """Warn of providers that are not in use: ONNX Runtime leaves them out silently."""
        if used[0] not in asked:
            raise DeviceError(f"ONNX Runtime could start none of {', '.join(map(_short, asked))}, "
                              'see its messages')
        unknown = "see ONNX Runtime's message; often a library that it needs is missing"
        for name in asked:
            if name not in used:
                _log.warning('the %s provider cannot be started (%s): %s is used instead',
                             _short(name), reasons.get(name, unknown), _short(used[0]))

    def _arguments(self, provider):
        if self.device.type == 'cuda':
            return {'device_id': self.device.index or 0}
        if provider == 'OpenVINOExecutionProvider':
            threads = {'num_of_threads': str(self._threads)} if self._threads else {}
            return {'device_type': 'CPU', **threads}
        return {}

    def __call__(self, batch):
        """
        Return the scores of a normalised batch.

        :param batch: float32 tensor N x 3 x h x w on the engine's device.
        :returns: float32 tensor N x C x h' x w' there.
        """
        return self.forward(batch)

    def forward(self, batch):
        """Do the same: there is nothing to convert."""
        if self._fixed_batch and len(batch) != 1:
            return torch.cat([self.forward(one[None]) for one in batch])
        batch = batch.contiguous()
        if self.device.type == 'cpu':
            scores, = self._session.run(None, {self._input.name: batch.numpy()})
            return torch.from_numpy(scores)
        output = self._session.get_outputs()[0]
        scores = torch.empty((len(batch), *output.shape[1:]), device=self.device)
        binding = self._session.io_binding()
        for bind, name, tensor in ((binding.bind_input, self._input.name, batch),
                                   (binding.bind_output, output.name, scores)):
            bind(name, 'cuda', self.device.index or 0, np.float32, tuple(tensor.shape),
                 tensor.data_ptr())
        # ONNX Runtime has a stream of its own.
        torch.cuda.current_stream(self.device).synchronize()
        self._session.run_with_iobinding(binding)
        return scores


def _short(provider):
    return provider.removesuffix('ExecutionProvider')
