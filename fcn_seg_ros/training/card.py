"""A network's model card: what it knows, what it learned from, and how good it is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from .teacher import TEACHER
from ..networks.classes import ClassSet
from ..support.arrays import Size


def model_card(name: str, classes: ClassSet, size: Size, decoder: str, *,
               scores: Mapping[str, float] | None = None, data: str = '',
               recipe: Mapping[str, Any] | None = None) -> str:
    """
    Return a model card in Markdown.

    :param name: of the network.
    :param classes: what it predicts.
    :param size: of its input, pixels.
    :param decoder: its decoder, or ``teacher.TEACHER``.
    :param scores: {'accuracy': .., 'mean_iou': ..} on validation data, or None.
    :param data: Markdown about the data, as of :func:`summary.to_text`, or ''.
    :param recipe: as of :meth:`recipe.Recipe.to_dict`, or None.
    """
    rows = [f'| {index} | {label} | {role} |' for index, (label, role)
            in enumerate(zip(classes.labels, classes.roles))]
    parts = [
        f'# {name}', f'{_kind(decoder)}, input {size} pixels.',
        '## Classes', '\n'.join(['| id | label | role |', '| ---: | --- | --- |', *rows]),
        '## Scores', _scores(scores), '## Data and terms', data.strip() or _sources(recipe),
        'The terms of the pictures, and with them those of these weights, are not known to the '
        'program: write them here before you pass the network on.']
    if recipe:
        parts += ['## Recipe', f'```yaml\n{yaml.safe_dump(dict(recipe), sort_keys=True)}```']
    return '\n\n'.join(parts) + '\n'


def without_folders(recipe: dict[str, Any]) -> dict[str, Any]:
    """
    Return a recipe for a card: where data and weights lay is nobody else's business.

    Of which run the weights are remains, their path's last three parts.

    :param recipe: as of :meth:`.recipe.Recipe.to_dict`; it is left as it is.
    """
    plain = {**recipe, 'unlabelled': Path(recipe['unlabelled']).name}
    for part in ('train', 'val'):
        plain[part] = {key: value for key, value in recipe[part].items() if key != 'root'}
    for key in ('weights', 'teacher'):
        plain[key] = '/'.join(Path(recipe[key]).parts[-3:])
    return plain


def _kind(decoder: str) -> str:
    if decoder == TEACHER:
        return ('EfficientNet-Lite2 with a feature pyramid, for distilling from (not for the '
                'node)')
    return f'FCN-ResNet18 with the decoder `{decoder}`'


def _scores(scores: Mapping[str, float] | None) -> str:
    known = {key: value for key, value in (scores or {}).items()
             if key in ('accuracy', 'mean_iou') and value == value}
    if not known:
        return 'Not measured; `fcn-seg evaluate` does.'
    lines: Sequence[str] = [f'| {key} | {value:.4f} |' for key, value in sorted(known.items())]
    return '\n'.join(['On the validation data:', '', '| score | value |', '| --- | ---: |',
                      *lines])


def _sources(recipe: Mapping[str, Any] | None) -> str:
    if not recipe:
        return 'Not known.'
    return '\n'.join(f'- {part}: `{recipe[part]["name"]}`, split `{recipe[part]["split"]}`'
                     for part in ('train', 'val'))
