"""What is drawn of a segmentation: which pictures, and how they are put together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..errors import MediaError
from ..images.drawing import legend_entries, side_by_side, with_legend
from ..images.pictures import PICTURES
from ..segmentation import Segmentation
from ..support.arrays import UInt8Array

ALIASES: Mapping[str, str] = {'mask': 'color_mask', 'class-mask': 'class_mask'}
"""Older names of pictures.  They go on, and name the files as before."""

ARRANGEMENTS = ('side-by-side', 'legend')
"""
side-by-side: the input and the chosen pictures in one; legend: colours, labels and
shares below.
"""

_NUMBERS = [name for name, picture in PICTURES.items() if picture.holds_numbers]
_LOSSLESS = [name for name, picture in PICTURES.items() if picture.lossless]


def picture_of(name: str) -> str:
    """
    Return the picture that a name means.

    :param name: one of :data:`.PICTURES` or :data:`ALIASES`; another is returned as it is.
    """
    return ALIASES.get(name, name)


def holds_numbers(name: str) -> bool:
    """
    Tell whether a picture's values are data, which lossy files would change.

    :param name: of the picture, as :func:`picture_of` takes it.
    """
    return picture_of(name) in _NUMBERS


def wants_lossless(name: str) -> bool:
    """
    Tell whether a picture is written lossless unless the user asks for something else.

    Beside numbers these are the class colours: programs look them up in the palette.

    :param name: of the picture, as :func:`picture_of` takes it.
    """
    return picture_of(name) in _LOSSLESS


@dataclass(frozen=True)
class Renderer:
    """
    Draws the chosen pictures of a segmentation.

    :param pictures: some of :data:`.PICTURES` or :data:`ALIASES`, as the outputs are named.
    :param legend: whether a legend goes below pictures in class colours.
    :param beside: whether the pictures go next to the input, into one picture.
    :param alpha: weight of the colours in the overlay, 0..1.
    :param unknown: whether the legend always has an entry for unknown pixels.
    """

    pictures: tuple[str, ...] = ('overlay',)
    legend: bool = False
    beside: bool = False
    alpha: float = 0.5
    unknown: bool = False

    @classmethod
    def from_names(cls, names: Iterable[str], *, alpha: float = 0.5, unknown: bool = False
                   ) -> 'Renderer':
        """
        Build a renderer from names as ``--visualize`` takes them.

        :param names: some of :data:`.PICTURES`, :data:`ALIASES` and :data:`ARRANGEMENTS`;
            without a picture among them the overlay is taken.
        :param alpha: as of the class.
        :param unknown: as of the class.
        :raises MediaError: for an unknown name, or one that cannot be combined.
        """
        names = tuple(names)
        for name in names:
            if picture_of(name) not in (*PICTURES, *ARRANGEMENTS):
                raise MediaError(f"unknown picture '{name}', there are "
                                 f'{", ".join((*PICTURES, *ARRANGEMENTS))}')
        beside = 'side-by-side' in names
        # A picture that was asked for under both of its names is drawn once.
        pictures = tuple({picture_of(name): name for name in reversed(names)
                          if picture_of(name) in PICTURES}.values())[::-1]
        if beside and any(picture_of(name) == 'class_mask' for name in pictures):
            raise MediaError('class_mask holds ids, which side-by-side cannot show: '
                             'choose color_mask, or write it on its own')
        return cls(pictures or ('overlay',), 'legend' in names, beside, alpha, unknown)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what :meth:`render` makes."""
        return ('side-by-side',) if self.beside else self.pictures

    def render(self, image: UInt8Array, result: Segmentation) -> dict[str, UInt8Array]:
        """
        Draw.

        :param image: the input, uint8 H x W x 3, RGB.
        :param result: what the network made of it.
        :returns: {output: uint8 array, H x W (confidence, class_mask) or H x W x 3 (RGB)}.
        """
        drawn = {name: result.picture(picture_of(name), alpha=self.alpha)
                 for name in self.pictures}
        if self.beside:
            drawn = {'side-by-side': side_by_side(
                [image, *drawn.values()], ['input', *drawn])}
        if self.legend:
            entries = legend_entries(
                result.classes, result.histogram, unknown=self.unknown or None)
            drawn = {name: picture if holds_numbers(name) else with_legend(picture, entries)
                     for name, picture in drawn.items()}
        return drawn
