"""Augmentation: pictures and labels move together, values are what they should be."""

from fcn_seg_ros.support.arrays import Size
from fcn_seg_ros.training.datasets import IGNORE
from fcn_seg_ros.training.losses import log_class_weights, SegmentationLoss, soft_iou_loss
from fcn_seg_ros.training.recipe import parse_recipe
from fcn_seg_ros.training.transforms import (
    ColorAffine, Jpeg, mix_classes, Noise, PADDING, RandomScaledCrop, training_transforms)
import pytest
import torch
import torch.nn.functional as F
from torchvision import tv_tensors


def scene(height=60, width=80):
    """Return a picture whose grey level tells the class, and its labels, in vertical bars."""
    labels = (torch.arange(width) // 20).to(torch.uint8).expand(height, width).clone()
    image = (labels * 60).expand(3, -1, -1).clone()
    return tv_tensors.Image(image), tv_tensors.Mask(labels)


@pytest.mark.parametrize('seed', range(8))
def test_crop_moves_picture_and_labels_together(seed):
    torch.manual_seed(seed)
    crop = RandomScaledCrop(Size(60, 80), Size(24, 32), scale=(0.25, 2.0), aspect=0.2, focus=0.5)
    image, labels = crop(*scene())
    assert image.shape == (3, 24, 32) and labels.shape == (24, 32)
    assert image.dtype == labels.dtype == torch.uint8
    inside = labels != IGNORE
    shown = (image[0].float() / 60).round()
    # Away from the smoothed bars' borders the grey level and the label agree.
    agree = (shown == labels)[inside].float().mean()
    assert inside.any() and agree > 0.85
    assert (image[:, ~inside] == torch.tensor(PADDING)[:, None]).all()


def test_crop_at_scale_one_is_an_exact_cut():
    torch.manual_seed(1)
    image, labels = RandomScaledCrop(Size(60, 80), Size(24, 32))(*scene())
    assert torch.equal(image[0].as_subclass(torch.Tensor), labels.as_subclass(torch.Tensor) * 60)


def test_small_scale_pads():
    torch.manual_seed(2)
    _, labels = RandomScaledCrop(Size(60, 80), Size(60, 80), scale=(0.5, 0.5))(*scene())
    assert (labels != IGNORE).sum() == 40 * 30


def test_max_ratio_avoids_one_class_crops():
    def largest(max_ratio):
        torch.manual_seed(3)
        crop = RandomScaledCrop(Size(60, 80), Size(12, 16), max_ratio=max_ratio)
        return [torch.bincount(crop(*scene())[1].flatten()).max().item() / 192
                for _ in range(40)]
    assert sum(share == 1 for share in largest(1.0)) > 5
    assert sum(share == 1 for share in largest(0.8)) == 0


def test_focus_finds_rare_classes():
    def hits(focus):
        torch.manual_seed(4)
        image, labels = scene(200, 200)
        labels[:] = 0
        labels[100:104, 48:52] = 5
        crop = RandomScaledCrop(Size(200, 200), Size(20, 20), focus=focus)
        return sum((crop(image, labels)[1] == 5).any().item() for _ in range(60))
    assert hits(0.0) < 10 and hits(1.0) > 15


def test_color_changes_by_hand():
    image = tv_tensors.Image(torch.tensor([[[100]], [[50]], [[200]]], dtype=torch.uint8))
    plain = ColorAffine()
    torch.testing.assert_close(plain(image).int(), image.int(), atol=1, rtol=0)
    torch.manual_seed(3)
    grey = ColorAffine(grey=1.0)(image)
    luma = 0.299 * 100 + 0.587 * 50 + 0.114 * 200
    assert (grey.float() - luma).abs().max() <= 1
    bright = ColorAffine(brightness=0.5)(image).float()
    gain = bright[0] / 100
    assert 0.5 <= gain.item() <= 1.5 and gain.item() != pytest.approx(1, abs=0.02)
    assert (bright[1] / 50).item() == pytest.approx(gain.item(), abs=0.03)
    labels = tv_tensors.Mask(torch.full((1, 1), 7, dtype=torch.uint8))
    assert ColorAffine(brightness=0.9, gamma=0.5)(image, labels)[1].item() == 7


def test_hue_keeps_luma():
    torch.manual_seed(0)
    image = tv_tensors.Image(torch.tensor([[[120]], [[90]], [[100]]], dtype=torch.uint8))
    turned = ColorAffine(hue=0.5)(image).float().flatten()
    weights = torch.tensor([0.299, 0.587, 0.114])
    assert turned @ weights == pytest.approx((image.float().flatten() @ weights).item(), abs=1)
    assert not torch.allclose(turned, image.float().flatten(), atol=3)


def test_noise_and_jpeg():
    torch.manual_seed(0)
    image = tv_tensors.Image(torch.full((3, 64, 64), 128, dtype=torch.uint8))
    assert Noise((10, 10))(image).float().std().item() == pytest.approx(10, rel=0.1)
    steep = image.clone()
    steep[0, :, ::2] = 255
    squeezed = Jpeg((5, 5))(tv_tensors.Image(steep))
    assert squeezed.shape == steep.shape and not torch.equal(squeezed, steep)
    # Channels keep their order: red stays the brightest.
    assert squeezed[0].float().mean() > squeezed[2].float().mean() + 20


def test_mix_pastes_only_the_wanted_classes():
    image, labels = torch.zeros(3, 2, 2, dtype=torch.uint8), torch.zeros(2, 2, dtype=torch.uint8)
    other = torch.full((3, 2, 2), 9, dtype=torch.uint8)
    other_labels = torch.tensor([[1, 2], [255, 3]], dtype=torch.uint8)
    mix_classes(image, labels, other, other_labels, [1, 3])
    assert labels.tolist() == [[1, 0], [0, 3]]
    assert image[0].tolist() == [[9, 0], [0, 9]]


def test_a_recipe_builds_its_transforms():
    source = {'name': 'camvid'}
    recipe = parse_recipe({
        'name': 'x', 'data': {'train': source, 'val': dict(source)},
        'network': {'size': [80, 60], 'crop': [64, 32]},
        'augment': {'blur': 1.0, 'noise': 1.0, 'jpeg': 1.0, 'flip': 1.0},
        'optimizer': {'rate': 0.1}, 'run': {'epochs': 1, 'batch': 2}})
    image, labels = training_transforms(recipe)(*scene())
    assert image.shape == (3, 32, 64) and image.dtype == torch.uint8
    # Flipped: ids fall from left to right.
    assert labels[0, 0] > labels[0, -1]


def test_log_weights_are_one_on_average():
    shares = torch.tensor([0.7, 0.29, 0.01])
    weights = log_class_weights(shares)
    assert (weights * shares).sum().item() == pytest.approx(1)
    assert weights[2] > weights[1] > weights[0]
    expected = torch.log(torch.tensor(1.8)) / torch.log(torch.tensor(1.11))
    assert (weights[2] / weights[0]).item() == pytest.approx(expected.item(), rel=1e-5)


def test_loss_is_the_weighted_cross_entropy():
    torch.manual_seed(0)
    scores, weights = torch.randn(2, 3, 8, 8), torch.tensor([1.0, 2.0, 0.5])
    labels = torch.randint(0, 3, (2, 8, 8), dtype=torch.uint8)
    labels[0, :3] = IGNORE
    expected = F.cross_entropy(scores, labels.long(), weights, ignore_index=IGNORE)
    torch.testing.assert_close(SegmentationLoss(weights)(scores, scores, labels), expected)
    # An own auxiliary head adds its share.
    both = SegmentationLoss(weights, auxiliary=0.5)(scores, scores.clone(), labels)
    coarse = SegmentationLoss(weights, auxiliary=0.5)._cross_entropy(
        F.interpolate(scores, (2, 2), mode='bilinear'), labels[:, 2::4, 2::4].long(), 0.0)
    torch.testing.assert_close(both, expected + 0.5 * coarse)


def test_hard_example_mining_takes_the_worst_pixels():
    scores = torch.zeros(1, 2, 1, 4)
    scores[0, 0] = torch.tensor([4.0, 0.0, -4.0, -9.0])
    labels = torch.tensor([[[0, 0, 0, IGNORE]]], dtype=torch.uint8)
    losses = F.cross_entropy(scores, torch.zeros(1, 1, 4, dtype=torch.long), reduction='none')
    mined = SegmentationLoss(ohem=1 / 3)(scores, scores, labels)
    torch.testing.assert_close(mined, losses[0, 0, 2])


def test_soft_iou_by_hand():
    # Probabilities 0.8 / 0.2 and, the other way round, 0.2 / 0.8; the last pixel is ignored.
    scores = torch.tensor([[0.8, 0.2, 0.2], [0.2, 0.8, 0.8]]).log().view(1, 2, 1, 3)
    labels = torch.tensor([[[0, 0, IGNORE]]])
    # Class 0: hits 0.8 + 0.2, union 1.0 + 2 - 1.0; class 1 has no labelled pixel.
    assert soft_iou_loss(scores, labels).item() == pytest.approx(1 - 1.0 / 2.0)
    labels[0, 0, 1] = 1
    # Both classes: hits 0.8, union 1.0 + 1 - 0.8.
    assert soft_iou_loss(scores, labels).item() == pytest.approx(1 - 0.8 / 1.2)


@pytest.mark.parametrize('options', [{}, {'ohem': 0.5}, {'iou': 1.0}])
def test_a_batch_without_labels_gives_zero_not_nan(options):
    scores = torch.zeros(1, 2, 4, 4, requires_grad=True)
    labels = torch.full((1, 4, 4), IGNORE, dtype=torch.uint8)
    loss = SegmentationLoss(**options)(scores, scores, labels)
    loss.backward()
    assert loss.item() == 0 and (scores.grad == 0).all()
