"""
Draw frames.jpg, prelabel.jpg and report.png, the pictures of docs/your-own-network.md.

    python docs/images/own_network.py

The first two show what ``fcn-seg frames`` makes of the demo's clip with the bundled network:
its contact sheet, and the polygons that LabelMe gets of a part of one picture.  report.png is
the page of ``fcn-seg evaluate --html`` of a network that has learned from five pictures of the
tests' garden; a Chromium draws it.  Run it again when one of these changes.
"""

import argparse
import json
from pathlib import Path
import shutil
import subprocess
import sys
import tempfile

import cv2
from drawn import ROOT
from fcn_seg_ros.cli.main import main as fcn_seg
from fcn_seg_ros.images.drawing import draw_label
from fcn_seg_ros.networks.loading import load_installed
import numpy as np
from PIL import Image

SHEET_WIDTH, QUALITY = 1000, 70
"""Pixels; of the JPEG files, 1 to 100."""
PART = slice(90, 330), slice(300, 768)
"""Rows and columns of the picture whose prelabels are shown."""
SCALE = 2
NAMED = 1200
"""Square pixels of the least polygon that its label is written on."""
BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
TABLES, PICTURES, REPORT_WIDTH = (620, 850), (1180, 850), 1300
"""Pixels of the two parts of the page that are shown, width and height, and of both beside."""
DRIVES, PLACES = 5, 8
"""Of the garden; each drive's first picture is what is learned from."""


def main():
    """Draw the pictures."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('--folder', type=Path, default=Path(__file__).parent)
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as scratch:
        draw_frames(Path(scratch), folder)
        draw_report(Path(scratch), folder)


def draw_frames(scratch, folder):
    """Pick pictures of the demo's clip, and draw the contact sheet and one of the prelabels."""
    picked = scratch / 'to_label'
    run('frames', ROOT / 'demo/walkers.mp4', picked, '--rate', 2, '--count', 6, '--prelabel',
        'labelme', '--device', 'cpu')
    sheet = Image.open(picked / 'contact_sheet.jpg')
    size = SHEET_WIDTH, round(sheet.height * SHEET_WIDTH / sheet.width)
    sheet.resize(size, Image.Resampling.LANCZOS).save(
        folder / 'frames.jpg', quality=QUALITY, optimize=True)
    picture = min((picked / 'images').glob('*.jpg'))
    shapes = json.loads(picture.with_suffix('.json').read_text())['shapes']
    Image.fromarray(with_polygons(np.array(Image.open(picture)), shapes)).save(
        folder / 'prelabel.jpg', quality=QUALITY, optimize=True)


def with_polygons(picture, shapes):
    """Return a part of a picture, larger, with LabelMe's polygons and their points."""
    classes = load_installed('fcn-resnet18-street')[2]
    colors = {label: tuple(int(value) for value in color)
              for label, color in zip(classes.labels, classes.colors)}
    rows, columns = PART
    view = cv2.resize(picture[PART], None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_CUBIC)
    filled = view.copy()
    outlines = [(shape['label'], np.rint((np.array(shape['points']) + 0.5 - (
        columns.start, rows.start)) * SCALE).astype(np.int32)) for shape in shapes]
    for label, points in outlines:  # back to front, as they lie on one another
        cv2.fillPoly(filled, [points], colors[label])
    view = cv2.addWeighted(filled, 0.45, view, 0.55, 0)
    for label, points in outlines:
        cv2.polylines(view, [points], True, colors[label], 1, cv2.LINE_AA)
        for x, y in points.tolist():
            cv2.circle(view, (x, y), 2, (255, 255, 255), -1, cv2.LINE_AA)
    for label, points in outlines:
        left, top, width, height = cv2.boundingRect(points)
        inside = 0 <= left < view.shape[1] - 60 and 20 <= top < view.shape[0] - 20
        if inside and width * height >= NAMED:
            draw_label(view, label, 8, left, top - 14)
    return view


def draw_report(scratch, folder):
    """Let a network learn from a tenth of a garden's pictures, and show its report."""
    sys.path.append(str(ROOT / 'test'))
    import garden
    places = {garden.name_of(drive, number): (drive, 6 * number)
              for drive in range(DRIVES) for number in range(PLACES)}
    few = {name: place for name, place in places.items() if place[1] == 0}
    garden.write_labelme(scratch / 'few', few)
    garden.write_labelme(scratch / 'all', places)
    size = f'[{garden.WIDTH}, {garden.HEIGHT}]'
    run('train', 'finetune', '--data', 'labelme', '--root', scratch / 'few', '--name', 'garden',
        '--output', scratch / 'run', '--device', 'cpu', '--quiet',
        *(word for setting in (f'network.size={size}', f'network.crop={size}', 'run.epochs=20',
                               'run.evaluate_every=10', 'optimizer.rate=0.002')
          for word in ('--set', setting)))
    page = scratch / 'report.html'
    run('evaluate', '--data', 'labelme', '--root', scratch / 'all', '--network',
        scratch / 'run/best/network.yaml', '--device', 'cpu', '--quiet', '--html', page)
    text = page.read_text()
    tables, pictures = text.index('<h2>Scores'), text.index('<h2>Pictures')
    page.with_name('pictures.html').write_text(text[:tables] + text[pictures:])
    join([shot_of(page, TABLES), shot_of(page.with_name('pictures.html'), PICTURES)]).quantize(
        128, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE).save(
            folder / 'report.png', optimize=True)


def shot_of(page, window):
    """Return the upper part of a page, as wide and high as a window, as a browser shows it."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit('report.png needs a Chromium: sudo apt-get install chromium')
    shot = page.with_suffix('.png')
    subprocess.run([browser, '--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars',
                    f'--user-data-dir={page.with_name("profile")}', f'--screenshot={shot}',
                    '--window-size={},{}'.format(*window), f'file://{page}'],
                   check=True, capture_output=True, timeout=120)
    return Image.open(shot).convert('RGB')


def join(pictures):
    """Return pictures of one height beside each other, REPORT_WIDTH wide in all."""
    row = Image.fromarray(np.hstack([np.array(picture) for picture in pictures]))
    size = REPORT_WIDTH, round(row.height * REPORT_WIDTH / row.width)
    return row.resize(size, Image.Resampling.LANCZOS)


def run(*words):
    """Run a command of fcn-seg."""
    status = fcn_seg([str(word) for word in words])
    if status:
        sys.exit(status)


if __name__ == '__main__':
    main()
