"""``fcn-seg segment`` from arguments to files: pictures and folders of them."""

import csv
import json
import os

import cv2
from fake_segmenter import CLASSES, FakeSegmenter
from fcn_seg_ros.cli import main
from fcn_seg_ros.errors import MediaError
from fcn_seg_ros.offline import sinks, sources
from fcn_seg_ros.offline.render import Renderer
from fcn_seg_ros.support.atomic_files import new_folder, replacing
import numpy as np
import pytest
from segment_command import fake_segment, files, H, picture, read, W
from tiny_network import LABELS, tiny_models_dir


@pytest.fixture
def fcn_seg(monkeypatch):
    return fake_segment(monkeypatch)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / 'street.png'
    sinks.write_image(path, picture())
    return path


def test_real_network_end_to_end(tmp_path, image, monkeypatch, capsys):
    monkeypatch.setattr(main, 'COMMANDS', ('segment',))
    arguments = ['segment', image, tmp_path / 'out.png', '--network', 'tiny', '--models-dir',
                 tiny_models_dir(), '--engine', 'torch', '--threads', '1', '--device', 'cpu',
                 '--visualize', 'class-mask', '--stats', tmp_path / 'out.json']
    assert main.main(list(map(str, arguments))) == 0
    mask = cv2.imread(str(tmp_path / 'out.png'), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (H, W) and set(np.unique(mask)) <= set(range(len(LABELS)))
    stats = json.loads((tmp_path / 'out.json').read_text())
    assert stats['network'] == 'tiny' and stats['classes'] == list(LABELS)
    for index, label in enumerate(LABELS):
        share = (mask == index).mean()
        assert stats['images'][0]['fractions'][label] == pytest.approx(share, abs=1e-6)
        assert stats['total']['fractions'][label] == pytest.approx(share, abs=1e-6)
    assert f'1 image -> {tmp_path}/out.png' in capsys.readouterr().out


def test_unknown_network_is_one_line(tmp_path, image, monkeypatch, capsys):
    monkeypatch.setattr(main, 'COMMANDS', ('segment',))
    assert main.main(['segment', str(image), str(tmp_path / 'o.png'), '--network', 'nope']) == 1
    error = capsys.readouterr().err
    assert error.startswith("fcn-seg: unknown network 'nope'") and error.count('\n') == 1


def test_default_is_the_overlay_at_the_inputs_size(fcn_seg, tmp_path, image):
    assert fcn_seg(image, tmp_path / 'out.png') == 0
    assert (read(tmp_path / 'out.png') == FakeSegmenter()(picture()).overlay(0.5)).all()


@pytest.mark.parametrize(('alpha', 'expected'), [('0.25', 0.25), ('1', 1), ('51', 0.2)])
def test_alpha_takes_shares_and_jetson_inferences_bytes(fcn_seg, tmp_path, image, alpha, expected):
    fcn_seg(image, tmp_path / 'out.png', '--alpha', alpha)
    assert (read(tmp_path / 'out.png') == FakeSegmenter()(picture()).overlay(expected)).all()


def test_every_picture_into_its_own_file(fcn_seg, tmp_path, image, capsys):
    assert fcn_seg(image, tmp_path / 'new' / 'out.png', '--visualize',
                   'overlay, mask,confidence,class-mask') == 0
    assert files(tmp_path / 'new') == [
        f'out_{name}.png' for name in ('class-mask', 'confidence', 'mask', 'overlay')]
    expected = FakeSegmenter()(picture())
    mask = cv2.imread(str(tmp_path / 'new' / 'out_class-mask.png'), cv2.IMREAD_UNCHANGED)
    assert mask.ndim == 2 and (mask == expected.class_mask).all()
    assert (read(tmp_path / 'new' / 'out_mask.png') == expected.color_mask).all()
    shares = capsys.readouterr().out.splitlines()[0]
    assert all(label in shares for label in CLASSES.labels)


def test_legend_goes_below_colors_but_not_into_data(fcn_seg, tmp_path, image):
    fcn_seg(image, tmp_path / 'out.png', '--visualize', 'overlay,class-mask,legend')
    overlay = read(tmp_path / 'out_overlay.png')
    assert overlay.shape[0] > H and overlay.shape[1] == W
    assert (overlay[:H] == FakeSegmenter()(picture()).overlay(0.5)).all()
    for color in CLASSES.colors:
        assert (overlay[H:] == color).all(-1).any()
    assert read(tmp_path / 'out_class-mask.png').shape[:2] == (H, W)


def test_side_by_side_starts_with_the_input(fcn_seg, tmp_path, image):
    fcn_seg(image, tmp_path / 'out.png', '--visualize', 'side-by-side,mask,confidence')
    out = read(tmp_path / 'out.png')
    assert out.shape[1] > 3 * W
    assert (out[-H:, :W] == picture()).all()
    assert (out[-H:, -W:, 0] == picture()[:, :, 1]).all()


@pytest.mark.parametrize(('size', 'shape'), [
    ('input', (H, W)), ('network', FakeSegmenter.input_size), ('100x50', (50, 100))])
def test_mask_size(fcn_seg, tmp_path, image, size, shape):
    fcn_seg(image, tmp_path / 'out.png', '--mask-size', size)
    assert read(tmp_path / 'out.png').shape[:2] == shape


def test_the_masks_size_under_its_old_name(fcn_seg, tmp_path, image, capsys):
    assert fcn_seg(image, tmp_path / 'out.png', '--output-size', '100x50') == 0
    assert read(tmp_path / 'out.png').shape[:2] == (50, 100)
    assert '--output-size is called --mask-size now' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        fcn_seg('--help')
    said = capsys.readouterr().out
    assert '--mask-size' in said and '--output-size' not in said


@pytest.mark.parametrize('value', ['x', '1.5', '-0.1', 'nan'])
def test_numbers_out_of_bounds_say_what_the_bounds_are(fcn_seg, image, value, capsys):
    with pytest.raises(SystemExit):
        fcn_seg(image, 'out.png', f'--min-confidence={value}')
    assert 'argument --min-confidence: must be a number from 0 to 1' in capsys.readouterr().err


def test_options_reach_the_network(fcn_seg, tmp_path, image):
    fcn_seg(image, tmp_path / 'out.png')
    assert fcn_seg.options['ignore_classes'] == ('void',) and not fcn_seg.options['nearest']
    fcn_seg(image, tmp_path / 'out.png', '--filter-mode', 'point', '--ignore-class', 'sky',
            '--ignore-class', 'road', '--min-confidence', '0.4', '--network', 'voc',
            '--weights', 'w.onnx', '--device', 'cuda:1', '--precision', 'fp16')
    options = fcn_seg.options
    assert options['ignore_classes'] == ('sky', 'road') and options['nearest']
    assert options['min_confidence'] == 0.4
    args = options['args']
    assert (args.network, args.weights, args.device, args.precision) == (
        'voc', 'w.onnx', 'cuda:1', 'fp16')


@pytest.mark.parametrize('arguments', [
    ['--alpha', '256'], ['--alpha', 'x'], ['--mask-size', '0x5'], ['--mask-size', '5'],
    ['--min-confidence', '1.1'], ['--stats', 'x.txt'], ['--filter-mode', 'cubic']])
def test_bad_options_are_refused(fcn_seg, image, arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        fcn_seg(image, 'out.png', *arguments)
    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err


@pytest.mark.parametrize(('output', 'arguments', 'message'), [
    ('street.png', [], 'is the input'),
    ('sub/../street.png', [], 'is the input'),
    ('out.jpg', ['--visualize', 'class-mask'], 'use .png'),
    ('out.jpg', ['--visualize', 'confidence'], 'use .png'),
    ('out.gif', [], "cannot write '.gif' images"),
    ('out.png', ['--visualize', 'heatmap'], "unknown picture 'heatmap', there are overlay"),
    ('out.png', ['--visualize', 'side-by-side,class-mask'], 'holds ids'),
    ('out.png', ['--topic', '/x'], '--topic is for bags'),
])
def test_errors_before_anything_is_loaded(fcn_seg, tmp_path, image, output, arguments, message,
                                          capsys):
    (tmp_path / 'sub').mkdir()
    before = image.read_bytes()
    assert fcn_seg(image, tmp_path / output, *arguments) == 1
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1
    assert not fcn_seg.options
    assert image.read_bytes() == before and files(tmp_path) == ['street.png']


def test_missing_input(fcn_seg, tmp_path, capsys):
    assert fcn_seg(tmp_path / 'none.png', tmp_path / 'out.png') == 1
    assert 'does not exist' in capsys.readouterr().err
    assert fcn_seg('/dev/video99', tmp_path / 'out.png') == 1
    assert 'fcn-seg camera' in capsys.readouterr().err


def test_folder(fcn_seg, tmp_path, capsys):
    folder = tmp_path / 'in'
    for name in ('b10.jpg', 'b2.jpg', 'a.png', 'a.bmp', 'note.txt'):
        if name.endswith('txt'):
            (folder / name).write_text('not an image')
        else:
            sinks.write_image(folder / name, picture(len(name)))
    assert fcn_seg(folder, tmp_path / 'out', '--stats', tmp_path / 's.csv',
                   '--visualize', 'overlay,class-mask') == 0
    assert files(tmp_path / 'out') == [
        'a_bmp_class-mask.png', 'a_bmp_overlay.bmp', 'a_png_class-mask.png',
        'a_png_overlay.png', 'b10_class-mask.png', 'b10_overlay.jpg', 'b2_class-mask.png',
        'b2_overlay.jpg']
    with open(tmp_path / 's.csv', newline='') as file:
        header, *rows = csv.reader(file)
    assert header == ['name', 'pixels', *CLASSES.labels, 'unknown']
    assert [row[0].rsplit('/')[-1] for row in rows] == ['a.bmp', 'a.png', 'b2.jpg', 'b10.jpg']
    for row in rows:
        assert int(row[1]) == H * W
        assert sum(map(float, row[2:])) == pytest.approx(1, abs=1e-5)
    assert '4 images' in capsys.readouterr().out


def test_glob_keeps_subfolders_and_the_input_folder_may_be_the_output(fcn_seg, tmp_path):
    for name in ('x/a.png', 'y/a.png', 'y/z/a.png'):
        sinks.write_image(tmp_path / 'in' / name, picture())
    assert fcn_seg(tmp_path / 'in' / '**' / '*.png', tmp_path / 'out') == 0
    assert files(tmp_path / 'out') == ['x/a_overlay.png', 'y/a_overlay.png', 'y/z/a_overlay.png']
    assert fcn_seg(tmp_path / 'in' / 'y', tmp_path / 'in' / 'y') == 0
    assert 'y/a_overlay.png' in files(tmp_path / 'in')


def test_damaged_image_is_left_out_and_the_exit_status_says_so(fcn_seg, tmp_path, capsys):
    good = sinks.write_image(tmp_path / 'in' / 'a.jpg', picture())
    assert good is None
    data = (tmp_path / 'in' / 'a.jpg').read_bytes()
    (tmp_path / 'in' / 'b.jpg').write_bytes(data[:len(data) // 2])
    (tmp_path / 'in' / 'c.webp').write_bytes(b'nonsense')
    assert fcn_seg(tmp_path / 'in', tmp_path / 'out') == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all('cannot read' in line for line in lines)
    assert files(tmp_path / 'out') == ['a_overlay.jpg']
    (tmp_path / 'in' / 'a.jpg').unlink()
    assert fcn_seg(tmp_path / 'in', tmp_path / 'out') == 1
    assert 'none of the 2 images' in capsys.readouterr().err


def test_folder_without_images(fcn_seg, tmp_path, capsys):
    assert fcn_seg(tmp_path, tmp_path / 'out') == 1
    assert 'holds no images' in capsys.readouterr().err


def test_folder_into_a_file(fcn_seg, image, tmp_path, capsys):
    assert fcn_seg(tmp_path / '*.png', image) == 1
    assert 'is a file' in capsys.readouterr().err


def test_failed_write_leaves_no_file(fcn_seg, tmp_path, image, capsys):
    (tmp_path / 'taken').write_text('a file where a folder is needed')
    assert fcn_seg(image, tmp_path / 'taken' / 'out.png') == 1
    error = capsys.readouterr().err
    assert error.startswith('fcn-seg: cannot write') and error.count('\n') == 1


def test_replacing_keeps_the_old_file_when_the_new_one_fails(tmp_path):
    path = tmp_path / 'file.png'
    path.write_text('old')
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        assert temporary.suffix == '.png'
        temporary.write_text('half')
        raise KeyboardInterrupt
    assert path.read_text() == 'old' and files(tmp_path) == ['file.png']
    with replacing(path) as temporary:
        temporary.write_text('new')
        assert path.read_text() == 'old'
    assert path.read_text() == 'new' and files(tmp_path) == ['file.png']
    with pytest.raises(MediaError, match='is a folder'), replacing(tmp_path):
        pass


def test_new_folder_appears_whole_or_not_at_all(tmp_path):
    with pytest.raises(RuntimeError), new_folder(tmp_path / 'bag') as folder:
        folder.mkdir()
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with new_folder(tmp_path / 'bag') as folder:
        folder.mkdir()
    assert [entry.name for entry in tmp_path.iterdir()] == ['bag']
    with pytest.raises(MediaError, match='exists already'), new_folder(tmp_path / 'bag'):
        pass


def test_exif_orientation_of_photographs_is_obeyed(tmp_path):
    from test_compressed import JPEG, turn_right
    (tmp_path / 'photo.jpg').write_bytes(turn_right(JPEG))
    assert sources.read_image(tmp_path / 'photo.jpg').shape == (64, 48, 3)


@pytest.mark.parametrize('name', ['city_%i.jpg', 'city_%d.jpg', 'city_%03d.jpg'])
def test_numbered_outputs_as_of_jetson_inference(fcn_seg, tmp_path, name):
    for index in (2, 10, 1):
        sinks.write_image(tmp_path / 'in' / f'city_{index}.png', picture(index))
    assert fcn_seg(tmp_path / 'in' / 'city_*.png', tmp_path / 'out' / name) == 0
    digits = '{:03d}' if '03' in name else '{}'
    assert files(tmp_path / 'out') == [f'city_{digits.format(i)}.jpg' for i in range(3)]
    # In the order of the numbers in the inputs' names.
    expected = FakeSegmenter()(picture(2)).overlay(0.5)
    assert np.abs(read(tmp_path / 'out' / f'city_{digits.format(1)}.jpg').astype(int)
                  - expected).mean() < 15


def test_pictures_have_the_names_of_the_topics_and_the_older_ones(fcn_seg, tmp_path, image):
    assert fcn_seg(image, tmp_path / 'new' / 'o.png', '--visualize', 'color_mask,class_mask') == 0
    assert fcn_seg(image, tmp_path / 'old' / 'o.png', '--visualize', 'mask,class-mask') == 0
    assert files(tmp_path / 'new') == ['o_class_mask.png', 'o_color_mask.png']
    assert files(tmp_path / 'old') == ['o_class-mask.png', 'o_mask.png']
    for new, old in zip(files(tmp_path / 'new'), files(tmp_path / 'old')):
        assert (tmp_path / 'new' / new).read_bytes() == (tmp_path / 'old' / old).read_bytes()
    assert Renderer.from_names(['mask', 'color_mask', 'overlay']).outputs == ('mask', 'overlay')


@pytest.mark.parametrize('suffix', ['.csv', '.json'])
def test_names_that_are_not_utf8_have_a_row(fcn_seg, tmp_path, suffix):
    (tmp_path / 'in').mkdir()
    name = os.fsdecode(b'stra\xdfe.png')
    sinks.write_image(tmp_path / 'in' / 'a.png', picture())
    (tmp_path / 'in' / 'a.png').rename(tmp_path / 'in' / name)
    assert fcn_seg(tmp_path / 'in', tmp_path / 'out', '--stats', tmp_path / f's{suffix}') == 0
    text = (tmp_path / f's{suffix}').read_text(encoding='utf-8')
    row = json.loads(text)['images'][0]['name'] if suffix == '.json' else \
        list(csv.reader(text.splitlines()))[1][0]
    assert row == f'{tmp_path}/in/stra\\xdfe.png'
