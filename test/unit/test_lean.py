"""Segmenting in ONNX Runtime on a CPU needs neither PyTorch nor torchvision."""

import subprocess
import sys

import cv2
from fcn_seg_ros import Segmenter
from fcn_seg_ros.images.files import read_picture
from fcn_seg_ros.inference import kernels
from fcn_seg_ros.inference.backends import backend_around
from fcn_seg_ros.inference.torch_backend import TorchBackend
from fcn_seg_ros.support.arrays import Size
from fcn_seg_ros.support.paths import share_dir
import numpy as np
import pytest
from without_torch import BLOCK


CONSTANT_ENGINE = """
import numpy
from fcn_seg_ros.inference.devices import CPU

class create:
    name, device, precision, detail, prefers_batches = 'constant', CPU, 'fp32', 'no work', False

    def __init__(self, request):
        self.classes = request.num_classes

    def __call__(self, batch):
        scores = numpy.zeros((len(batch), self.classes, 2, 3), numpy.float32)
        scores[:, 3] = 5
        return scores
"""


@pytest.fixture(autouse=True)
def needed():
    pytest.importorskip('onnxruntime')
    if kernels.load() is None:
        pytest.skip('the compiled kernels are not built here')


def run(code, *arguments):
    done = subprocess.run([sys.executable, '-c', BLOCK + code, *map(str, arguments)],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def street():
    return share_dir() / 'demo' / 'street.jpg'


@pytest.mark.parametrize('options', ["device='cpu', precision='int8'", "device='cpu'"])
def test_masks_without_torch_are_those_with_it(tmp_path, options):
    run(f"""
import numpy
from fcn_seg_ros import Segmenter
from fcn_seg_ros.inference import engines
engines.computes_int8 = lambda: True
result = Segmenter({options})(sys.argv[1])
numpy.savez(sys.argv[2], ids=result.class_mask, confidence=result.confidence)
""", street(), tmp_path / 'masks.npz')
    masks = np.load(tmp_path / 'masks.npz')
    segmenter = Segmenter(device='cpu', precision='int8')
    network, image = segmenter.network, read_picture(street())
    reference = backend_around(segmenter.engine, size=segmenter.input_size, mean=network.mean,
                               std=network.std)
    torch_backend = TorchBackend(segmenter.engine, size=segmenter.input_size, mean=network.mean,
                                 std=network.std)
    kept = range(len(segmenter.classes))
    for backend, ids_equal, near in ((reference, 1.0, 0), (torch_backend, 0.9999, 1)):
        expected, = backend([image], [Size(*image.shape[:2])], kept)
        assert np.mean(expected.class_ids == masks['ids']) >= ids_equal
        assert np.abs(expected.confidence.astype(int) - masks['confidence']).max() <= near


def test_the_command_segments_without_torch(tmp_path):
    run("""
from fcn_seg_ros.cli.main import main
raise SystemExit(main(['segment', *sys.argv[1:], '--device', 'cpu', '--precision', 'int8']))
""", street(), tmp_path / 'out.png')
    picture = cv2.imread(str(tmp_path / 'out.png'))
    assert picture is not None


def test_the_options_of_engines_are_known_without_torch():
    out = run('from fcn_seg_ros.inference.engines import ENGINES, PRECISIONS\n'
              'print(*ENGINES, *PRECISIONS)')
    assert out.split()[:1] == ['auto']
    assert {'torch', 'onnxruntime', 'int8', 'fp32'} <= set(out.split())


def test_an_engine_is_one_module(tmp_path):
    (tmp_path / 'constant_engine.py').write_text(CONSTANT_ENGINE, encoding='utf-8')
    out = run("""
import importlib.util
import fcn_seg_ros.inference
spec = importlib.util.find_spec('fcn_seg_ros.inference.engines')
spec.submodule_search_locations.append(sys.argv[1])
engines = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = engines
spec.loader.exec_module(engines)
from fcn_seg_ros import Segmenter
segmenter = Segmenter(device='cpu', engine='constant')
print(segmenter, segmenter(sys.argv[2]))
""", tmp_path, street())
    assert 'constant in fp32' in out
    assert 'road 100%' in out
