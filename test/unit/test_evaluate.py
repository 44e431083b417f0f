"""Evaluation: class matching, the two ways to make masks, reports, costs."""

import argparse
import json
import math

import cv2
from fcn_seg_ros.cli import evaluate as command
from fcn_seg_ros.errors import DeviceError, TrainingError
from fcn_seg_ros.inference import kernels
from fcn_seg_ros.inference.devices import Device
from fcn_seg_ros.networks.classes import class_set_from_labels
from fcn_seg_ros.networks.model import FCNResNet18
from fcn_seg_ros.support.arrays import Size
from fcn_seg_ros.training.complexity import count_macs, count_parameters
from fcn_seg_ros.training.corruptions import CONDITIONS
from fcn_seg_ros.training.evaluate import evaluate, Evaluation, match_classes, Predictor
from fcn_seg_ros.training.folder import write_network
from fcn_seg_ros.training.report import confusion_picture, to_json, to_table
import numpy as np
from PIL import Image
import pytest
import torch
from torch import nn

MEAN, STD = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


class Brightness(nn.Module):
    """A stand-in network: class 1 where the mean of an 8 x 8 cell is bright, else class 0."""

    has_stride32_head = True

    def __init__(self, num_classes):
        super().__init__()
        self.num_classes = num_classes

    def forward_all(self, batch):
        cells = nn.functional.avg_pool2d(batch.mean(1, keepdim=True), 8)
        never = [torch.full_like(cells, -9)] * (self.num_classes - 2)
        other_head = [cells - 0.5, 0.5 - cells, *never]
        return torch.cat([0.5 - cells, cells - 0.5, *never], 1) * 20, torch.cat(other_head, 1) * 20


class Items:
    """A data set of one picture: dark left, bright right, the labels say so."""

    def __init__(self, labels=('dark', 'bright')):
        self.classes = class_set_from_labels(labels, 'test')
        self.labels = torch.zeros(32, 64, dtype=torch.uint8)
        self.labels[:, 28:] = labels.index('bright')

    def __len__(self):
        return 1

    def __getitem__(self, index):
        image = (self.labels == self.classes.index('bright')).to(torch.uint8) * 255
        return image.expand(3, -1, -1), self.labels


def run(dataset=None, labels=('dark', 'bright'), change=None, **options):
    classes = class_set_from_labels(labels, 'network')
    predictor = Predictor(Brightness(len(classes)), classes, Size(32, 64), MEAN, STD, **options)
    return evaluate(predictor, classes, dataset or Items(), change=change)


def test_interpolated_scores_beat_the_grid():
    smooth, blocks = run(), run(scores='grid')
    # The border at column 28 lies in the middle of a cell (24..31), whose scores are even:
    # interpolated it is found, on the grid the whole cell goes to the first class.
    assert smooth.confusion.accuracy > 0.98
    assert blocks.confusion.accuracy == pytest.approx(60 / 64)
    assert smooth.boundary.mean == 1.0 > blocks.boundary.mean


def test_the_other_head_is_used():
    assert run(head='stride32').confusion.accuracy < 0.02


def test_classes_are_matched_by_label():
    assert match_classes(class_set_from_labels(('a', 'B c', 'x'), 'n'),
                         class_set_from_labels(('b_c', 'A'), 'd'))[:4].tolist() == [1, 0, 2, 2]
    swapped = Items(('bright', 'dark'))
    assert run(swapped).confusion.accuracy > 0.98
    with pytest.raises(TrainingError, match='cannot predict 1 of the 2 classes .*: bright; '
                                            'it has dark, light'):
        run(labels=('dark', 'light'))


def test_void_is_never_predicted():
    class Data(Items):
        def __init__(self):
            super().__init__(('bright', 'void'))
    result = run(Data(), labels=('void', 'bright'))
    assert result.confusion.counts[:, 1].tolist() == [0, 0]


def test_changes_reach_the_network():
    result = run(change=lambda rgb, seed: 255 - rgb)
    assert result.confusion.accuracy < 0.02


@pytest.mark.parametrize('condition', CONDITIONS, ids=lambda c: c.name)
def test_conditions_change_pictures_repeatably(condition):
    rgb = np.random.default_rng(0).integers(0, 256, (40, 480, 3), np.uint8)
    before = rgb.copy()
    one, two = condition.change(rgb, 5), condition.change(rgb, 5)
    assert one.shape == rgb.shape and one.dtype == np.uint8
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(rgb, before)
    changed = not np.array_equal(one, rgb)
    assert changed == (condition.scale == 1)
    if 'brightness' in condition.name:
        assert one[rgb == 100][0] == (60 if '-' in condition.name else 140)


def test_report_as_json_and_table():
    result = run(Items(('dark', 'bright', 'absent')), labels=('dark', 'bright', 'absent'))
    # The stand-in never predicts 'absent': left out of the mean, null in JSON.
    data = json.loads(to_json(result, {'network': 'n'}, {'blur': result.summary()}))
    assert data['network'] == 'n' and data['classes']['absent']['iou'] is None
    assert data['mean_iou'] == pytest.approx(
        (data['classes']['dark']['iou'] + data['classes']['bright']['iou']) / 2, abs=1e-6)
    assert data['robustness']['blur']['mean_iou'] == data['mean_iou']
    table = to_table(result, {'blur': result.summary()})
    assert '| absent | - | - | - | 0.0000 |' in table and '| blur | 1.0000 |' in table


