"""
The TensorRT engine: NVIDIA's compiler for networks, through its own Python package.

Not through ONNX Runtime's provider: JetPack brings TensorRT's package and no ONNX Runtime;
here the built engine is one file that is written whole or not at all; its input and output
are PyTorch's tensors, and it runs on PyTorch's stream, so that a CUDA graph can record it.
"""

from copy import deepcopy
import logging
from pathlib import Path
import re
import subprocess
import sys
import time
from typing import Any

import torch

from .onnx_cache import digest, export
from ..interface import EngineRequest
from ...errors import DeviceError, NoFolderError
from ...networks.model import FCNResNet18
from ...support.atomic_files import remove_abandoned, scratch_folder
from ...support.paths import cache_dir

_LOG_PERIOD = 10.0
"""Seconds between two lines about an engine that is being built."""
_POLL = 0.1
"""Seconds between two looks at the process that builds."""
_WORK = '.build-'
"""What the names of folders begin with that engines are built in."""
_DTYPES = {'fp32': torch.float32, 'fp16': torch.float16}

_log = logging.getLogger(__name__)


def create(request: EngineRequest) -> 'TensorRtEngine':
    """
    Return the engine for a network.

    :param request: what it is made for.
    :raises DeviceError: when there is no GPU or no TensorRT, or the engine cannot be built.
    """
    return TensorRtEngine(request)


class TensorRtEngine:
    """
    Run the network with TensorRT, built once for each GPU and kept in the cache folder.

    :param request: what it is made for; precision is ``auto`` (fp16), ``fp16`` or ``fp32``.
    :raises DeviceError: when there is no GPU or no TensorRT, or the engine cannot be built.
    """

    name = 'tensorrt'
    prefers_batches = False
    recordable = True

    def __init__(self, request: EngineRequest) -> None:
        if request.device.type != 'cuda':
            raise DeviceError('the tensorrt engine needs an NVIDIA GPU')
        self.precision = 'fp16' if request.precision == 'auto' else request.precision
        if self.precision not in _DTYPES:
            raise DeviceError(f"precision '{request.precision}' is not for the tensorrt engine: "
                              'use fp16 or fp32')
        try:
            import tensorrt
        except ImportError as error:
            raise DeviceError(f'the tensorrt engine needs TensorRT ({error}): JetPack brings '
                              'it, elsewhere pip install tensorrt') from None
        self.device = request.device
        self.dtype = _DTYPES[self.precision]
        self._gpu = device = request.device.torch()
        model = request.load_model()
        key = f'{digest(model, request.size)}-{self.precision}'
        machine = _file_name(f'{torch.cuda.get_device_name(device)} {tensorrt.__version__}')
        try:
            folder = cache_dir() / 'tensorrt'
        except NoFolderError as error:
            raise DeviceError(f'the tensorrt engine needs a cache folder: {error}') from None
        remove_abandoned(folder, _WORK)
        plan = folder / f'{key}-{machine}.plan'
        if not plan.is_file():
            _build(model, request, self.dtype, plan, folder / f'{machine}.timings')
        with torch.cuda.device(device):
            self._load(tensorrt, plan)
        self.detail = f'{self.precision}, TensorRT {tensorrt.__version__}'

    def _load(self, trt: Any, plan: Path) -> None:
        self._log = trt.Logger(trt.Logger.WARNING)
        self._runtime = trt.Runtime(self._log)  # has to outlive the engine
        self._engine = self._runtime.deserialize_cuda_engine(plan.read_bytes())
        if self._engine is None:
            plan.unlink()
            raise DeviceError(f'{plan} is damaged and was removed: configure again to build it '
                              'anew')
        self._context = self._engine.create_execution_context()
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        self._input, = (name for name in names
                        if self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT)
        self._output, = (name for name in names if name != self._input)
        self._shape = tuple(self._engine.get_tensor_shape(self._output))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """
        Give a batch to the current stream and return the scores, which come with it.

        :param batch: tensor N x 3 x h x w of :attr:`dtype` on the GPU.
        :returns: tensor N x C x h' x w' of :attr:`dtype` there.
        :raises RuntimeError: when TensorRT refuses it.
        """
        batch = batch.contiguous()
        scores = torch.empty((len(batch), *self._shape[1:]), dtype=self.dtype,
                             device=self._gpu)
        stream = torch.cuda.current_stream(self._gpu).cuda_stream
        for picture, result in zip(batch, scores):
            self._context.set_tensor_address(self._input, picture.data_ptr())
            self._context.set_tensor_address(self._output, result.data_ptr())
            if not self._context.execute_async_v3(stream):
                raise RuntimeError('TensorRT could not run the network, see its messages')
        return scores

    @torch.inference_mode()
    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """
        Return the scores of a normalised batch.

        :param batch: float32 tensor N x 3 x h x w on the GPU.
        :returns: float32 tensor N x C x h' x w' there.
        """
        return self.forward(batch.to(self.dtype)).float()


def _build(model: FCNResNet18, request: EngineRequest, dtype: torch.dtype, plan: Path,
           timings: Path) -> None:
    """Export the network and have its plan built by another process, which can be ended."""
    started = said = time.monotonic()
    _log.info('building the TensorRT engine for this GPU, once: this takes minutes')
    try:
        with scratch_folder(plan.parent, _WORK) as folder:
            graph, log = Path(folder, 'network.onnx'), Path(folder, 'log.txt')
            export(deepcopy(model).to(dtype), request.size, graph, open_batch=False)
            with open(log, 'w') as file, subprocess.Popen(
                    [sys.executable, '-m', f'{__package__}.tensorrt_build', str(graph),
                     str(plan), str(timings), str(request.device.index)],
                    stdout=file, stderr=file) as process:
                try:
                    while process.poll() is None:
                        time.sleep(_POLL)
                        request.on_wait()
                        if time.monotonic() > said + _LOG_PERIOD:
                            said = time.monotonic()
                            _log.info('still building the TensorRT engine, for %.0f s now',
                                      said - started)
                finally:
                    process.kill()
            if process.returncode:
                lines = log.read_text(errors='replace').strip().splitlines()
                raise DeviceError('cannot build a TensorRT engine: '
                                  f'{lines[-1] if lines else "its process was ended"}')
    except OSError as error:
        raise DeviceError(f'cannot build a TensorRT engine in {plan.parent}: {error}') from error
    _log.info('the TensorRT engine is built, in %.0f s', time.monotonic() - started)


def _file_name(text: str) -> str:
    """Return a text with everything that a file's name should not have as a dash."""
    return re.sub(r'[^A-Za-z0-9.]+', '-', text).strip('-')
