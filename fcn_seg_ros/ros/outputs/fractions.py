"""ClassFractions messages."""

from collections.abc import Mapping, Sequence

from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from ...fractions import class_fractions, Fractions, region_fractions
from ...msg import ClassFraction, ClassFractions, RegionFractions
from ...segmentation import Segmentation


def fractions_message(result: Segmentation, header: Header, network: str,
                      regions: Mapping[str, Sequence[float]]) -> ClassFractions:
    """
    Return the shares of a frame's classes.

    :param result: the frame's ``Segmentation``.
    :param header: the frame's header.
    :param network: name of the network.
    :param regions: {name: (x0, y0, x1, y1)} in shares of the image.
    """
    labels = result.classes.labels
    whole = class_fractions(result.histogram, len(labels))
    return ClassFractions(
        header=header, network=network, pixels=whole.pixels, unknown=whole.unknown,
        classes=[ClassFraction(class_id=index, label=label, fraction=fraction)
                 for index, (label, fraction) in enumerate(zip(labels, whole.classes.tolist()))],
        regions=[_region_message(name, roi, fractions) for name, (roi, fractions)
                 in region_fractions(result.class_mask, regions, len(labels)).items()])


def _region_message(name: str, roi: tuple[int, int, int, int], fractions: Fractions
                    ) -> RegionFractions:
    x, y, width, height = roi
    return RegionFractions(
        name=name, unknown=fractions.unknown, fractions=fractions.classes,
        roi=RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height))
