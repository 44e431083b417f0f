"""``fcn-seg segment`` with the fake network, and what it reads and writes."""

import cv2
from fake_segmenter import FakeSegmenter
from fcn_seg_ros.cli import main, segment
from fcn_seg_ros.offline.video_writing import video_sink
import numpy as np

H, W = 36, 48


def picture(seed=0, height=H, width=W):
    small = np.random.default_rng(seed).integers(0, 255, (4, 6, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)


def read(path):
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob('*') if p.is_file())


def write_video(path, frames, rate=12.5):
    with video_sink(path, rate) as write:
        for frame in frames:
            write(frame)
    return path


def fake_segment(monkeypatch):
    """Return a function that runs the command line with the fake network."""
    options = {}

    def create(args, **keywords):
        options.update(keywords, args=args)
        return FakeSegmenter()

    monkeypatch.setattr(main, 'COMMANDS', ('segment',))
    monkeypatch.setattr(segment, 'create_segmenter', create)

    def run(*arguments):
        return main.main(['segment', *map(str, arguments)])

    run.options = options
    return run
