"""Interpolation, argmax and confidence against torch's own, at full size."""

from fcn_seg_ros.inference import kernels
from fcn_seg_ros.inference.postprocess import classify
import pytest
import torch
import torch.nn.functional as F

SHAPES = [  # classes, grid, mask
    (21, (8, 16), (720, 1280)),
    (11, (36, 64), (288, 512)),
    (11, (72, 128), (720, 1280)),
    (12, (90, 120), (719, 961)),
    (5, (10, 18), (321, 487)),
    (21, (12, 16), (7, 5)),
    (3, (1, 1), (9, 9)),
    (2, (36, 64), (36, 64)),
    (255, (3, 4), (50, 77)),
    (1, (2, 3), (20, 30)),
]
TIE = 1e-4  # scores that differ by less may be ranked either way


def compiled(scores, size, kept, **kwargs):
    if kernels.load() is None:
        pytest.skip('the compiled kernel is not built here')
    ids, confidence = kernels.classify(scores.numpy(), size, kept.numpy(), threads=2, **kwargs)
    return torch.from_numpy(ids), None if confidence is None else torch.from_numpy(confidence)


@pytest.fixture(params=[classify, compiled], ids=['torch', 'compiled'])
def implementation(request):
    return request.param


def random_scores(classes, grid):
    """Return scores with smooth areas, sharp borders and wide ranges, as networks make."""
    generator = torch.Generator().manual_seed(classes)
    coarse = torch.randn(1, classes, 3, 4, generator=generator) * 12
    scores = F.interpolate(coarse, size=grid, mode='bilinear')
    return (scores + torch.randn(1, classes, *grid, generator=generator))[0]


@pytest.mark.parametrize('classes, grid, size', SHAPES)
def test_equals_full_size_interpolation(implementation, classes, grid, size):
    scores = random_scores(classes, grid)
    full = F.interpolate(scores[None], size=size, mode='bilinear', align_corners=False)[0]
    ids, confidence = implementation(scores, size, torch.arange(classes))
    best, expected = full.max(dim=0)
    second = full.scatter(0, expected[None], -torch.inf).amax(dim=0)
    decided = best - second > TIE
    assert ids.dtype == confidence.dtype == torch.uint8
    assert ids.shape == confidence.shape == size
    assert torch.equal(ids[decided], expected[decided].to(torch.uint8))
    probability = full.softmax(dim=0).amax(dim=0) * 255
    # Of 255: rounded; the compiled kernel leaves a quarter's worth of unlikely classes out.
    bound = 0.51 if implementation is classify else 0.76
    assert (confidence.float() - probability).abs().max() <= bound


def test_left_out_classes_are_out_of_the_softmax(implementation):
    scores = torch.tensor([5.0, 1.0, 0.0]).view(3, 1, 1).expand(3, 2, 2).contiguous()
    ids, confidence = implementation(scores, (4, 4), torch.tensor([1, 2]))
    assert ids.unique().tolist() == [1]
    assert confidence.unique().tolist() == [round(255 / (1 + 2.718281828 ** -1))]


def test_low_confidence_is_unknown(implementation):
    scores = torch.zeros(2, 1, 2)
    scores[0, 0, 1] = 10.0
    full = F.interpolate(scores[None], size=(1, 64), mode='bilinear', align_corners=False)[0]
    unsure = full.softmax(dim=0).amax(dim=0) < 0.9
    ids, _ = implementation(scores, (1, 64), torch.arange(2), min_confidence=0.9)
    assert unsure.any() and not unsure.all()
    assert torch.equal(ids == 255, unsure)


def test_confidence_is_optional(implementation):
    scores = random_scores(4, (5, 6))
    with_it, _ = implementation(scores, (50, 60), torch.arange(4))
    without, nothing = implementation(scores, (50, 60), torch.arange(4), want_confidence=False)
    assert nothing is None
    assert torch.equal(with_it, without)


def test_interpolation_invents_no_class():
    """Between class 0 and class 2 lies no class 1, as blended labels or colours would have."""
    scores = torch.full((3, 1, 2), -5.0)
    scores[0, 0, 0] = scores[2, 0, 1] = 5.0
    ids, _ = classify(scores, (8, 64), torch.arange(3))
    assert ids.unique().tolist() == [0, 2]


def test_nearest_repeats_the_grid():
    scores = random_scores(6, (4, 8))
    ids, _ = classify(scores, (40, 80), torch.arange(6), nearest=True)
    blocks = ids.view(4, 10, 8, 10)
    assert torch.equal(blocks[:, 0, :, 0].long(), scores.argmax(dim=0))
    assert (blocks == blocks[:, :1, :, :1]).all()
