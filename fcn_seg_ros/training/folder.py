"""A trained network as a folder that the registry finds: ``network.yaml`` and weights."""

import json
from pathlib import Path

from safetensors.torch import save
import torch
import yaml

from .checkpoint import write_atomically
from ..networks.registry import IMAGENET_MEAN, IMAGENET_STD, NETWORK_FILE

WEIGHTS_FILE = 'model.safetensors'
_COUNTER = '.num_batches_tracked'


def write_network(folder, model, *, name, classes, size, mean=IMAGENET_MEAN, std=IMAGENET_STD,
                  scores=None):
    """
    Write a network so that it can be dropped into the models folder and used by name.

    :param folder: made if it is not there; existing files are replaced atomically.
    :param model: :class:`FCNResNet18`; its weights are stored as float16.
    :param name: the network's name.
    :param classes: its ``ClassSet``, stored inline.
    :param size: (width, height) of the input.
    :param mean: of R, G, B scaled to 0..1, stored where it is not ImageNet's.
    :param std: likewise.
    :param scores: {'accuracy': .., 'mean_iou': ..} on the validation set, or None.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # The counters of batch norms serve training only.
    state = {key: tensor.detach().cpu().to(torch.float16).contiguous()
             for key, tensor in model.state_dict().items() if not key.endswith(_COUNTER)}
    # One entry only: their order is not fixed, and equal weights should make equal files.
    data = save(state, {'labels': json.dumps(classes.labels)})
    write_atomically(folder / WEIGHTS_FILE, lambda file: file.write(data))
    write_entry(folder, name=name, classes=classes, size=size, decoder=model.decoder, mean=mean,
                std=std, scores=scores)


def write_entry(folder, *, name, classes, size, decoder, mean=IMAGENET_MEAN, std=IMAGENET_STD,
                scores=None):
    """Write ``network.yaml`` only; parameters as in :func:`write_network`."""
    entry = {'name': name, 'width': size[0], 'height': size[1], 'decoder': decoder}
    if tuple(mean) != IMAGENET_MEAN or tuple(std) != IMAGENET_STD:
        entry.update(mean=list(mean), std=list(std))
    entry.update({key: round(float(value), 4) for key, value in (scores or {}).items()
                  if key in ('accuracy', 'mean_iou') and value == value})
    text = yaml.safe_dump(entry, sort_keys=False) + 'classes:\n' + ''.join(
        f'  - {_class_entry(classes, index)}\n' for index in range(len(classes)))
    write_atomically(Path(folder) / NETWORK_FILE, lambda file: file.write(text.encode()))


def _class_entry(classes, index):
    entry = {'label': classes.labels[index], 'color': classes.colors[index].tolist(),
             'role': classes.roles[index]}
    if classes.roles[index] == 'ground':
        entry['cost'] = classes.costs[index]
    # JSON is YAML, one line a class, and quotes labels like "no" that YAML would convert.
    return json.dumps(entry, ensure_ascii=False)
