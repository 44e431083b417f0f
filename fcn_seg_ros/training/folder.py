"""A trained network as a folder that the registry finds: ``network.yaml`` and weights."""

from collections.abc import Mapping, Sequence
import json
from pathlib import Path
from typing import Any

from safetensors.torch import save
import torch
import yaml

from .teacher import Trainable
from ..networks.classes import ClassSet
from ..networks.folders import NETWORK_FILE
from ..networks.registry import IMAGENET_MEAN, IMAGENET_STD
from ..support.arrays import Size
from ..support.atomic_files import write_file

WEIGHTS_FILE = 'model.safetensors'
_COUNTER = '.num_batches_tracked'


def write_network(folder: str | Path, model: Trainable, *, name: str, classes: ClassSet,
                  size: Size, mean: Sequence[float] = IMAGENET_MEAN,
                  std: Sequence[float] = IMAGENET_STD,
                  scores: Mapping[str, float] | None = None) -> None:
    """
    Write a network so that it can be dropped into the models folder and used by name.

    :param folder: made if it is not there; existing files are replaced atomically.
    :param model: network or teacher; its weights are stored as float16.
    :param name: the network's name.
    :param classes: its ``ClassSet``, stored inline.
    :param size: of the input, pixels.
    :param mean: of R, G, B scaled to 0..1, stored where it is not ImageNet's.
    :param std: likewise.
    :param scores: {'accuracy': .., 'mean_iou': ..} on the validation set, or None.
    """
    folder = Path(folder)
    # The counters of batch norms serve training only.
    state = {key: tensor.detach().cpu().to(torch.float16).contiguous()
             for key, tensor in model.state_dict().items() if not key.endswith(_COUNTER)}
    # One entry only: their order is not fixed, and equal weights should make equal files.
    data = save(state, {'labels': json.dumps(classes.labels)})
    write_file(folder / WEIGHTS_FILE, data)
    write_entry(folder, name=name, classes=classes, size=size, decoder=model.decoder, mean=mean,
                std=std, scores=scores)


def write_entry(folder: str | Path, *, name: str, classes: ClassSet, size: Size, decoder: str,
                mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD,
                scores: Mapping[str, float] | None = None) -> None:
    """
    Write ``network.yaml`` only.

    :param folder: as in :func:`write_network`, as the other parameters.
    :param name: likewise.
    :param classes: likewise.
    :param size: likewise.
    :param decoder: a key of ``decoders.DECODERS``, or ``teacher.TEACHER``.
    :param mean: likewise.
    :param std: likewise.
    :param scores: likewise.
    """
    entry: dict[str, Any] = {
        'name': name, 'width': size.width, 'height': size.height, 'decoder': decoder}
    if tuple(mean) != IMAGENET_MEAN or tuple(std) != IMAGENET_STD:
        entry.update(mean=list(mean), std=list(std))
    entry.update({key: round(float(value), 4) for key, value in (scores or {}).items()
                  if key in ('accuracy', 'mean_iou') and value == value})
    text = yaml.safe_dump(entry, sort_keys=False) + 'classes:\n' + ''.join(
        f'  - {_class_entry(classes, index)}\n' for index in range(len(classes)))
    write_file(Path(folder) / NETWORK_FILE, text.encode())


def _class_entry(classes: ClassSet, index: int) -> str:
    entry: dict[str, Any] = {
        'label': classes.labels[index], 'color': classes.colors[index].tolist(),
        'role': classes.roles[index]}
    if classes.roles[index] == 'ground':
        entry['cost'] = classes.costs[index]
    # JSON is YAML, one line a class, and quotes labels like "no" that YAML would convert.
    return json.dumps(entry, ensure_ascii=False)
