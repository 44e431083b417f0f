"""The report page: what is on it, and that a real browser shows and sorts it without a network."""

from html.parser import HTMLParser
import json
import re
import shutil
import subprocess

from fcn_seg_ros.cli.main import build_parser
from fcn_seg_ros.networks.classes import class_set_from_labels
from fcn_seg_ros.networks.model import FCNResNet18
from fcn_seg_ros.support.arrays import Size
from fcn_seg_ros.training.folder import write_network
from fcn_seg_ros.training.gallery import PictureScores
from fcn_seg_ros.training.metrics import ExpectedCalibrationError
import numpy as np
from PIL import Image
import pytest
import torch

LABELS = ('floor', 'wall <b>', 'box')
BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    """Return the path of a page that compares two networks on six pictures."""
    root = tmp_path_factory.mktemp('page')
    (root / 'classes.txt').write_text('\n'.join(LABELS))
    rng = np.random.default_rng(0)
    for kind in ('images', 'labels'):
        (root / 'val' / kind).mkdir(parents=True)
    for number in range(6):
        labels = np.kron(rng.integers(0, 2 + number % 2, (4, 4)), np.ones((16, 16), int))
        image = rng.integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(image).save(root / f'val/images/{number}.png')
        Image.fromarray(labels.astype(np.uint8)).save(root / f'val/labels/{number}.png')
    for seed, name in enumerate(('one', 'other')):
        torch.manual_seed(seed)
        write_network(root / 'models' / name, FCNResNet18(3), name=name, size=Size(64, 64),
                      classes=class_set_from_labels(LABELS, name))
    args = build_parser().parse_args([
        'evaluate', '--data', 'folder', '--root', str(root), '--network', 'one', '--against',
        'other', '--models-dir', str(root / 'models'), '--device', 'cpu', '--quiet',
        '--html', str(root / 'report.html'), '--json', str(root / 'report.json')])
    args.run(args)
    return root / 'report.html'


class Page(HTMLParser):
    """Counts tags, keeps addresses and remembers what is open."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.sources, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for key, value in attributes if key in ('src', 'href')]
        if tag not in ('meta', 'link', 'img', 'br'):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else(page):
    text = page.read_text()
    parsed = Page(text)
    assert not parsed.open
    assert parsed.sources and all(source.startswith('data:') for source in parsed.sources)
    assert 'http://' not in text and 'https://' not in text
    assert 'wall &lt;b&gt;' in text and 'wall <b>' not in text
    assert parsed.tags.count('img') == 6 * parsed.tags.count('figure')  # two masks, two errors
    assert text.count('class="reliability"') == 2


def test_the_numbers_are_those_of_the_report(page):
    data = json.loads(page.with_suffix('.json').read_text())
    text = page.read_text()
    difference = data['mean_iou'] - data['against']['mean_iou']
    row = re.search('<td>mean IoU</td>.*?</tr>', text)[0]
    assert f'<td>{data["mean_iou"]:.4f}</td><td>{data["against"]["mean_iou"]:.4f}</td>' in row
    assert f'{difference:+.4f}'[:6] in row


def test_the_worst_pictures_come_first():
    classes = class_set_from_labels(('a', 'b'), 'x')
    scores = PictureScores(classes)
    labels = np.zeros((4, 4), np.uint8)
    labels[:, 2:] = 1
    for index, wrong in enumerate((0, 2, 1)):
        predicted = labels.copy()
        predicted[:wrong] = 0
        scores(index, predicted, labels)
    scores(3, labels, np.full((4, 4), 255, np.uint8))  # nothing to score
    shown = scores.worth_showing(worst=1, best=1, per_class=1)
    assert [score.index for score in shown] == [1, 0]
    assert shown[0].ious.tolist() == [8 / 12, 4 / 8] and shown[1].mean_iou == 1


def test_reliability_of_each_bin():
    error = ExpectedCalibrationError(bins=2)
    error.update(np.array([[255, 255, 51]], np.uint8), np.array([[0, 1, 0]], np.uint8),
                 np.array([[0, 0, 0]], np.uint8))
    confidence, accuracy, share = error.reliability()
    np.testing.assert_allclose(confidence, [0.2, 1])
    np.testing.assert_allclose(accuracy, [1, 0.5])
    np.testing.assert_allclose(share, [1 / 3, 2 / 3])


PROBE = """<script>
const wrong = [];
addEventListener('error', event => wrong.push(event.message ?? 'a picture'), true);
addEventListener('securitypolicyviolation', event => wrong.push(event.blockedURI));
addEventListener('load', () => {
  const cells = () => [...document.querySelectorAll('#classes tbody tr')]
    .map(row => parseFloat(row.cells[2].textContent));
  const order = () => [...document.querySelectorAll('#gallery figure')]
    .filter(one => !one.hidden).map(one => parseFloat(one.querySelector('.shown').textContent));
  const button = document.querySelectorAll('#classes th button')[2], first =
    document.getElementById('first'), by = document.getElementById('by');
  const result = {ready: document.documentElement.dataset.ready, worst: order()};
  button.click(); result.down = cells();
  button.click(); result.up = cells();
  first.value = 'best'; first.dispatchEvent(new Event('change')); result.best = order();
  by.value = '3'; by.dispatchEvent(new Event('change')); result.box = order();
  const images = [...document.images];
  result.shown = images.filter(one => one.complete && one.naturalWidth > 0).length;
  result.images = images.length;
  result.overflow = document.documentElement.scrollWidth - innerWidth;
  result.wrong = wrong;
  const out = document.createElement('pre');
  out.id = 'probe'; out.textContent = JSON.stringify(result); document.body.append(out);
});
</script>"""


def test_a_browser_shows_and_sorts_it(page, tmp_path):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip('no Chromium is installed')
    probed = tmp_path / 'probed.html'
    probed.write_text(page.read_text().replace('<body>', f'<body>{PROBE}', 1))
    process = subprocess.run(
        [browser, '--headless', '--no-sandbox', '--disable-gpu', '--window-size=390,800',
         f'--user-data-dir={tmp_path / "profile"}', '--host-resolver-rules=MAP * 127.0.0.1:9',
         '--dump-dom', f'file://{probed}'], capture_output=True, text=True, timeout=120)
    found = re.search('<pre id="probe">(.*?)</pre>', process.stdout, re.DOTALL)
    assert found, process.stderr[-2000:]
    result = json.loads(found[1].replace('&gt;', '>').replace('&lt;', '<').replace('&amp;', '&'))
    assert result['ready'] == 'yes' and result['wrong'] == []
    assert result['shown'] == result['images'] > 0
    known = [value for value in result['up'] if value is not None]
    assert known == sorted(known) and result['up'][::-1] == result['down']
    assert result['worst'] == sorted(result['worst']) and len(result['worst']) == 6
    assert result['best'] == sorted(result['best'], reverse=True)
    assert len(result['box']) == 3  # the pictures with a box
    assert result['overflow'] <= 0  # on a phone nothing is wider than the screen
