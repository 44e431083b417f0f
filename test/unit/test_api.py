"""The public interface as people write it: what they give works, or says in a line what to do."""

from pathlib import Path
import re
import subprocess
import sys
import textwrap

import cv2
import fcn_seg_ros
from fcn_seg_ros import FcnSegError, Segmentation, Segmenter
from fcn_seg_ros.errors import ImageError, MediaError, OptionError
from fcn_seg_ros.images.files import read_picture
from fcn_seg_ros.images.pictures import PICTURES
from fcn_seg_ros.support.arrays import Size
import numpy as np
from PIL import Image
import pytest
from tiny_network import HEIGHT, LABELS, tiny_models_dir, WIDTH
import torch
import torch.nn.functional as F


def picture(height=60, width=90, seed=3):
    """Return smooth random colours, uint8 H x W x 3."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope='module')
def make():
    return lambda **options: Segmenter('tiny', models_dir=tiny_models_dir(), **{
        'engine': 'torch', 'device': 'cpu', 'precision': 'fp32', **options})


@pytest.fixture(scope='module')
def segmenter(make):
    return make()


@pytest.fixture
def file(tmp_path):
    cv2.imwrite(str(tmp_path / 'street.png'), picture()[..., ::-1])
    return tmp_path / 'street.png'


def one_line(error):
    text = str(error.value)
    assert text and '\n' not in text
    return text


GIVEN = {
    'path': lambda file: file,
    'text': str,
    'PIL': lambda file: Image.open(file),
    'array': read_picture,
}


@pytest.mark.parametrize('given', GIVEN)
def test_whatever_is_a_picture(segmenter, file, given):
    expected = segmenter(picture())
    result = segmenter(GIVEN[given](file))
    assert isinstance(result, Segmentation)
    assert np.array_equal(result.class_mask, expected.class_mask)
    assert np.array_equal(result.overlay(), expected.overlay())


def test_a_pil_picture_of_another_mode(segmenter):
    grey = Image.fromarray(picture()).convert('L')
    expected = segmenter(np.dstack([np.asarray(grey)] * 3))
    assert np.array_equal(segmenter(grey).class_mask, expected.class_mask)


def test_a_file_comes_upright_and_a_pil_picture_as_it_lies(segmenter, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right
    Image.fromarray(picture()).save(tmp_path / 'turned.png', exif=exif)
    upright = segmenter(np.ascontiguousarray(np.rot90(picture(), -1)))
    assert np.array_equal(segmenter(tmp_path / 'turned.png').class_mask, upright.class_mask)
    with Image.open(tmp_path / 'turned.png') as opened:
        assert segmenter(opened).class_mask.shape == picture().shape[:2]


@pytest.mark.parametrize('kind', [list, tuple])
def test_a_list_gives_a_list(segmenter, file, kind):
    given = kind([file, picture(30, 40, 1), Image.fromarray(picture(50, 40, 2))])
    results = segmenter(given)
    assert isinstance(results, list)
    assert [r.class_mask.shape for r in results] == [(60, 90), (30, 40), (50, 40)]
    for result, one in zip(results, given):
        assert np.mean(result.class_mask == segmenter(one).class_mask) > 0.999
    assert segmenter([]) == []


def test_arrays_of_opencv(segmenter, file):
    bgr = cv2.imread(str(file))
    expected = segmenter(file)
    result = segmenter(bgr, bgr=True)
    assert np.array_equal(result.class_mask, expected.class_mask)
    assert np.array_equal(result.overlay(), expected.overlay())
    both = segmenter([bgr, file], bgr=True)  # files know their own order
    assert np.mean(both[1].class_mask == expected.class_mask) > 0.999


@pytest.mark.parametrize(('given', 'words'), [
    (np.zeros((4, 5), np.uint8), 'numpy.dstack'),
    (np.zeros((4, 5, 1), np.uint8), 'numpy.dstack'),
    (np.zeros((4, 5, 4), np.uint8), r'image\[..., :3\]'),
    (np.zeros((3, 40, 50), np.uint8), r'transpose\(1, 2, 0\)'),
    (np.zeros((2, 4, 5, 3), np.uint8), r'list\(images\)'),
    (np.zeros((4, 5, 3), np.float32), r'\* 255'),
    (np.zeros((4, 5, 3), np.uint16), '0 to 255'),
    (np.zeros((0, 5, 3), np.uint8), 'no pixels'),
    (np.zeros(7, np.uint8), 'three channels'),
    ([[np.zeros((4, 5, 3), np.uint8)]], 'a list inside a list'),
    (b'\xff\xd8\xff', 'images.compressed.decode'),
    (torch.zeros(3, 4, 5, dtype=torch.uint8), 'permute'),
    (None, 'NoneType'), (7, 'int'), ({'image': 1}, 'dict'),
    ((picture() for _ in range(2)), 'generator'),
])
def test_what_is_no_picture_is_refused_with_what_to_do(segmenter, given, words):
    with pytest.raises(ImageError, match=words) as error:
        segmenter(given)
    one_line(error)


@pytest.mark.parametrize('name', ['missing.jpg', 'text.png', ''])
def test_files_that_are_no_pictures(segmenter, tmp_path, name):
    (tmp_path / 'text.png').write_text('no picture')
    with pytest.raises(MediaError, match=str(tmp_path / name)) as error:
        segmenter(tmp_path / name)
    one_line(error)


@pytest.mark.parametrize(('mask_size', 'expected'), [
    (None, (60, 90)), ('input', (60, 90)), ('network', (HEIGHT, WIDTH)), ((30, 50), (30, 50)),
    ([30, 50], (30, 50)), (Size(30, 50), (30, 50)), ('50x30', (30, 50)),
    (np.array([30, 50]), (30, 50))])
def test_sizes_of_masks(segmenter, mask_size, expected):
    assert segmenter(picture(), mask_size).class_mask.shape == expected


@pytest.mark.parametrize('mask_size', [
    'inputs', '', 0, 7, (30,), (30, 50, 3), (0, 50), (-1, 5), (30.0, 50.0), (True, True),
    (9000, 50), (8192, 8192), 'x', (30, None)])
def test_other_sizes_of_masks(segmenter, mask_size):
    with pytest.raises(OptionError, match='mask_size is') as error:
        segmenter(picture(), mask_size)
    one_line(error)


def test_devices_as_torch_writes_them(make):
    for device in ('cpu', torch.device('cpu'), 'auto'):
        if device != 'auto' or not torch.cuda.is_available():
            assert str(make(device=device).device) == 'cpu'


@pytest.mark.parametrize(('device', 'words'), [
    (99, "'cuda:99' is not available"), ('cuda:99', "'cuda:99' is not available"),
    (torch.device('cuda', 99), "'cuda:99' is not available"),
    (torch.device('meta'), 'auto, cpu, cuda or cuda:N'), (True, 'auto, cpu, cuda or cuda:N'),
    (None, 'auto, cpu, cuda or cuda:N'), (-1, 'auto, cpu, cuda or cuda:N'),
    ('cuda:', 'auto, cpu, cuda or cuda:N'), ('cuda:1:2', 'auto, cpu, cuda or cuda:N')])
def test_devices_that_are_not_there(make, device, words):
    with pytest.raises(FcnSegError, match=words) as error:
        make(device=device)
    one_line(error)


def test_one_label_is_one_label(make, caplog):
    usual = make()(picture())
    most = max(usual.fractions, key=usual.fractions.get)
    segmenter = make(ignore_classes=most)
    assert segmenter(picture()).fractions[most] == 0
    assert 'ignore_classes' not in caplog.text
    assert make(ignore_classes=None)(picture()).fractions == usual.fractions
    with pytest.raises(OptionError, match='takes labels such as') as error:
        segmenter.configure(ignore_classes=[3])
    one_line(error)


@pytest.mark.parametrize('value', [-0.1, 1.1, 7, float('nan'), float('inf'), '0.5', None, True])
def test_a_confidence_is_from_0_to_1(make, segmenter, value):
    if value is not None:
        with pytest.raises(OptionError, match='min_confidence is a number from 0 to 1'):
            make(min_confidence=value)
    before = segmenter(picture()).fractions
    if value is None:
        segmenter.configure(min_confidence=value)
    else:
        with pytest.raises(OptionError):
            segmenter.configure(ignore_classes=LABELS[0], min_confidence=value)
    assert segmenter(picture()).fractions == before  # nothing changed by halves


@pytest.mark.parametrize('nearest', [False, True])
@pytest.mark.parametrize('mask_size', [None, (20, 30), (150, 200)])
def test_probabilities(make, nearest, mask_size):
    segmenter = make(ignore_classes='grass', nearest=nearest)
    result = segmenter(picture(), mask_size, probabilities=True)
    probabilities = result.probabilities()
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (len(LABELS), *result.class_mask.shape)
    assert np.allclose(probabilities.sum(axis=0), 1, atol=1e-5)
    assert not probabilities[LABELS.index('grass')].any()
    batch = segmenter.backend.preprocess([picture()])
    scores = torch.from_numpy(np.asarray(segmenter.engine(batch)))
    kept = [i for i, label in enumerate(LABELS) if label != 'grass']
    mode = {'mode': 'nearest-exact'} if nearest else {'mode': 'bilinear', 'align_corners': False}
    expected = F.interpolate(scores[:, kept], size=result.class_mask.shape, **mode).softmax(1)[0]
    assert np.abs(probabilities[kept] - expected.numpy()).max() < 1e-4
    best = np.sort(probabilities, axis=0)
    decided = best[-1] - best[-2] > 1e-3
    assert np.array_equal(probabilities.argmax(axis=0)[decided], result.class_mask[decided])
    assert np.abs(probabilities.max(axis=0) * 255 - result.confidence).max() <= 0.77


def test_probabilities_that_were_not_asked_for(segmenter):
    with pytest.raises(OptionError, match=r'segmenter\(image, probabilities=True\)') as error:
        segmenter(picture()).probabilities()
    one_line(error)


@pytest.mark.parametrize('what', PICTURES)
def test_saving(segmenter, tmp_path, what):
    result = segmenter(picture())
    path = tmp_path / 'new folder' / 'out.png'
    result.save(path, what)
    written = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    expected = result.overlay() if what == 'overlay' else getattr(result, what)
    assert np.array_equal(written, expected if expected.ndim == 2 else expected[..., ::-1])
    assert (expected.ndim == 2) == PICTURES[what].holds_numbers and expected.dtype == np.uint8
    assert [p.name for p in path.parent.iterdir()] == ['out.png']


def test_saving_by_default_and_with_other_weights(segmenter, tmp_path):
    result = segmenter(picture())
    result.save(str(tmp_path / 'a.png'))
    result.save(tmp_path / 'b.png', alpha=1.0)
    assert np.array_equal(read_picture(tmp_path / 'a.png'), result.overlay(0.5))
    assert np.array_equal(read_picture(tmp_path / 'b.png'), result.color_mask)
    result.save(tmp_path / 'a.jpg')
    assert np.abs(read_picture(tmp_path / 'a.jpg').astype(int) - result.overlay()).mean() < 8


@pytest.mark.parametrize(('name', 'what', 'words'), [
    ('a.png', 'mask', 'overlay, class_mask, color_mask, confidence'),
    ('a.jpg', 'class_mask', r'\.png, \.bmp'), ('a.webp', 'class_mask', r'\.png, \.bmp'),
    ('a', 'overlay', r'\.jpg'), ('a.mp4', 'overlay', r'\.jpg'), ('a.pgm', 'overlay', r'\.jpg')])
def test_saving_what_cannot_be(segmenter, tmp_path, name, what, words):
    with pytest.raises(OptionError, match=words) as error:
        segmenter(picture()).save(tmp_path / name, what)
    one_line(error)
    assert not list(tmp_path.iterdir())


def test_saving_where_it_cannot_be(segmenter, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(MediaError, match='cannot write') as error:
        segmenter(picture()).save(tmp_path / 'file' / 'a.png')
    one_line(error)
    result, = segmenter.segment([picture()], want_confidence=False)
    with pytest.raises(OptionError, match='without confidence'):
        result.save(tmp_path / 'a.png', 'confidence')


def test_what_they_say_of_themselves(segmenter):
    result = segmenter(picture())
    most = max(result.fractions, key=result.fractions.get)
    assert repr(result).startswith(f'<Segmentation 90x60: {most} ')
    assert repr(segmenter) == '<Segmenter tiny (5 classes, 64x48) on cpu, torch in fp32>'


def test_the_package_shows_what_there_is():
    exports = {'ClassSet', 'FcnSegError', 'Network', 'Registry', 'Segmentation', 'Segmenter'}
    assert exports <= set(dir(fcn_seg_ros))
    assert exports == set(fcn_seg_ros.__all__)
    for name in exports:
        assert getattr(fcn_seg_ros, name).__name__ == name


def test_a_users_file_type_checks(tmp_path):
    pytest.importorskip('mypy')
    (tmp_path / 'user.py').write_text(textwrap.dedent("""\
        from pathlib import Path

        import cv2
        from fcn_seg_ros import Segmenter

        segmenter = Segmenter('street', device='cpu')
        result = segmenter('street.jpg')
        reveal_type(result.class_mask)
        reveal_type(segmenter([Path('a.png'), result.overlay()]))
        reveal_type(segmenter(result.color_mask, 'input', probabilities=True).probabilities())
        frame = cv2.imread('street.jpg')
        if frame is not None:
            segmenter(frame, bgr=True).save('overlay.png')
        segmenter(7)
        """))
    sources = Path(fcn_seg_ros.__file__).parents[1]
    # mypy finds what is installed by itself, as a user's does, and refuses to be told so.
    path = {} if sources.name == 'site-packages' else {'MYPYPATH': str(sources)}
    done = subprocess.run(
        [sys.executable, '-m', 'mypy', '--strict', '--follow-imports=silent', '--config-file=',
         f'--cache-dir={tmp_path / "cache"}', '--ignore-missing-imports', 'user.py'],
        cwd=tmp_path, env={**path, 'PATH': ''}, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith('user.py')]
    revealed = [line for line in lines if 'Revealed type' in line]
    assert len(revealed) == 3, done.stdout + done.stderr
    assert 'ndarray' in revealed[0] and 'unsignedinteger' in revealed[0]
    assert 'list[' in revealed[1] and 'Segmentation' in revealed[1]
    assert 'floating' in revealed[2]
    errors = [line for line in lines if ' error: ' in line]
    assert errors and all(line.startswith('user.py:14:') for line in errors), done.stdout


def test_the_code_in_the_readme_runs(tmp_path):
    root = Path(__file__).parents[2]
    blocks = re.findall(r'```python\n(.*?)```', (root / 'README.md').read_text(), re.S)
    assert blocks
    (tmp_path / 'demo').symlink_to(root / 'demo')
    for block in blocks:
        done = subprocess.run([sys.executable, '-c', block], cwd=tmp_path, capture_output=True,
                              text=True)
        assert done.returncode == 0, done.stderr
    assert read_picture(tmp_path / 'overlay.png').shape == read_picture(
        root / 'demo' / 'street.jpg').shape
