"""What the figures share: whose package draws them, the demo's street, how they are kept."""

from pathlib import Path
import sys

import cv2
import numpy as np
from PIL import Image, PngImagePlugin

ROOT = Path(__file__).resolve().parents[2]
# The package and the network of this checkout are drawn, not those that are installed.
sys.path.insert(0, str(ROOT))


def street(height=None):
    """Return the demo's street as RGB, of some height in pixels or as it is."""
    photo = cv2.cvtColor(cv2.imread(str(ROOT / 'demo' / 'street.jpg')), cv2.COLOR_BGR2RGB)
    if height is None:
        return photo
    scale = height / photo.shape[0]
    return cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def save(parts, path, **text):
    """
    Write pictures of the same width, one below the other, as a PNG with texts of some names.

    A palette makes the file a third as large; the most frequent colours stay as they are.
    """
    info = PngImagePlugin.PngInfo()
    for key, value in text.items():
        info.add_text(key, value)
    Image.fromarray(np.vstack(parts)).quantize(
        256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE).save(
            path, optimize=True, pnginfo=info)
