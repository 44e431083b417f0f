"""
Stands in for NVIDIA's module ``tensorrt``, which needs a GPU to do anything.

It has the names and signatures of TensorRT 10.3 and 11.4 that are in both, so that anything
else is an AttributeError or a TypeError; it notes what it was asked for in the file that
TENSORRT_LOG names.  A "plan" holds the digest of its graph; TENSORRT_TROUBLE says what fails.
"""

from enum import IntEnum
import hashlib
import json
import os
from pathlib import Path
import time

__version__ = '10.3.0'


def _trouble(name):
    return os.environ.get('TENSORRT_TROUBLE') == name


def note(*what):
    """Add a line to the log."""
    with open(os.environ['TENSORRT_LOG'], 'a') as log:
        log.write(json.dumps(what) + '\n')


class NetworkDefinitionCreationFlag(IntEnum):
    STRONGLY_TYPED = 1


class MemoryPoolType(IntEnum):
    WORKSPACE = 0


class TensorIOMode(IntEnum):
    INPUT = 1
    OUTPUT = 2


class Logger:
    WARNING = 2

    def __init__(self, min_severity):
        assert min_severity == self.WARNING


class _Memory(bytes):
    pass


class _Network:
    graph = b''


class _TimingCache:
    def __init__(self, content):
        self.content = content

    def serialize(self):
        return _Memory(self.content or b'measured')


class _Config:
    _cache = None

    def set_memory_pool_limit(self, pool, pool_size):
        assert pool is MemoryPoolType.WORKSPACE
        note('workspace', pool_size)

    def create_timing_cache(self, serialized_timing_cache):
        return _TimingCache(bytes(serialized_timing_cache))

    def set_timing_cache(self, cache, ignore_mismatch):
        note('timings', cache.content.decode(), ignore_mismatch)
        if cache.content == b'of another version':
            return False
        self._cache = cache
        return True

    def get_timing_cache(self):
        return self._cache


class Builder:
    def __init__(self, logger):
        assert isinstance(logger, Logger)

    def create_network(self, flags):
        note('network', flags, os.environ['CUDA_VISIBLE_DEVICES'])
        return _Network()

    def create_builder_config(self):
        return _Config()

    def build_serialized_network(self, network, config):
        note('build', os.getpid())
        if _trouble('endless'):
            time.sleep(600)
        if _trouble('build'):
            return None
        return _Memory(b'plan of ' + hashlib.sha256(network.graph).hexdigest().encode())


class OnnxParser:
    def __init__(self, network, logger):
        self._network = network
        self.num_errors = 0

    def parse_from_file(self, model):
        self._network.graph = Path(model).read_bytes()
        self.num_errors = int(_trouble('parse'))
        return not self.num_errors

    def get_error(self, index):
        return self

    def desc(self):
        return 'unsupported operator'


class _Context:
    def __init__(self):
        self._addresses = {}

    def set_tensor_address(self, name, memory):
        assert isinstance(memory, int)
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle):
        note('run', self._addresses, stream_handle)
        return not _trouble('run')


class _Engine:
    num_io_tensors = 2

    def get_tensor_name(self, index):
        return ('input_0', 'output_0')[index]

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name == 'input_0' else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name):
        return (1, 3, 64, 96) if name == 'input_0' else (1, 5, 32, 48)

    def create_execution_context(self):
        return _Context()


class Runtime:
    def __init__(self, logger):
        assert isinstance(logger, Logger)

    def deserialize_cuda_engine(self, serialized_engine):
        return _Engine() if serialized_engine.startswith(b'plan of ') else None
