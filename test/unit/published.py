"""Files with exactly the structure of the published networks, for the tests."""

import functools
import io
import tarfile
import tempfile
import warnings

from fcn_seg_ros.networks.decoders import DECODERS
from fcn_seg_ros.networks.model import FCNResNet18
import torch

torch.set_num_threads(1)  # the pictures are tiny: threads would only wait for each other

NETWORK = 'fcn-resnet18-deepscene-576x320'
LABELS = ('trail', 'grass', 'vegetation', 'obstacle', 'sky')
COLORS = ((200, 155, 75), (85, 210, 100), (15, 100, 20), (255, 185, 0), (0, 120, 255))
HEIGHT, WIDTH = 64, 96  # of the exported graphs: small, to be quick


@functools.cache
def model(decoder='fcn32s', num_classes=5):
    """Return a network with random weights and batch norms that do something."""
    torch.manual_seed(len(decoder) + num_classes)
    network = FCNResNet18(num_classes, decoder).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.2)
            torch.nn.init.normal_(module.running_mean, std=0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return network


@functools.cache
def onnx(form='published', decoder='fcn32s', num_classes=5):
    """
    Return an .onnx file's bytes.

    :param form: 'published' (names and batch norms kept, initializers also inputs, as
        PyTorch 1.1 did it), or 'folded' (the exporter's default).
    """
    options = {
        # Before opset 11 ONNX has no interpolation like PyTorch's, which ladders need.
        'published': {'training': torch.onnx.TrainingMode.PRESERVE,
                      'opset_version': 9 if DECODERS[decoder].needs_stride32 else 11,
                      'do_constant_folding': False, 'keep_initializers_as_inputs': True},
        'folded': {},
    }[form]
    with warnings.catch_warnings(), tempfile.NamedTemporaryFile(suffix='.onnx') as file:
        warnings.simplefilter('ignore')
        torch.onnx.export(
            model(decoder, num_classes), (torch.zeros(1, 3, HEIGHT, WIDTH),), file.name,
            dynamo=False, input_names=['input_0'], output_names=['output_0'], **options)
        return file.read()


def contents(weights=None, labels=LABELS, colors=COLORS):
    """Return name to bytes of the files of a published archive."""
    return {
        'fcn_resnet18.onnx': onnx() if weights is None else weights,
        'classes.txt': '\n'.join(labels).encode() + b'\n',
        'colors.txt': '\n'.join(' '.join(map(str, c)) for c in colors).encode() + b'\n',
    }


def tar_gz(files, folder='FCN-ResNet18-DeepScene-576x320', level=1):
    """Return a .tar.gz of files (name to bytes) and of TarInfo objects (name to TarInfo)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w:gz', compresslevel=level) as tar:
        for name, data in files.items():
            if isinstance(data, tarfile.TarInfo):
                tar.addfile(data)
                continue
            info = tarfile.TarInfo(f'{folder}/{name}' if folder else name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
