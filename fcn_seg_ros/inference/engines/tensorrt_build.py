"""
Build a TensorRT engine in a process of its own: ``python -m ... GRAPH PLAN TIMINGS GPU``.

Building takes minutes inside TensorRT, where nothing can stop it but the end of its process;
and the memory that it takes comes back with that.  Reads an ONNX graph and writes the plan,
TensorRT's name for a built engine, and what it measured on the way.
"""

import ctypes
import os
from pathlib import Path
import signal
import sys
from types import ModuleType
from typing import Any

from ...support.atomic_files import write_file

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_WORKSPACE = 1 << 30
"""Most bytes of GPU memory that one layer may use for intermediate results."""


def build(trt: ModuleType, graph: Path, timings: Path) -> tuple[bytes, bytes]:
    """
    Return the plan for a graph, and the timings that TensorRT took to choose its kernels.

    The network is strongly typed: each layer computes in the type that the graph has.  From
    TensorRT 11 on there are no other networks.

    :param trt: the module ``tensorrt``.
    :param graph: the .onnx file, with inputs of fixed size.
    :param timings: file of earlier timings of this GPU and TensorRT; it may be missing.
    :raises RuntimeError: when TensorRT cannot read the graph or build from it.
    """
    log = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse_from_file(str(graph)):
        errors = '; '.join(parser.get_error(i).desc() for i in range(parser.num_errors))
        raise RuntimeError(f'TensorRT cannot read {graph}: {errors}')
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, _WORKSPACE)
    known = timings.read_bytes() if timings.is_file() else b''
    cache = config.create_timing_cache(known)
    if not config.set_timing_cache(cache, False):  # of another TensorRT, say
        cache = config.create_timing_cache(b'')
        config.set_timing_cache(cache, False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise RuntimeError('TensorRT has built no engine, see its messages')
    measured: Any = config.get_timing_cache()
    return bytes(plan), bytes(measured.serialize())


def main(graph: str, plan: str, timings: str, gpu: str) -> None:
    """
    Build and write, both files whole or not at all.

    :param graph: path of the .onnx file.
    :param plan: path of the plan to write.
    :param timings: path of the timings to read and to write.
    :param gpu: index of the GPU to build for.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # TensorRT builds for the current device, which is then the only one that there is.
    os.environ['CUDA_VISIBLE_DEVICES'] = _visible(int(gpu), os.environ)
    import tensorrt
    built, measured = build(tensorrt, Path(graph), Path(timings))
    write_file(plan, built)
    write_file(timings, measured)


def _visible(gpu: int, environment: Any) -> str:
    """Return CUDA's name of the GPU with an index, which counts the visible ones."""
    visible = environment.get('CUDA_VISIBLE_DEVICES', '')
    return visible.split(',')[gpu] if visible else str(gpu)


if __name__ == '__main__':
    main(*sys.argv[1:])
