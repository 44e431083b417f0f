"""The libraries that the package stands on, each imported in a process of its own."""

from importlib.metadata import packages_distributions
from importlib.util import find_spec

from .finding import Finding, Level
from .probe import probe

_NUMPY_1 = 'compiled using NumPy 1.x'
_TORCH = """
import torch
print(torch.__version__, end='')
if torch.version.cuda is None:
    print(', built without CUDA', end='')
elif not torch.cuda.is_available():
    print(f', CUDA {torch.version.cuda}, no GPU that it can use', end='')
else:
    torch.zeros(1, device='cuda').add_(1).item()
    major, minor = torch.cuda.get_device_capability()
    print(f', CUDA {torch.version.cuda}, {torch.cuda.get_device_name()}, '
          f'compute capability {major}.{minor}', end='')
"""
# A graph that passes one number on, as onnx writes it: a network's own may be what is broken.
_ONNXRUNTIME = """
import onnxruntime
model = bytes.fromhex(
    '08073a370a100a017812017922084964656e746974791201675a0f0a0178120a0a08080112040a020801620f0a0179'
    '120a0a08080112040a02080142040a00100d')
onnxruntime.set_default_logger_severity(4)
offered = onnxruntime.get_available_providers()
started = []
for name in offered:
    try:
        session = onnxruntime.InferenceSession(model, providers=[name])
    except Exception:
        continue
    if name in session.get_providers():
        started.append(name)
print(onnxruntime.__version__, ','.join(started) or '-',
      ','.join(set(offered) - set(started)) or '-')
"""


def check_libraries() -> list[Finding]:
    """Return what is found of PyTorch, OpenCV, NumPy, ONNX Runtime and TensorRT."""
    return [check_torch(), check_import('cv2', fault=True), check_import('cv_bridge'),
            check_onnxruntime(), check_tensorrt()]


def check_torch() -> Finding:
    """Tell which PyTorch there is, and whether it computes on a GPU."""
    if find_spec('torch') is None:
        return Finding(Level.WARNING, 'PyTorch', 'not installed: int8 graphs run on a CPU alone',
                       'pip install -r requirements/robot.txt (the first python3 in PATH counts)')
    tried = probe(_TORCH)
    if not tried.works:
        return Finding(Level.FAULT, 'PyTorch', tried.reason,
                       'reinstall torch; on a Jetson from the wheels of its JetPack')
    return Finding(Level.OK, 'PyTorch', tried.output)


def check_import(name: str, *, fault: bool = False) -> Finding:
    """
    Tell whether a library that was compiled for some NumPy imports with this one.

    :param name: of the module.
    :param fault: whether nothing works without it.
    """
    bad = Level.FAULT if fault else Level.WARNING
    if find_spec(name) is None:
        if fault:
            return Finding(bad, name, 'not installed', 'pip install opencv-python-headless')
        return Finding(Level.OK, name, 'not installed: only rare encodings need it')
    tried = probe(f'import numpy, {name}; print("with NumPy", numpy.__version__)')
    # NumPy 2 warns of such a module in many lines and lets it fail later, or crash.
    if _NUMPY_1 in tried.errors:
        return Finding(bad, name, f'was {_NUMPY_1} and this is NumPy 2', "pip install 'numpy<2'")
    if not tried.works:
        return Finding(bad, name, tried.reason, f'reinstall what {name} comes from')
    return Finding(Level.OK, name, tried.output)


def check_onnxruntime() -> Finding:
    """Tell which providers of ONNX Runtime start, not only which ones it lists."""
    if find_spec('onnxruntime') is None:
        return Finding(Level.WARNING, 'ONNX Runtime', 'not installed: a CPU runs the bundled '
                       'network at a third of the speed', "pip install onnxruntime 'numpy<2' "
                       '(numpy<2 where OpenCV is of apt)')
    tried = probe(_ONNXRUNTIME)
    if not tried.works:
        return Finding(Level.WARNING, 'ONNX Runtime', tried.reason, 'reinstall onnxruntime')
    packages = sorted(set(packages_distributions().get('onnxruntime', ())))
    if len(packages) > 1:
        return Finding(Level.WARNING, 'ONNX Runtime', f'{" and ".join(packages)} are installed: '
                       "each overwrites the other's files", f'pip uninstall {" ".join(packages)}, '
                       'then pip install the one that you want')
    version, started, failed = tried.output.split()
    if started == '-':
        return Finding(Level.WARNING, 'ONNX Runtime', f'{version}, no provider starts ({failed} '
                       'offered)', 'pip install --force-reinstall onnxruntime')
    text = f'{version}, {started} start'
    if failed != '-':
        return Finding(Level.WARNING, 'ONNX Runtime', f'{text}, {failed} not: it is offered and '
                       'cannot be used', 'install the driver and libraries it asks for')
    return Finding(Level.OK, 'ONNX Runtime', text)


def check_tensorrt() -> Finding:
    """Tell whether TensorRT imports."""
    if find_spec('tensorrt') is None:
        return Finding(Level.OK, 'TensorRT', 'not installed: only GPUs use it')
    tried = probe('import tensorrt; print(tensorrt.__version__)')
    if not tried.works:
        return Finding(Level.WARNING, 'TensorRT', tried.reason, 'reinstall tensorrt')
    return Finding(Level.OK, 'TensorRT', tried.output)
