"""
The pictures that are made of a segmentation, by the names that API, topics and files have.

Another one is an entry here and an attribute of that name of :class:`.Segmentation`.  Neither ROS
nor NumPy is needed to read the table.
"""

from typing import NamedTuple


class Picture(NamedTuple):
    """
    What a picture's pixels are.

    :ivar encoding: as sensor_msgs/Image has it: rgb8, or mono8 for numbers, which are never shown
        in colours nor with a legend.
    :ivar lossless: programs read values from it, so that it is compressed as PNG.
    """

    encoding: str
    lossless: bool

    @property
    def holds_numbers(self) -> bool:
        """Tell whether its values are data, which lossy files would change."""
        return self.encoding == 'mono8'


PICTURES = {
    'overlay': Picture('rgb8', False),
    'class_mask': Picture('mono8', True),
    'color_mask': Picture('rgb8', True),
    'confidence': Picture('mono8', True),
}
"""
overlay: the input blended with the class colours; class_mask: class ids, 255 = unknown;
color_mask: the class colours; confidence: the winning class's probability x 255.
"""
