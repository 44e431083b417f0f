"""Networks for tests: small inputs and seeded random weights, in the bundled network's format."""

from fcn_seg_ros.inference.engines.quantized import MADE_FROM, quantized_path
from fcn_seg_ros.networks.model import FCNResNet18
from fcn_seg_ros.support.digests import file_sha256
from safetensors.torch import save_file
import torch
import without_torch
import yaml

ENGINE = ({'engine': 'onnxruntime', 'precision': 'int8'} if without_torch.ACTIVE
          else {'engine': 'torch', 'precision': 'fp32'})
"""What runs the networks of the tests, in the nodes and beside them."""
ENGINE_CLASS = (
    'from fcn_seg_ros.inference.engines.onnxruntime_engine import OnnxRuntimeEngine as Engine\n'
    if without_torch.ACTIVE else
    'from fcn_seg_ros.inference.engines.torch_engine import TorchEngine as Engine\n')
"""Python code that imports its class, for what tests put into a node's process."""

TINY, OTHER = 'tiny', 'other'
LABELS = {TINY: ('ground', 'wall', 'thing', 'person', 'sky'), OTHER: ('inside', 'outside')}


def write_network(models_dir, name, seed=0, labels=None, size=64):
    """Write ``models_dir/name`` with network.yaml and weights; return the folder."""
    labels = labels or LABELS[name]
    folder = models_dir / name
    folder.mkdir(parents=True)
    colors = [[40 * i, 255 - 30 * i, (90 * i) % 256] for i in range(len(labels))]
    (folder / 'network.yaml').write_text(yaml.safe_dump({
        'name': name, 'width': size, 'height': size, 'decoder': 'fcn8s',
        'classes': [{'label': label, 'color': color}
                    for label, color in zip(labels, colors)]}))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = FCNResNet18(len(labels), decoder='fcn8s').eval()
        _balance(model)
    save_file({key: tensor.half() if tensor.is_floating_point() else tensor
               for key, tensor in model.state_dict().items()}, folder / 'model.safetensors')
    write_graph(model, (size, size), folder)
    return folder


def write_graph(model, size, folder):
    """
    Write what a node without PyTorch runs, if those of this run of the tests have none.

    It is in fp32 and only goes by the name of an int8 graph, which is quicker to make: the
    pictures are what the tests are about.
    """
    if without_torch.ACTIVE:
        from fcn_seg_ros.inference.engines.onnx_cache import export
        import onnx
        weights = folder / 'model.safetensors'
        path = quantized_path(weights)
        export(model, size, path)
        graph = onnx.load(path)
        onnx.helper.set_model_props(graph, {MADE_FROM: file_sha256(weights)})
        onnx.save(graph, str(path))


@torch.no_grad()
def _balance(model):
    """Shift the scores so that, over random pictures, no class wins everywhere."""
    pictures = torch.nn.functional.interpolate(torch.randn(8, 3, 6, 6), size=(64, 64))
    scores = model(pictures)
    model.classifier[4].bias -= scores.mean(dim=(0, 2, 3))
    # Equal spread, so that each class wins somewhere.
    spread = scores.std(dim=(0, 2, 3))
    for layer in (model.classifier[4], model.skip16[4], model.skip8[4]):
        layer.weight.div_(spread[:, None, None, None])
        layer.bias.div_(spread)
