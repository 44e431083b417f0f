"""
Draw docs/images/heads.png: what interpolating scores, and a finer decoder, are worth.

    python docs/images/heads.py

Run it again when the bundled network changes; ``--network`` tries another one.
"""

import argparse
from pathlib import Path

import cv2
import drawn
from fcn_seg_ros.images.drawing import draw_legend, legend_entries, side_by_side
from fcn_seg_ros.networks.loading import load_installed
from fcn_seg_ros.support.arrays import Size
from fcn_seg_ros.training.evaluate import Predictor
import numpy as np

HEIGHT = 380
"""Pixels of each picture."""
ALPHA = 0.6


def main():
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('--network', default='fcn-resnet18-street')
    parser.add_argument('--output', type=Path, default=Path(__file__).with_suffix('.png'))
    args = parser.parse_args()
    photo = drawn.street(HEIGHT)
    network, model, classes, _ = load_installed(args.network)
    panels = []
    for head, scores in (('stride32', 'grid'), ('stride32', 'interpolated'),
                         ('main', 'interpolated')):
        predictor = Predictor(model, classes, Size(network.height, network.width), network.mean,
                              network.std, head=head, scores=scores)
        (ids, _), = predictor([photo], [Size(*photo.shape[:2])])
        colors = np.asarray(classes.colors, np.uint8)[ids]
        panels.append(cv2.addWeighted(colors, ALPHA, photo, 1 - ALPHA, 0))
    pictures = side_by_side(panels, [
        'stride 32: winner of each cell', 'stride 32: scores interpolated',
        f'stride {model.stride}: scores interpolated'])
    legend = draw_legend(legend_entries(classes), pictures.shape[1], text_height=13)
    drawn.save((pictures, legend), args.output)


if __name__ == '__main__':
    main()
