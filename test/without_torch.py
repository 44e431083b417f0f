"""Tests where PyTorch is not installed, and of processes that do without it where it is."""

from importlib.util import find_spec

HAS_TORCH = find_spec('torch') is not None
"""Whether PyTorch is installed."""

# Looking for them is allowed; an import that is tried ends the process, also where the code
# would go on without it.
BLOCK = """
from importlib.machinery import ModuleSpec
import os, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in ('torch', 'torchvision'):
            return ModuleSpec(name, self)

    def create_module(self, spec):
        print(spec.name, 'was to be imported', file=sys.stderr, flush=True)
        os._exit(99)

    def exec_module(self, module):
        pass

sys.meta_path.insert(0, Blocker())
"""
"""Python code that a process runs before anything else."""
