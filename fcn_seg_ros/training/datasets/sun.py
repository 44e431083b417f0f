"""SUN RGB-D, colour pictures with 37 classes."""

from pathlib import Path

from .base import LabelPictures, require

TEST_PICTURES = 5050
"""The label archive counts on through both sets: 1..5050 test, 5051..10335 train."""


class SunRgbd(LabelPictures):
    """
    SUN RGB-D (S. Song et al., CVPR 2015) as rearranged by A. Handa.

    Layout of the archives at github.com/ankurhanda/sunrgbd-meta-data:
    ``SUNRGBD-train_images/img-000001.jpg`` ..., ``SUNRGBD-test_images/img-000001.jpg``
    ... and ``sunrgbd_train_test_labels/img-000001.png`` ...  The label of training
    picture n is number n + 5050.  The published test set is the split 'val'.
    """

    name = 'sun'

    def _find(self, root: Path, split: str) -> list[tuple[Path, Path]]:
        kind, offset = ('test', 0) if split == 'val' else ('train', TEST_PICTURES)
        images = require(root / f'SUNRGBD-{kind}_images',
                         f'unpack SUNRGBD-{kind}_images.tgz', self.name)
        folder = require(root / 'sunrgbd_train_test_labels',
                         'unpack sunrgbd_train_test_labels.tar.gz', self.name)
        pairs = []
        for image in sorted(images.glob('img-*.jpg')):
            number = int(image.stem.removeprefix('img-')) + offset
            pairs.append((image, require(folder / f'img-{number:06d}.png',
                                         f'labels of {kind} picture {image.name}', self.name)))
        return pairs
