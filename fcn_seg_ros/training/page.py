"""An evaluation as one page of HTML that needs nothing but itself."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
import json
import math

import cv2
import numpy as np

from .evaluate import Evaluation
from .gallery import Exhibit
from .metrics import ExpectedCalibrationError
from .page_style import CSS, SCRIPT
from .report import SCORE_NAMES
from ..networks.classes import ClassSet
from ..support.arrays import UInt8Array

_JPEG = ('picture', 'errors')
"""Beginnings of the titles of panels that are photographs; others have few colours."""


@dataclass(frozen=True, eq=False)
class Measured:
    """
    One network in the report.

    :param name: what it is called there.
    :param about: a line on size, engine and number format.
    :param result: its scores.
    """

    name: str
    about: str
    result: Evaluation


def to_html(title: str, networks: Sequence[Measured], data_summary: str,
            exhibits: Sequence[Exhibit]) -> str:
    """
    Return the page.

    :param title: what was measured on.
    :param networks: the network, and perhaps the one that it is compared with.
    :param data_summary: what :func:`summary.to_text` says about the data.
    :param exhibits: pictures to show.
    """
    classes = networks[0].result.classes
    about = ''.join(f'<p>{escape(one.about)}</p>' for one in networks)
    confusions = ''.join(f'<h2>Confusion of {escape(one.name)}</h2>{_confusion(one.result)}'
                         for one in networks)
    diagrams = ''.join(
        f'<h2>Reliability of {escape(one.name)}</h2>{_reliability(one.result.calibration)}'
        for one in networks if one.result.calibration)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">"
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title>'
        f'<style>{CSS}</style></head><body>\n'
        f'<h1>{escape(title)}</h1>{about}\n<h2>Scores</h2>{_scores(networks)}\n'
        f'<h2>Classes</h2>{_classes(networks, classes)}\n{confusions}\n{diagrams}\n'
        f'<h2>Pictures</h2>{_gallery(exhibits, classes)}\n'
        f'<h2>The data</h2><pre>{escape(data_summary)}</pre>\n'
        f'<script>{SCRIPT}</script></body></html>\n')


def _scores(networks: Sequence[Measured]) -> str:
    summaries = [one.result.summary() for one in networks]
    rows = []
    for key in summaries[0]:
        values = [summary[key] for summary in summaries]
        cells = ''.join(f'<td>{_number(value)}</td>' for value in values)
        rows.append(f'<tr><td>{escape(SCORE_NAMES[key])}</td>{cells}'
                    f'{_difference(values, lower=key == "calibration_error")}</tr>')
    heads = ''.join(f'<th>{escape(one.name)}</th>' for one in networks)
    return (f'<div class="scroll"><table id="scores"><thead><tr><th>score</th>{heads}'
            f'{_difference_head(networks)}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
            '</div>')


def _classes(networks: Sequence[Measured], classes: ClassSet) -> str:
    heads = ['class', 'share']
    for one in networks:
        after = f' of {one.name}' if len(networks) > 1 else ''
        heads += [f'IoU{after}', f'accuracy{after}']
        if one.result.boundary:
            heads.append(f'boundary F{after}')
    pixels = networks[0].result.confusion.counts.sum(1)
    rows = []
    for index, label in enumerate(classes.labels):
        cells = [f'<td>{_swatch(classes, index)}{escape(label)}</td>',
                 _cell(pixels[index] / max(1, pixels.sum()))]
        for one in networks:
            confusion = one.result.confusion
            cells += [_cell(confusion.ious[index]), _cell(confusion.class_accuracies[index])]
            if one.result.boundary:
                cells.append(_cell(one.result.boundary.scores[index]))
        cells.append(_difference([one.result.confusion.ious[index] for one in networks]))
        rows.append(f'<tr>{"".join(cells)}</tr>')
    head = ''.join(f'<th><button type="button">{escape(text)}</button></th>' for text in heads)
    more = _difference_head(networks, 'IoU: ', sortable=True)
    return (f'<div class="scroll"><table class="sortable" id="classes"><thead><tr>{head}{more}'
            f'</tr></thead><tbody>{"".join(rows)}</tbody></table></div>')


def _confusion(result: Evaluation) -> str:
    counts, classes = result.confusion.counts, result.classes
    names = [*classes.labels, 'other']
    if not counts[:, -1].any():
        counts, names = counts[:, :-1], names[:-1]
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    head = ''.join(f'<th>{escape(name)}</th>' for name in names)
    rows = []
    for index, label in enumerate(classes.labels):
        cells = ''.join(
            f'<td style="background:rgb(8 81 156 / {share:.3f});color:'
            f'{"#fff" if share > 0.5 else "inherit"}">'
            f'{f"{100 * share:.0f}" if share >= 0.005 else ""}</td>' for share in shares[index])
        rows.append(f'<tr><th>{_swatch(classes, index)}{escape(label)}</th>{cells}</tr>')
    return ('<p>Rows are true classes, columns predicted ones; per cent of the row.</p>'
            f'<div class="scroll"><table class="confusion"><thead><tr><th></th>{head}</tr></thead>'
            f'<tbody>{"".join(rows)}</tbody></table></div>')


def _reliability(calibration: ExpectedCalibrationError) -> str:
    """Draw accuracy over confidence; bars on the diagonal are what they claim to be."""
    side, left, top = 260, 40, 10
    confidence, accuracy, share = calibration.reliability()
    bins = len(share)
    bars = []
    for index in range(bins):
        if share[index] > 0:
            height = side * accuracy[index]
            bars.append(
                f'<rect x="{left + side * index / bins:.1f}" y="{top + side - height:.1f}" '
                f'width="{side / bins - 1:.1f}" height="{height:.1f}" fill="#4a90d9" '
                f'fill-opacity="{0.25 + 0.75 * math.sqrt(share[index]):.2f}"><title>'
                f'confidence {confidence[index]:.2f}, right {accuracy[index]:.2f}, '
                f'{100 * share[index]:.1f} % of the pixels</title></rect>')
    axis = ''.join(
        f'<text x="{left - 6}" y="{top + side * (1 - value) + 4}" text-anchor="end">'
        f'{value}</text><text x="{left + side * value}" y="{top + side + 16}" '
        f'text-anchor="middle">{value}</text>'
        for value in (0, 0.5, 1))
    return (
        f'<p>How often the pixels of a confidence are right; on the line they are what they claim '
        f'to be. Expected calibration error {_number(calibration.value)}.</p>'
        f'<svg class="reliability" viewBox="0 0 {left + side + 20} {top + side + 40}" width="340" '
        f'role="img" aria-label="reliability diagram">{"".join(bars)}'
        f'<path d="M{left} {top + side}L{left + side} {top}" stroke="currentColor" '
        f'stroke-dasharray="4 3"/><path d="M{left} {top}V{top + side}H{left + side}" fill="none" '
        f'stroke="currentColor"/>{axis}<text x="{left + side / 2}" y="{top + side + 34}" '
        'text-anchor="middle">confidence</text></svg>')


def _gallery(exhibits: Sequence[Exhibit], classes: ClassSet) -> str:
    options = ''.join(f'<option value="{index}">{escape(label)}</option>'
                      for index, label in enumerate(classes.labels, 1))
    figures = []
    for one in exhibits:
        scores = [one.score.mean_iou, *one.score.ious.tolist()]
        data = json.dumps([None if math.isnan(score) else round(score, 4) for score in scores])
        panels = ''.join(f'<div>{escape(title)}<img src="{_data_url(title, pixels)}" '
                         f'alt="{escape(title)}"></div>' for title, pixels in one.panels)
        figures.append(f'<figure class="exhibit" data-scores="{data}"><figcaption>'
                       f'{escape(one.name)}: <span class="shown"></span></figcaption>'
                       f'<div class="panels">{panels}</div></figure>')
    return (f'<label>IoU of <select id="by"><option value="0">all classes</option>{options}'
            '</select></label><label>first the <select id="first"><option>worst</option>'
            f'<option>best</option></select></label><div id="gallery">{"".join(figures)}</div>')


def _data_url(title: str, pixels: UInt8Array) -> str:
    jpeg = title.startswith(_JPEG)
    suffix, options = ('.jpg', [cv2.IMWRITE_JPEG_QUALITY, 80]) if jpeg else ('.png', [])
    _, data = cv2.imencode(suffix, pixels[..., ::-1], options)
    kind = 'jpeg' if jpeg else 'png'
    return f'data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode()}'


def _swatch(classes: ClassSet, index: int) -> str:
    red, green, blue = classes.colors[index].tolist()
    return f'<span class="swatch" style="background:rgb({red} {green} {blue})"></span>'


def _difference_head(networks: Sequence[Measured], what: str = '', *, sortable: bool = False
                     ) -> str:
    if len(networks) < 2:
        return ''
    text = escape(f'{what}{networks[0].name} - {networks[1].name}')
    return f'<th><button type="button">{text}</button></th>' if sortable else f'<th>{text}</th>'


def _difference(values: Sequence[float], *, lower: bool = False) -> str:
    """Return the cell of the difference of two networks, coloured by which is better."""
    if len(values) < 2:
        return ''
    difference = float(values[0]) - float(values[1])
    better = -difference if lower else difference
    kind = 'better' if better > 0 else 'worse' if better < 0 else ''
    text = '-' if math.isnan(difference) else f'{difference:+.4f}'
    return f'<td class="{kind}" data-value="{difference}">{text}</td>'


def _cell(value: float) -> str:
    return f'<td>{_number(float(value))}</td>'


def _number(value: float) -> str:
    return '-' if math.isnan(value) else f'{value:.4f}'
