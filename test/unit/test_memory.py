"""What the process does with memory that it has freed."""

import ctypes
import subprocess
import sys

import pytest

_CODE = '''
import resource
import threading
import numpy as np
from fcn_seg_ros.support.process import keep_memory, release_memory

def resident():
    return int(open('/proc/self/statm').read().split()[1]) * resource.getpagesize()

def faults():
    """Count the pages that are taken anew by blocks of 8 MB, made and freed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        np.empty(8 << 20, np.uint8).fill(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

keep_memory()
release_memory()  # imports torch
thread = threading.Thread(target=faults)  # threads may have heaps of their own
thread.start()
thread.join()
kept = resident()
print(faults() * resource.getpagesize(), kept - (release_memory(), resident())[1])
'''


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), 'mallopt'), reason='not glibc')
def test_freed_blocks_are_used_again_until_they_are_released():
    out = subprocess.run([sys.executable, '-c', _CODE], capture_output=True, text=True,
                         check=True).stdout
    cleared, given_back = map(int, out.split())
    assert cleared < 8 << 20  # of the 400 MB that were used
    assert given_back > 4 << 20
