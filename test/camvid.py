"""CamVid, which is not part of the repository, where it is at hand."""

import os
from pathlib import Path

_BESIDE = Path(__file__).resolve().parents[2] / 'shared' / 'data' / 'camvid'


def find():
    """Return its folder, from the environment (CAMVID_ROOT) or beside the checkout, or None."""
    places = [os.environ.get('CAMVID_ROOT'), _BESIDE]
    return next((Path(place) for place in places if place and Path(place).is_dir()), None)
