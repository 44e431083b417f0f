"""The bundled network on street frames, labelled ones where they are at hand."""

from pathlib import Path

import camvid
import cv2
from fcn_seg_ros import Segmenter
from fcn_seg_ros.images.compressed import decode
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
LEAST_MEAN_IOU = 0.50
EVERY = 5  # of the 101 frames, which follow each other closely


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'grbg', 'gbrg'])
def test_the_mosaic_of_a_street_is_segmented_as_its_colours_are(pattern):
    rgb = cv2.cvtColor(cv2.imread(str(ROOT / 'demo' / 'street.jpg')), cv2.COLOR_BGR2RGB)
    rows, columns = np.indices(rgb.shape[:2])
    channels = np.array(['rgb'.index(letter) for letter in pattern])
    mosaic = rgb[rows, columns, channels[2 * (rows % 2) + columns % 2]]
    png = cv2.imencode('.png', mosaic)[1].tobytes()
    segmenter = Segmenter('fcn-resnet18-street')
    mask = segmenter(rgb).class_mask
    # As what it is, as the mosaic with red and blue exchanged, and as a grey picture.
    known, exchanged, grey = ((segmenter(decode(png, stated)).class_mask != mask).mean()
                              for stated in (f'bayer_{pattern}8; png compressed ',
                                             f'bayer_{pattern[::-1]}8; png compressed ', 'png'))
    assert known < 0.08
    assert known < 0.8 * min(exchanged, grey)


@pytest.mark.skipif(camvid.find() is None,
                    reason='CamVid is not here: set CAMVID_ROOT to its folder')
def test_mean_iou_on_camvid_val():
    segmenter = Segmenter('fcn-resnet18-street')
    count = len(segmenter.classes)
    confusion = np.zeros((count, count), np.int64)
    for path in sorted((camvid.find() / 'val' / 'images').glob('*.jpg'))[::EVERY]:
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        labels = cv2.imread(str(camvid.find() / 'val' / 'labels' / f'{path.stem}.png'),
                            cv2.IMREAD_UNCHANGED)
        mask = segmenter(image).class_mask
        known = labels < count
        confusion += np.bincount(labels[known].astype(int) * count + mask[known],
                                 minlength=count ** 2).reshape(count, count)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - confusion.diagonal()
    iou = confusion.diagonal()[union > 0] / union[union > 0]
    assert iou.mean() >= LEAST_MEAN_IOU
    assert confusion.diagonal().sum() / confusion.sum() >= 0.85
