"""A network of one's own for the tests: small input, seeded random weights, five classes."""

import functools
from pathlib import Path
import tempfile

from fcn_seg_ros.networks.model import FCNResNet18
from safetensors.torch import save
import torch

LABELS = ('road', 'grass', 'tree', 'sky', 'person')
COLORS = ((128, 64, 128), (0, 200, 0), (0, 90, 0), (70, 130, 180), (220, 20, 60))
HEIGHT, WIDTH = 48, 64


def write_tiny_network(folder, name='tiny'):
    """Write ``folder/name`` with network.yaml and weights; return the path of the yaml."""
    folder = Path(folder) / name
    folder.mkdir(parents=True)
    classes = '\n'.join(f'  - {{label: {label}, color: {list(color)}}}'
                        for label, color in zip(LABELS, COLORS))
    path = folder / 'network.yaml'
    path.write_text(f'name: {name}\nwidth: {WIDTH}\nheight: {HEIGHT}\ndecoder: fcn8s\n'
                    f'classes:\n{classes}\n')
    (folder / 'model.safetensors').write_bytes(_weights())
    return path


@functools.cache
def tiny_models_dir():
    """Return a folder of models that holds the network 'tiny'; it lasts for the session."""
    _keep.append(tempfile.TemporaryDirectory(prefix='fcn_seg_ros_models_'))
    write_tiny_network(_keep[-1].name)
    return _keep[-1].name


_keep = []


def _weights():
    torch.set_num_threads(1)
    torch.manual_seed(5)
    model = FCNResNet18(len(LABELS), 'fcn8s')
    return save({name: tensor.half() for name, tensor in model.state_dict().items()
                 if not name.endswith('num_batches_tracked')})
