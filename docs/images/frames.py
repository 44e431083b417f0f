"""
Draw docs/images/frames.png: what ``fcn-seg frames`` picks of the tests' garden.

    python docs/images/frames.py

Run it again when what is picked changes.
"""

from pathlib import Path
import sys
import tempfile

import cv2
from fcn_seg_ros import Segmenter
from fcn_seg_ros.selection.frames import select_frames, Selection

HERE = Path(__file__).resolve().parent
for tests in ('test', 'test/proof'):
    sys.path.append(str(HERE.parents[1] / tests))


def main():
    """Draw the picture."""
    from picking import garden_world
    with tempfile.TemporaryDirectory() as folder:
        world = garden_world(Path(folder), 0, stops=True)
        select_frames(Segmenter(str(world.start), device='cpu'), world.sources,
                      f'{folder}/to_label', Selection(count=12, rate=world.rate))
        sheet = cv2.imread(f'{folder}/to_label/contact_sheet.jpg')
    small = cv2.resize(sheet, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(HERE / 'frames.png'), small)


if __name__ == '__main__':
    main()
