"""Networks for tests: small inputs and seeded random weights, in the bundled network's format."""

from fcn_seg_ros.networks.model import FCNResNet18
from safetensors.torch import save_file
import torch
import yaml

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
    return folder


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
