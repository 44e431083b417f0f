"""The ONNX Runtime engine: its fastest execution provider that works."""

import logging
import os
from typing import Any, overload, TYPE_CHECKING

import numpy as np
import onnxruntime as ort

from .quantized import MADE_FROM, quantized_path
from ..devices import Device
from ..interface import EngineRequest
from ...errors import DeviceError
from ...support.arrays import Float32Array
from ...support.digests import file_sha256

if TYPE_CHECKING:
    import torch

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


def create(request: EngineRequest) -> 'OnnxRuntimeEngine':
    """
    Return the engine for a network.

    :param request: what it is made for.
    :raises DeviceError: when no provider serves the device or the graph can't be run.
    """
    return OnnxRuntimeEngine(request)


class OnnxRuntimeEngine:
    """
    Run the network with ONNX Runtime; PyTorch is imported only to export it, or on a GPU.

    The network is exported once and cached under the hash of its weights and size.  A
    provider that ONNX Runtime has but cannot start, say for lack of a library, is warned
    about, and the next one is used.

    :param request: what it is made for.  Precisions ``auto`` and ``fp32`` are the same;
        ``int8`` is for the CPU only.  A published .onnx file is run as it is.
    :raises DeviceError: when no provider serves the device or the graph can't be run.
    """

    name = 'onnxruntime'
    recordable = False

    def __init__(self, request: EngineRequest) -> None:
        self.device = request.device
        if request.precision not in ('auto', 'fp32', 'int8'):
            raise DeviceError(f"precision '{request.precision}' needs the torch engine")
        self.precision = 'fp32' if request.precision == 'auto' else request.precision
        self._threads = request.threads
        self._options = ort.SessionOptions()
        self._options.intra_op_num_threads = request.threads
        self._options.use_deterministic_compute = request.deterministic
        self._options.log_severity_level = 3
        # Spinning workers would burn a core between frames.
        self._options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        self._stream = _stream_on(self.device)
        if self.precision == 'int8':
            self._session = self._start_quantized(request)
        elif request.weights is not None and request.weights.endswith('.onnx'):
            self._session = self._start(request.weights)
            _check_fits(self._session, request.weights, request)
        else:
            self._session = self._start_exported(request)
        self._input = self._session.get_inputs()[0]
        self._fixed_batch = isinstance(self._input.shape[0], int)
        self.prefers_batches = self.device.type == 'cuda' and not self._fixed_batch
        used = _short(self._session.get_providers()[0])
        self.detail = f'{used} provider, {self.precision}, ONNX Runtime {ort.__version__}'

    def _start_exported(self, request: EngineRequest) -> Any:
        from .onnx_cache import exported, forget
        model, size = request.load_model(), request.size
        path = exported(model, size)
        try:
            return self._start(path)
        except _GraphError as error:
            # A disk that was full or failed may have left half a file: once more.
            _log.warning('%s: exporting the network again', error)
            forget(path)
            return self._start(exported(model, size))

    def _start_quantized(self, request: EngineRequest) -> Any:
        weights = request.weights
        if self.device.type != 'cpu':
            raise DeviceError('precision int8 is for the CPU: use fp16 on a GPU')
        if weights is None:
            raise DeviceError('precision int8 needs the file of the weights')
        path = quantized_path(weights)
        if not path.is_file():
            raise DeviceError(f"there is no {path}: 'fcn-seg export --int8 FOLDER' makes a "
                              'network with an int8 graph')
        session = self._start(str(path))
        if session.get_modelmeta().custom_metadata_map.get(MADE_FROM) != file_sha256(weights):
            raise DeviceError(f'{path} was made from other weights than {weights}')
        _check_fits(session, path, request)
        return session

    def _start(self, path: str) -> Any:
        """Return a session on the fastest provider that starts."""
        available = ort.get_available_providers()
        asked = [p for p in PROVIDERS[self.device.type] if p in available]
        if not asked:
            raise DeviceError(f'this ONNX Runtime has no provider for {self.device.type} '
                              f"(it has {', '.join(available)})")
        reasons: dict[str, str] = {}
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

    def _check_providers(self, asked: list[str], used: list[str], reasons: dict[str, str]
                         ) -> None:
        """Warn of providers that are not in use: ONNX Runtime leaves them out silently."""
        if used[0] not in asked:
            raise DeviceError(f"ONNX Runtime could start none of {', '.join(map(_short, asked))}, "
                              'see its messages')
        unknown = "see ONNX Runtime's message; often a library that it needs is missing"
        for name in asked:
            if name not in used:
                _log.warning('the %s provider cannot be started (%s): %s is used instead',
                             _short(name), reasons.get(name, unknown), _short(used[0]))

    def _arguments(self, provider: str) -> dict[str, Any]:
        if self._stream is not None:
            return {'device_id': self.device.index,
                    'user_compute_stream': str(self._stream.cuda_stream)}
        if provider == 'OpenVINOExecutionProvider':
            threads = {'num_of_threads': str(self._threads)} if self._threads else {}
            return {'device_type': 'CPU', **threads}
        return {}

    @overload
    def __call__(self, batch: 'torch.Tensor') -> 'torch.Tensor': ...

    @overload
    def __call__(self, batch: Float32Array) -> Float32Array: ...

    def __call__(self, batch: 'torch.Tensor | Float32Array') -> 'torch.Tensor | Float32Array':
        """
        Return the scores of a normalised batch.

        :param batch: float32 N x 3 x H x W, an array or, on the device, a tensor.
        :returns: float32 N x C x h x w of the same kind.
        """
        if isinstance(batch, np.ndarray):
            return self._run_arrays(batch)
        import torch
        if self.device.type == 'cpu':
            return torch.from_numpy(self._run_arrays(batch.contiguous().numpy()))
        return self.forward(batch)

    @property
    def dtype(self) -> 'torch.dtype':
        """Return the type that :meth:`forward` takes and returns."""
        import torch
        return torch.float32

    def forward(self, batch: 'torch.Tensor') -> 'torch.Tensor':
        """
        Return the scores of a batch that lies on the GPU, there.

        :param batch: float32 tensor N x 3 x H x W on the engine's GPU.
        :returns: float32 tensor N x C x h x w there.
        """
        import torch
        parts = [one[None] for one in batch] if self._fixed_batch else [batch]
        scores = [self._run_tensor(part) for part in parts]
        return scores[0] if len(scores) == 1 else torch.cat(scores)

    def _run_arrays(self, batch: Float32Array) -> Float32Array:
        parts = np.split(batch, len(batch)) if self._fixed_batch else [batch]
        scores = [self._session.run(None, {self._input.name: part})[0] for part in parts]
        return scores[0] if len(scores) == 1 else np.concatenate(scores)

    def _run_tensor(self, batch: 'torch.Tensor') -> 'torch.Tensor':
        """Give a batch to the GPU, where it is and its scores will be."""
        import torch
        assert self._stream is not None  # on a GPU there is one
        batch = batch.contiguous()
        output = self._session.get_outputs()[0]
        scores = torch.empty((len(batch), *output.shape[1:]), device=batch.device)
        binding = self._session.io_binding()
        for bind, name, tensor in ((binding.bind_input, self._input.name, batch),
                                   (binding.bind_output, output.name, scores)):
            bind(name, 'cuda', self.device.index, np.float32, tuple(tensor.shape),
                 tensor.data_ptr())
        options = ort.RunOptions()
        # Neither before nor after the run does the processor wait: one stream does for the other.
        options.add_run_config_entry('disable_synchronize_execution_providers', '1')
        current = torch.cuda.current_stream(self.device.torch())
        self._stream.wait_stream(current)
        self._session.run_with_iobinding(binding, options)
        current.wait_stream(self._stream)
        return scores


def _check_fits(session: Any, path: str | os.PathLike[str], request: EngineRequest) -> None:
    """
    Refuse a finished graph of another size or number of classes; sides left open fit all.

    :raises DeviceError: when it is one.
    """
    takes, gives = session.get_inputs()[0].shape, session.get_outputs()[0].shape
    wanted = (3, *request.size, request.num_classes)
    if any(isinstance(side, int) and side != right
           for side, right in zip((*takes[1:], gives[1]), wanted)):
        raise DeviceError(
            f'{path} is for {takes[-1]}x{takes[-2]} pixels and {gives[1]} classes, '
            f'the network for {request.size} and {request.num_classes}')


def _stream_on(device: Device) -> 'torch.cuda.Stream | None':
    """
    Return a stream of ours on a GPU; there is none on a CPU.

    PyTorch's default stream, its current one, would not do: its address is 0, which is none.
    """
    if device.type != 'cuda':
        return None
    import torch
    return torch.cuda.Stream(device.torch())  # type: ignore[no-untyped-call]  # PyTorch's


def _short(provider: str) -> str:
    return provider.removesuffix('ExecutionProvider')
