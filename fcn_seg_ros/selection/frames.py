"""From recordings to a folder of the pictures most worth labelling, in two passes."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
import os

from .candidates import Observer
from .choice import Choice, choose, explain
from .probing import MAX_CANDIDATES, Prober
from .writing import Folder, PRELABELS
from ..errors import MediaError, OptionError
from ..offline.kinds import kind_of
from ..offline.shots import read_shots, recording_names, Shot
from ..segmenter import Segmenter
from ..support.atomic_files import new_folder

Progress = Callable[[Iterable[Shot], str], Iterable[Shot]]
"""Wraps the pictures of a source as they are read, given its name."""

Source = str | os.PathLike[str]


@dataclass(frozen=True)
class Selection:
    """
    What to choose.

    :ivar count: number of pictures.
    :ivar rate: pictures a second of a recording that are looked at, at most.
    :ivar seed: of what chance decides: another one gives another, about as good a choice.
    :ivar topics: image topics of bags; none: all that hold pictures of cameras.
    :ivar prelabel: one of :data:`.writing.PRELABELS`, or '' for none.
    :ivar limit: most candidates that are kept in memory.
    :raises OptionError: when a value is none that it can have.
    """

    count: int = 50
    rate: float = 1.0
    seed: int = 0
    topics: tuple[str, ...] = ()
    prelabel: str = ''
    limit: int = MAX_CANDIDATES

    def __post_init__(self) -> None:
        if not 1 <= self.count <= self.limit:
            raise OptionError(f'count is 1 to {self.limit} pictures, not {self.count}')
        if not 0.001 <= self.rate <= 100:
            raise OptionError(f'rate is 0.001 to 100 pictures a second, not {self.rate}')
        if self.seed < 0:
            raise OptionError(f'seed is 0 or more, not {self.seed}')
        if self.prelabel and self.prelabel not in PRELABELS:
            raise OptionError(f'prelabel is {" or ".join(PRELABELS)}, not {self.prelabel}')


@dataclass(frozen=True)
class Outcome:
    """
    What was done.

    :ivar written: number of pictures written.
    :ivar candidates: number of pictures that it was chosen from.
    :ivar seen: number of pictures that were looked at.
    :ivar left_out: {why: number of pictures} that could not be chosen.
    """

    written: int
    candidates: int
    seen: int
    left_out: dict[str, int]


def select_frames(segmenter: Segmenter, sources: Sequence[Source], target: Source,
                  selection: Selection, *, progress: Progress = lambda shots, _: shots,
                  report: Callable[[str], object] = print) -> Outcome:
    """
    Choose the pictures of some recordings that are most worth labelling, and write them.

    :param segmenter: the present network.
    :param sources: bags, videos, pictures, folders or globs of them.
    :param target: folder to make; it must not exist.
    :param selection: what to choose.
    :param progress: see :data:`Progress`.
    :param report: called with a line for each recording that breaks off.
    :raises FcnSegError: when a source cannot be read, or no picture can be used.
    """
    names = recording_names(sources)
    with new_folder(target) as folder:
        prober = Prober(Observer(segmenter), selection.rate, selection.limit)
        for source, name in zip(sources, names):
            shots = read_shots(source, name, prober.wanted, topics=selection.topics, report=report)
            for shot in progress(shots, f'{source}: looking'):
                prober.look_at(shot)
        candidates = prober.candidates()
        if not candidates:
            raise MediaError(f'no picture of {", ".join(map(str, sources))} can be used'
                             f'{_why(prober.left_out)}')
        choices = explain(candidates, choose(candidates, selection.count, selection.seed),
                          segmenter.classes.labels)
        files = _file_names(choices)
        output = Folder(folder, segmenter, files, selection.prelabel)
        for source, name in zip(sources, names):
            shots = read_shots(source, name, lambda recording, number, _: files.get(
                (recording, number), ''), topics=selection.topics,
                report=lambda _: None)  # the first pass has said it
            output.write_pictures(progress(shots, f'{source}: writing'))
        written = output.finish(choices)
    return Outcome(written, len(candidates), prober.seen, dict(prober.left_out))


def _file_names(choices: Sequence[Choice]) -> dict[tuple[str, int], str]:
    """Return {(recording, number): name of the file without suffix}, all different."""
    files: dict[tuple[str, int], str] = {}
    taken: Counter[str] = Counter()
    for one in (choice.candidate for choice in choices):
        key = one.name.casefold()
        taken[key] += 1
        files[one.recording, one.number] = \
            one.name if taken[key] == 1 else f'{one.name}-{taken[key]}'
    return files


def _why(left_out: Mapping[str, int]) -> str:
    reasons = ', '.join(f'{count} {reason}' for reason, count in sorted(left_out.items()))
    return f': {reasons}' if reasons else ': there is none'


def check(sources: Sequence[Source], target: Source) -> None:
    """
    Check, before a network is loaded for it, that there are sources and room for the target.

    :param sources: as of :func:`select_frames`.
    :param target: likewise.
    :raises MediaError: when one is missing, a camera, or the target exists.
    """
    for source in sources:
        if kind_of(source) == 'device':
            raise MediaError(f'{source} is a camera: record it first, or save its pictures')
    if os.path.exists(target):
        raise MediaError(f'{target} exists already: give another output')
