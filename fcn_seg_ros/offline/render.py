"""What is drawn of a segmentation: which pictures, and how they are put together."""

from dataclasses import dataclass

from ..errors import MediaError
from ..images.drawing import legend_entries, side_by_side, with_legend

PICTURES = ('overlay', 'mask', 'confidence', 'class-mask')
"""
Pictures of a segmentation.

overlay: the input blended with the class colours; mask: the class colours;
confidence: the winning class's probability x 255, grey; class-mask: class ids, grey,
255 = unknown (data more than a picture: never in colours, never with a legend).
"""

ARRANGEMENTS = ('side-by-side', 'legend')
"""
side-by-side: the input and the chosen pictures in one; legend: colours, labels and
shares below.
"""

LOSSLESS = ('confidence', 'class-mask')
"""Pictures whose values are data, which lossy files would change."""


@dataclass(frozen=True)
class Renderer:
    """
    Draws the chosen pictures of a segmentation.

    :param pictures: some of :data:`PICTURES`.
    :param legend: whether a legend goes below pictures in class colours.
    :param beside: whether the pictures go next to the input, into one picture.
    :param alpha: weight of the colours in the overlay, 0..1.
    :param unknown: whether the legend always has an entry for unknown pixels.
    """

    pictures: tuple = ('overlay',)
    legend: bool = False
    beside: bool = False
    alpha: float = 0.5
    unknown: bool = False

    @classmethod
    def from_names(cls, names, **options):
        """
        Build a renderer from names as ``--visualize`` takes them.

        :param names: some of :data:`PICTURES` and :data:`ARRANGEMENTS`; without a
            picture among them the overlay is taken.
        :raises MediaError: for an unknown name, or one that cannot be combined.
        """
        for name in names:
            if name not in PICTURES + ARRANGEMENTS:
                raise MediaError(f"unknown picture '{name}', there are "
                                 f'{", ".join(PICTURES + ARRANGEMENTS)}')
        beside = 'side-by-side' in names
        pictures = tuple(name for name in dict.fromkeys(names) if name in PICTURES)
        if beside and 'class-mask' in pictures:
            raise MediaError('class-mask holds ids, which side-by-side cannot show: '
                             'choose mask, or write it on its own')
        return cls(pictures or ('overlay',), 'legend' in names, beside, **options)

    @property
    def outputs(self):
        """Names of what :meth:`render` makes."""
        return ('side-by-side',) if self.beside else self.pictures

    def render(self, image, result):
        """
        Draw.

        :param image: the input, uint8 H x W x 3, RGB.
        :param result: its :class:`~fcn_seg_ros.segmenter.Segmentation`.
        :returns: {output: uint8 array, H x W (confidence, class-mask) or H x W x 3 (RGB)}.
        """
        drawn = {name: self._draw(name, result) for name in self.pictures}
        if self.beside:
            drawn = {'side-by-side': side_by_side(
                [image, *drawn.values()], ['input', *drawn])}
        if self.legend:
            entries = legend_entries(
                result.classes, result.histogram, unknown=self.unknown or None)
            drawn = {name: picture if name in LOSSLESS else with_legend(picture, entries)
                     for name, picture in drawn.items()}
        return drawn

    def _draw(self, name, result):
        if name == 'overlay':
            return result.overlay(self.alpha)
        if name == 'mask':
            return result.color_mask
        return result.confidence if name == 'confidence' else result.class_mask