def test_confusion_picture_shades_cells():
    classes = class_set_from_labels(('a', 'b'), 'x')
    result = Evaluation(classes, thorough=False)
    result.update(np.array([[0, 0, 1, 1]], np.uint8), None, np.array([[0, 0, 0, 1]], np.uint8))
    picture = confusion_picture(result.confusion, classes, cell=40)
    corner = picture.shape[0] - 12 - 80, picture.shape[1] - 12 - 80
    shade = [[int(picture[corner[0] + 40 * r + 2, corner[1] + 40 * c + 2].sum())
              for c in range(2)] for r in range(2)]
    assert shade[1][0] == 765  # white: nothing
    assert shade[1][1] < shade[0][0] < shade[0][1] < 765  # 100 %, 67 %, 33 %


def test_command_on_a_folder(tmp_path, capsys):
    labels = ('floor', 'wall')
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data/classes.txt').write_text('wall\nfloor\n')
    for kind in ('images', 'labels'):
        (tmp_path / 'data/val' / kind).mkdir(parents=True)
        shape = (40, 50, 3) if kind == 'images' else (40, 50)
        Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / f'data/val/{kind}/1.png')
    torch.manual_seed(0)
    write_network(tmp_path / 'models/tiny', FCNResNet18(2, 'fcn8s'), name='tiny',
                  size=Size(64, 64), classes=class_set_from_labels(labels, 'x'))
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    common = ['evaluate', '--data', 'folder', '--root', str(tmp_path / 'data'), '--network',
              'tiny', '--models-dir', str(tmp_path / 'models'), '--device', 'cpu', '--quiet']
    args = parser.parse_args([
        *common, '--json', str(tmp_path / 'out.json'), '--png', str(tmp_path / 'out.png'),
        '--robustness'])
    args.run(args)
    assert 'mean IoU' in capsys.readouterr().out
    data = json.loads((tmp_path / 'out.json').read_text())
    assert data['classes']['wall']['pixels'] == 2000 and data['pictures'] == 1
    assert set(data['robustness']) == {c.name for c in CONDITIONS}
    assert data['macs'] == count_macs(2, 'fcn8s', Size(64, 64))
    assert cv2.imread(str(tmp_path / 'out.png')) is not None

    assert (data['engine'], data['precision']) in (
        ('onnxruntime', 'fp32'), ('torch', 'fp32'), ('torch', 'bf16'))  # what the node would take
    args = parser.parse_args([*common, '--device', 'cuda:7'])
    with pytest.raises(DeviceError, match="device 'cuda:7' is not available"):
        args.run(args)
    args = parser.parse_args([*common, '--precision', 'int8'])
    with pytest.raises(DeviceError, match='fcn-seg export --int8'):
        args.run(args)
    args = parser.parse_args([*common, '--precision', 'bf16', '--head', 'stride32'])
    with pytest.raises(TrainingError, match='not measured in bf16'):
        args.run(args)


def test_the_compiled_kernels_make_the_masks_as_in_the_node(monkeypatch):
    if not kernels.load():
        pytest.skip('the compiled kernels are not installed')
    seen = []
    compiled = kernels.classify

    def spy(*args, **options):
        seen.append(args)
        return compiled(*args, **options)
    monkeypatch.setattr(kernels, 'classify', spy)
    with_kernels = run()
    assert len(seen) == 1
    monkeypatch.setattr(kernels, 'load', lambda: None)
    without = run()
    assert len(seen) == 1
    assert (with_kernels.confusion.counts == without.confusion.counts).all()


class ConstantEngine:
    """Class 1 is more likely than class 0, everywhere; in the kind of array that is given."""

    device = Device('cpu')

    def __call__(self, batch):
        scores = np.tile(np.float32([1, 2])[None, :, None, None], (len(batch), 1, 2, 4))
        return scores if isinstance(batch, np.ndarray) else torch.from_numpy(scores)


def test_an_engine_takes_the_place_of_the_model():
    labels = ('a', 'b')
    predictor = Predictor(FCNResNet18(2, 'fcn32s'), class_set_from_labels(labels, 'x'),
                          Size(32, 64), MEAN, STD, engine=ConstantEngine())
    (ids, confidence), = predictor([np.zeros((9, 9, 3), np.uint8)], [Size(9, 9)])
    assert (ids == 1).all()
    assert (confidence == round(255 / (1 + math.exp(-1)))).all()


def test_cost_of_the_decoders():
    # ResNet-18's published 1.8 GMAC at 224 x 224 are nearly all in the part used here.
    base = count_macs(21, 'fcn32s', Size(224, 224))
    assert 1.75e9 < base < 1.9e9
    published = count_macs(21, 'fcn32s', Size(256, 512))
    costs = [count_macs(21, decoder, Size(256, 512))
             for decoder in ('fcn8s', 'ladder4', 'ladder2')]
    assert published < costs[0] < costs[1] < costs[2] <= 1.25 * published
    assert 11.1e6 < count_parameters(21, 'fcn32s') < 12e6
