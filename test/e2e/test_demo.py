"""The README's demo: node and camera processes, from frames to the picture."""

import os
from pathlib import Path
import subprocess
import sys

import cv2
from graph import Domain
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    output = tmp_path_factory.mktemp('demo')
    domain = Domain()
    run = subprocess.run(
        [sys.executable, ROOT / 'demo' / 'demo.py', '--seconds', '4', '--output', output],
        env=os.environ | {'ROS_DOMAIN_ID': str(domain.number)},
        capture_output=True, text=True, timeout=300, check=False)
    domain.release()
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout, output


def test_it_reports_rate_latency_and_shares(demo):
    report, _ = demo
    for camera in ('street', 'walkers'):
        assert f'\n{camera}: ' in report
    assert report.count('frames a second, latency') == 2
    shares = [float(line.split()[1].rstrip('%')) for line in report.splitlines()
              if line.startswith('  ')]
    assert 190 < sum(shares) <= 201  # two cameras; classes below 0.1 % are left out


def test_it_recognises_the_street(demo):
    report, _ = demo
    street = report.partition('\nstreet: ')[2].partition('\nwalkers: ')[0]
    shares = {line.split()[0]: float(line.split()[1].rstrip('%'))
              for line in street.splitlines()[1:] if line.startswith('  ')}
    # A street between brick houses under a grey sky
    assert shares['building'] > 25
    assert shares['sky'] > 10
    assert shares['road'] + shares['sidewalk'] > 15


def test_the_picture_can_be_looked_at(demo):
    report, output = demo
    path = output / 'contact_sheet.png'
    assert str(path) in report
    picture = cv2.imread(str(path))
    assert picture.shape[0] > 600 and picture.shape[1] > 1200
    assert len({tuple(pixel) for pixel in picture[::7, ::7].reshape(-1, 3).tolist()}) > 500
