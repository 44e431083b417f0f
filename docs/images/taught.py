"""
Draw docs/images/taught.png: the demo's street by the bundled network and by those of before.

    git show c5b6025:models/fcn-resnet18-street/model.safetensors > no3.safetensors
    git show aaffac1:models/fcn-resnet18-street/model.safetensors > no4.safetensors
    python docs/images/taught.py no3.safetensors no4.safetensors
"""

from pathlib import Path
import sys

import drawn
from fcn_seg_ros import Segmenter
from fcn_seg_ros.images.drawing import draw_legend, legend_entries, side_by_side

HEIGHT = 330
"""Pixels of each picture."""
ALPHA = 0.6


def main():
    """Draw the picture."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    photo = drawn.street(HEIGHT)
    panels = [photo]
    for weights in (*sys.argv[1:], ''):
        segmenter = Segmenter(weights=weights, device='cpu', precision='fp32')
        panels.append(segmenter(photo).overlay(ALPHA))
    pictures = side_by_side(panels, ['camera', 'no. 3', 'no. 4: with a teacher',
                                     'no. 5: and stronger colours'])
    legend = draw_legend(legend_entries(segmenter.classes), pictures.shape[1], text_height=13)
    drawn.save((pictures, legend), Path(__file__).with_suffix('.png'))


if __name__ == '__main__':
    main()
