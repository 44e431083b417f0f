"""Which engine is the fastest here: each is timed and compared with fp32, picture by picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
import statistics
import time

from .engines import CANDIDATES
from ..errors import FcnSegError
from ..inference.tuning import Choice, Situation, situation_of
from ..networks.classes import ClassSet
from ..segmenter import Segmenter
from ..support.arrays import Size, UInt8Array

_TIMED = 8
"""Pictures that every engine is timed with; it is compared on all that there are."""


@dataclass
class Row:
    """
    What was measured of one engine in one precision.

    :ivar engine: its name.
    :ivar precision: its precision.
    :ivar milliseconds: time of a frame, the median; None where it does not run.
    :ivar agreement: share of the pixels whose class is the reference's, 0..1.
    :ivar repeats: whether a second pass gave the same masks, bit for bit.
    :ivar problem: why it does not run here, or ''.
    :ivar mean_iou: mean IoU over the labelled classes, 0..1; None without labels.
    """

    engine: str
    precision: str
    milliseconds: float | None = None
    agreement: float = 0.0
    repeats: bool = False
    problem: str = ''
    mean_iou: float | None = None


@dataclass(frozen=True, eq=False)
class Labels:
    """
    What is in some pictures.

    :ivar masks: uint8 array H x W for each picture, ids of ``classes``, 255 = not labelled.
    :ivar classes: the classes that they are of.
    """

    masks: Sequence[UInt8Array]
    classes: ClassSet


def measure(network: str, pictures: Sequence[UInt8Array], *, device: str = 'auto',
            rounds: int = 5, progress: Callable[[str], object] = print, weights: str = '',
            models_dir: str = '', labels: Labels | None = None
            ) -> tuple[list[Row], Situation]:
    """
    Time every engine that runs on a device, in turns, so that all meet the same conditions.

    :param network: name of a network, or path of a network.yaml.
    :param pictures: uint8 arrays H x W x 3, RGB, at least one.
    :param device: as :class:`.Segmenter` takes it.
    :param rounds: how often every engine segments the pictures that it is timed with.
    :param progress: takes a line about what is being done.
    :param weights: file of other weights than the registry's, or ''.
    :param models_dir: where weights are looked for first, or ''.
    :param labels: of the pictures, for the mean IoU, or None.
    :returns: a row for each candidate, and the situation that they hold in.
    :raises FcnSegError: when the network cannot be had, does not run in fp32, or lacks a class
        that is labelled.
    """
    reference = Segmenter(network, device=device, engine='torch', precision='fp32',
                          weights=weights, models_dir=models_dir)
    sizes: list[Size | None] = [
        Size(*mask.shape) for mask in labels.masks] if labels else [None] * len(pictures)

    def masks_of(segmenter: Segmenter) -> list[UInt8Array]:
        return [segmenter(picture, size).class_mask for picture, size in zip(pictures, sizes)]

    score = _scorer(reference.classes, labels) if labels else None
    rows, running = [], []
    for engine, precision in CANDIDATES[reference.device.type]:
        progress(f'loading {engine} in {precision}')
        row = Row(engine, precision)
        rows.append(row)
        try:
            segmenter = Segmenter(network, device=device, engine=engine, precision=precision,
                                  weights=weights, models_dir=models_dir)
        except FcnSegError as error:
            row.problem = str(error)
            continue
        running.append((row, segmenter))
    expected = masks_of(reference)
    for row, segmenter in running:
        progress(f'comparing {row.engine} in {row.precision}')
        masks, again = masks_of(segmenter), masks_of(segmenter)
        row.repeats = all((a == b).all() for a, b in zip(masks, again))
        row.agreement = statistics.fmean(
            float((a == b).mean()) for a, b in zip(masks, expected))
        row.mean_iou = score(masks) if score else None
    times: list[list[float]] = [[] for _ in running]
    for number in range(rounds):
        progress(f'timing, round {number + 1} of {rounds}')
        for (_, segmenter), taken in zip(running, times):
            for picture in pictures[:_TIMED]:
                begin = time.perf_counter()
                segmenter(picture)
                taken.append(time.perf_counter() - begin)
    for (row, _), taken in zip(running, times):
        row.milliseconds = 1000 * statistics.median(taken)
    return rows, situation_of(reference.weights, reference.input_size, reference.device)


def _scorer(classes: ClassSet, labels: Labels) -> Callable[[Sequence[UInt8Array]], float]:
    """Return a function that gives the mean IoU of masks with ids of a network's classes."""
    from ..training.evaluate import match_classes
    from ..training.metrics import ConfusionMatrix
    table = match_classes(classes, labels.classes)

    def score(masks: Sequence[UInt8Array]) -> float:
        confusion = ConfusionMatrix(len(labels.classes))
        for mask, truth in zip(masks, labels.masks):
            confusion.update(table[mask], truth)
        return float(confusion.mean_iou)

    return score


def fastest(rows: Sequence[Row], least_agreement: float) -> Choice:
    """
    Return the fastest engine that is accurate enough.

    :param rows: of :func:`measure`.
    :param least_agreement: share of the pixels that must have the reference's class, 0..1.
    :raises FcnSegError: when there is none.
    """
    able = [row for row in rows
            if row.milliseconds is not None and row.agreement >= least_agreement]
    if not able:
        raise FcnSegError('no engine gives the same class as fp32 at '
                          f'{least_agreement:.1%} of the pixels')
    best = min(able, key=lambda row: row.milliseconds or 0.0)
    return Choice(best.engine, best.precision, round(best.milliseconds or 0.0, 3),
                  best.agreement, best.repeats, date.today().isoformat())


def table(rows: Sequence[Row]) -> str:
    """
    Return the rows as a table for people.

    :param rows: of :func:`measure`.
    """
    scored = any(row.mean_iou is not None for row in rows)
    lines = [f'{"engine":<12} {"precision":<9} {"ms a frame":>10}  {"same class":>10}  '
             f'{"mIoU   " if scored else ""}repeats']
    for row in rows:
        if row.milliseconds is None:
            lines.append(f'{row.engine:<12} {row.precision:<9} {"-":>10}  {row.problem}')
        else:
            score = '' if row.mean_iou is None else f'{row.mean_iou:.4f} '
            lines.append(f'{row.engine:<12} {row.precision:<9} {row.milliseconds:>10.1f}  '
                         f'{row.agreement:>10.3%}  {score}{"yes" if row.repeats else "no"}')
    return '\n'.join(lines)
