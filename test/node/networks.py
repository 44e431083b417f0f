"""
Networks for tests: small inputs and seeded random weights.

Where PyTorch is installed they are FCN-ResNet18 in the bundled network's format, elsewhere graphs
of a few operators (graphs.py), which ONNX Runtime runs as they are.
"""

from without_torch import HAS_TORCH
import yaml

ENGINE = ({'engine': 'torch', 'precision': 'fp32'} if HAS_TORCH else
          {'engine': 'onnxruntime', 'precision': 'fp32'})
"""What runs the networks of the tests, in the nodes and beside them."""
ENGINE_CLASS = (
    'from fcn_seg_ros.inference.engines.torch_engine import TorchEngine as Engine\n'
    if HAS_TORCH else
    'from fcn_seg_ros.inference.engines.onnxruntime_engine import OnnxRuntimeEngine as Engine\n')
"""Python code that imports its class, for what tests put into a node's process."""
WEIGHTS = 'model.safetensors' if HAS_TORCH else 'model.onnx'
"""The file with a network's weights, in the network's folder."""

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
    if HAS_TORCH:
        _write_weights(folder / WEIGHTS, len(labels), seed)
    else:
        from graphs import write_tiny_graph
        write_tiny_graph(folder / WEIGHTS, len(labels), size, seed)
    return folder


def _write_weights(path, num_classes, seed):
    from fcn_seg_ros.networks.model import FCNResNet18
    from safetensors.torch import save_file
    import torch
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        model = FCNResNet18(num_classes, decoder='fcn8s').eval()
        # Scores such that, over random pictures, no class wins everywhere.
        pictures = torch.nn.functional.interpolate(torch.randn(8, 3, 6, 6), size=(64, 64))
        scores = model(pictures)
        model.classifier[4].bias -= scores.mean(dim=(0, 2, 3))
        # Equal spread, so that each class wins somewhere.
        spread = scores.std(dim=(0, 2, 3))
        for layer in (model.classifier[4], model.skip16[4], model.skip8[4]):
            layer.weight.div_(spread[:, None, None, None])
            layer.bias.div_(spread)
    save_file({key: tensor.half() if tensor.is_floating_point() else tensor
               for key, tensor in model.state_dict().items()}, path)
