"""Scores as a table, as JSON and as a picture of the confusion matrix."""

from collections.abc import Mapping
import json
import math
from typing import Any

import cv2
import numpy as np

from .evaluate import Evaluation
from .metrics import ConfusionMatrix
from ..networks.classes import ClassSet
from ..support.arrays import UInt8Array

SCORE_NAMES = {'accuracy': 'pixel accuracy', 'class_accuracy': 'class accuracy',
               'mean_iou': 'mean IoU', 'boundary_f': 'boundary F (3 px)',
               'calibration_error': 'expected calibration error'}


def to_json(evaluation: Evaluation, context: Mapping[str, Any],
            robustness: Mapping[str, Mapping[str, float]] | None = None) -> str:
    """
    Return everything measured as JSON text; what cannot be scored is null.

    :param evaluation: the scores.
    :param context: what was measured: network, data set, size and so on.
    :param robustness: {condition: summary} or None.
    """
    confusion = evaluation.confusion
    per_class = {'pixels': confusion.counts.sum(1), 'iou': confusion.ious,
                 'accuracy': confusion.class_accuracies}
    if evaluation.boundary is not None:
        per_class['boundary_f'] = evaluation.boundary.scores
    data = {**context, **evaluation.summary(),
            'classes': {label: {key: values[i].item() for key, values in per_class.items()}
                        for i, label in enumerate(evaluation.classes.labels)},
            'confusion': confusion.counts.tolist()}
    if robustness:
        data['robustness'] = robustness
    return json.dumps(_rounded(data), indent=2, allow_nan=False) + '\n'


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 6)
    return value


def to_table(evaluation: Evaluation,
             robustness: Mapping[str, Mapping[str, float]] | None = None) -> str:
    """
    Return the scores as Markdown tables.

    :param evaluation: the scores.
    :param robustness: {condition: summary} or None.
    """
    confusion = evaluation.confusion
    summary = evaluation.summary()
    lines = ['| score | value |', '| --- | ---: |']
    lines += [f'| {SCORE_NAMES[key]} | {_number(value)} |' for key, value in summary.items()]
    columns = [confusion.ious, confusion.class_accuracies]
    heads = ['IoU', 'accuracy']
    if evaluation.boundary:
        columns.append(evaluation.boundary.scores)
        heads.append('boundary F')
    lines += ['', f'| class | {" | ".join(heads)} | share |',
              '| --- |' + ' ---: |' * (len(heads) + 1)]
    pixels = confusion.counts.sum(1)
    for i, label in enumerate(evaluation.classes.labels):
        values = ' | '.join(_number(column[i]) for column in columns)
        lines.append(f'| {label} | {values} | {pixels[i] / max(1, pixels.sum()):.4f} |')
    if robustness:
        heads = list(next(iter(robustness.values())))
        lines += ['', f'| condition | {" | ".join(SCORE_NAMES[key] for key in heads)} |',
                  '| --- |' + ' ---: |' * len(heads)]
        for name, scores in [('as it is', summary), *robustness.items()]:
            lines.append(f'| {name} | {" | ".join(_number(scores[key]) for key in heads)} |')
    return '\n'.join(lines)


def _number(value: float) -> str:
    return '-' if math.isnan(value) else f'{value:.4f}'


def confusion_picture(confusion: ConfusionMatrix, classes: ClassSet, cell: int = 44) -> UInt8Array:
    """
    Draw the confusion matrix: rows are true classes, shares of a row in per cent.

    :param confusion: counts of pixels.
    :param classes: ``ClassSet`` of its rows.
    :param cell: pixels per cell.
    :returns: uint8 array H x W x 3, RGB.
    """
    counts = confusion.counts
    if not counts[:, -1].any():
        counts = counts[:, :-1]
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.45
    names = [*classes.labels, 'other'][:counts.shape[1]]
    margin = 12 + max(cv2.getTextSize(n, font, scale, 1)[0][0] for n in names) + 18
    grid = np.clip(shares, 0, 1)[..., None] * np.array([8 - 255, 81 - 255, 156 - 255]) + 255
    body = np.kron(grid, np.ones((cell, cell, 1))).astype(np.uint8)
    canvas = np.full((margin + body.shape[0] + 12, margin + body.shape[1] + 12, 3), 255, np.uint8)
    canvas[margin:margin + body.shape[0], margin:margin + body.shape[1]] = body
    top = np.full((canvas.shape[1], margin, 3), 255, np.uint8)  # column names, still lying down
    for i, name in enumerate(names):
        y = margin + i * cell + cell // 2 + 5
        for target, known in ((canvas, i < counts.shape[0]), (top, True)):
            if known:
                cv2.putText(target, name, (24, y), font, scale, (0, 0, 0), 1, cv2.LINE_AA)
                color = classes.colors[i].tolist() if i < len(classes) else (0, 0, 0)
                cv2.rectangle(target, (6, y - 11), (18, y + 1), color, -1)
    canvas[:margin] = cv2.rotate(top, cv2.ROTATE_90_COUNTERCLOCKWISE)
    for row, column in np.argwhere(shares >= 0.005):
        text = f'{100 * shares[row, column]:.0f}'
        width = cv2.getTextSize(text, font, scale, 1)[0][0]
        place = (margin + column * cell + (cell - width) // 2, margin + row * cell + cell // 2 + 5)
        color = (255, 255, 255) if shares[row, column] > 0.5 else (0, 0, 0)
        cv2.putText(canvas, text, place, font, scale, color, 1, cv2.LINE_AA)
    return canvas
