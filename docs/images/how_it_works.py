"""
Draw docs/images/strides.png and legends.png, the figures of docs/how-it-works.md.

    python docs/images/how_it_works.py

strides.png shows what a score stands for at each stride; legends.png the classes of the published
networks in their colours, from config/classes.
"""

import argparse
import hashlib
from pathlib import Path

import cv2
import drawn
from fcn_seg_ros.images.drawing import draw_legend, legend_entries, side_by_side
from fcn_seg_ros.networks.classes import ClassSet
import numpy as np

WIDTH, HEIGHT = 512, 288
"""Pixels of the bundled network's input."""
STRIDES = (32, 16, 8, 4)
SHOWN, SCALE = (slice(96, 288), slice(0, 192)), 2
"""Rows and columns of the input that are shown, and how much larger."""
LEGENDS = {'cityscapes': 'Cityscapes: streets', 'deepscene': 'DeepScene: forest paths',
           'mhp': 'Multi-Human Parsing: people and clothes', 'voc': 'Pascal VOC: everyday things',
           'sun': 'SUN RGB-D: rooms'}
LEGEND_WIDTH = 900


def main():
    """Draw the pictures."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('--folder', type=Path, default=Path(__file__).parent)
    folder = parser.parse_args().folder
    seen = cv2.resize(drawn.street(), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    drawn.save([side_by_side([with_cells(seen, stride) for stride in STRIDES],
                             [f'stride {stride}: {WIDTH // stride} x {HEIGHT // stride} scores'
                              for stride in STRIDES])], folder / 'strides.png')
    drawn.save([titled(title, class_set(name)) for name, title in LEGENDS.items()],
               folder / 'legends.png', made_from=digest())


def class_set(name):
    """Return one of the package's class sets."""
    return ClassSet.from_yaml(drawn.ROOT / 'config' / 'classes' / f'{name}.yaml')


def digest():
    """Return what legends.png is made from as a SHA-256: labels and colours, by class set."""
    sets = {name: class_set(name) for name in LEGENDS}
    return hashlib.sha256(repr([(name, classes.labels, np.asarray(classes.colors).tolist())
                                for name, classes in sets.items()]).encode()).hexdigest()


def with_cells(picture, stride):
    """Return a part of a picture, larger, with the borders of the cells that have a score each."""
    part = cv2.resize(picture[SHOWN], None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_NEAREST)
    step = stride * SCALE
    for place in range(0, part.shape[0], step):
        part[place] = part[:, place] = 255
    return part


def titled(title, classes):
    """Return a class set's legend below its title."""
    legend = draw_legend(legend_entries(classes), LEGEND_WIDTH, text_height=13)
    return side_by_side([legend], [title])


if __name__ == '__main__':
    main()
