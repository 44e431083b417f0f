"""The bundled network on labelled street frames, where they are at hand."""

import os
from pathlib import Path

import cv2
from fcn_seg_ros import Segmenter
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
LEAST_MEAN_IOU = 0.50
EVERY = 5  # of the 101 frames, which follow each other closely


def camvid():
    """Return CamVid's folder, from the environment or beside the checkout, or None."""
    places = [os.environ.get('CAMVID_ROOT'), ROOT.parent / 'shared' / 'data' / 'camvid']
    return next((Path(place) for place in places if place and Path(place).is_dir()), None)


@pytest.mark.skipif(camvid() is None, reason='CamVid is not here: set CAMVID_ROOT to its folder')
def test_mean_iou_on_camvid_val():
    segmenter = Segmenter('fcn-resnet18-street')
    count = len(segmenter.classes)
    confusion = np.zeros((count, count), np.int64)
    for path in sorted((camvid() / 'val' / 'images').glob('*.jpg'))[::EVERY]:
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        labels = cv2.imread(str(camvid() / 'val' / 'labels' / f'{path.stem}.png'),
                            cv2.IMREAD_UNCHANGED)
        mask = segmenter(image).class_mask
        known = labels < count
        confusion += np.bincount(labels[known].astype(int) * count + mask[known],
                                 minlength=count ** 2).reshape(count, count)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - confusion.diagonal()
    iou = confusion.diagonal()[union > 0] / union[union > 0]
    assert iou.mean() >= LEAST_MEAN_IOU
    assert confusion.diagonal().sum() / confusion.sum() >= 0.85
