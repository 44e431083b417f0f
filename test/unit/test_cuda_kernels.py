"""
The fused GPU kernels: their arithmetic, and that they compile for every chip.

No GPU is needed: the arithmetic runs in Triton's interpreter, and ptxas compiles for chips
that are not there.
"""

from importlib.util import find_spec
import json
import os
from pathlib import Path
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    not find_spec('triton'), reason='Triton comes with CUDA builds of PyTorch only')

CHIPS = {72: 'Xavier', 75: 'Turing', 80: 'A100', 87: 'Orin', 90: 'H100', 110: 'Thor'}


@pytest.fixture(scope='module')
def differences():
    """Return {case: what differs}, from Triton's interpreter."""
    script = Path(__file__).with_name('triton_cases.py')
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300,
                         env=dict(os.environ, TRITON_INTERPRET='1'))
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_classes_and_confidence_are_those_of_torch(differences):
    cases = {name: case for name, case in differences.items() if name.startswith('classify')}
    assert len(cases) == 20
    for name, case in cases.items():
        assert case['wrong ids'] == 0, name
        assert case['confidence'] <= 1, name
        assert case['sure'] > 0.95, name
    # The threshold was at work: some pixels are unknown, others are not.
    assert any(0 < case['unknown'] < 1 for case in cases.values())


def test_the_input_is_that_of_torch(differences):
    cases = {name: case for name, case in differences.items() if name.startswith('preprocess')}
    assert len(cases) == 8
    for name, case in cases.items():
        assert case['levels'] <= 1.2, name  # a half may be rounded up or down
        assert case['wrong'] < 0.01, name
        assert case['channels_last'], name
        assert case['dtype'] in name
        assert case['shape'][:2] == [1, 3]


def test_ids_alone_are_one_mask(differences):
    assert differences['without confidence']['shape'] == [1, 8, 8]


@pytest.mark.parametrize('chip', CHIPS)
@pytest.mark.parametrize('scores', ['*fp16', '*fp32'])
def test_the_kernels_compile_for(chip, scores, tmp_path, monkeypatch):
    monkeypatch.setenv('TRITON_CACHE_DIR', str(tmp_path))
    from fcn_seg_ros.inference.cuda import kernels
    block = {'BLOCK_Y': 4, 'BLOCK_X': 64}
    compile_kernel(kernels.classify_kernel, chip, {
        'scores': scores, 'kept': '*i64', 'ids': '*u8', 'confidence': '*u8',
        'min_confidence': 'fp32'}, {'WANT_CONFIDENCE': True, 'NEAREST': False, **block})
    compile_kernel(kernels.preprocess_kernel, chip, {
        'pixels': '*u8', 'batch': scores, **{f'{name}_{channel}': 'fp32' for channel in range(3)
                                             for name in ('scale', 'offset')}}, block)


def compile_kernel(kernel, chip, types, constants):
    """Compile a kernel to a chip's own code; what has no type given is an int32."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    signature = {name: 'constexpr' if name in constants else types.get(name, 'i32')
                 for name in kernel.arg_names}
    source = ASTSource(fn=kernel, signature=signature, constexprs={
        (kernel.arg_names.index(name),): value for name, value in constants.items()})
    compiled = triton.compile(source, target=GPUTarget('cuda', chip, 32))
    assert len(compiled.asm['cubin']) > 1000
