"""A student learns from its teacher alone, labels and features; the teacher stays as it is."""

import copy

from fcn_seg_ros.training.datasets import IGNORE
from fcn_seg_ros.training.distillation import Distillation, soft_label_loss, taught_pixels
from fcn_seg_ros.training.student import imitated, imitation_loss, Student
import pytest
from thin_fcn import ThinFCN
import torch
from torch import nn


class Network(nn.Module):
    """A teacher or student of one scale."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.score = nn.Conv2d(8, 3, 1)

    def features(self, batch):
        return (self.body(batch),)

    def decode(self, features):
        return self.score(features[0])

    def forward(self, batch):
        return self.decode(self.features(batch))


def test_equal_scores_cost_nothing_and_others_what_the_formula_says():
    scores = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert soft_label_loss(scores, scores).item() == pytest.approx(0, abs=1e-6)
    student = torch.tensor([0.0, 0.0]).view(1, 2, 1, 1)
    teacher = torch.tensor([2.0, 0.0]).view(1, 2, 1, 1)
    p = torch.tensor([1.0, 0.0]).softmax(0)  # at temperature 2
    expected = 4 * (p * (p * 2).log()).sum()
    assert soft_label_loss(student, teacher, 2.0).item() == pytest.approx(expected.item())


def test_the_teachers_grid_may_be_finer():
    student = torch.zeros(1, 3, 4, 4, requires_grad=True)
    soft_label_loss(student, torch.randn(1, 3, 8, 8)).backward()
    assert student.grad.abs().sum() > 0


def test_a_teacher_is_followed_where_it_is_right_and_where_nobody_has_labelled():
    targets = torch.tensor([[[[9.0, 0], [0, 9]], [[0, 9], [9, 0]]]])  # classes 0 1 / 1 0
    labels = torch.tensor([[0, 0], [IGNORE, 1]], dtype=torch.uint8)
    labels = labels.repeat_interleave(2, 0).repeat_interleave(2, 1)[None]
    counts = taught_pixels(targets, labels)
    assert counts.tolist() == [[[True, False], [True, False]]]
    student = torch.zeros(1, 2, 2, 2, requires_grad=True)
    loss = soft_label_loss(student, targets, counts=counts)
    loss.backward()
    assert ((student.grad != 0).any(1) == counts).all()
    whole = soft_label_loss(student.detach(), targets)
    assert loss.item() == pytest.approx(whole.item() / 2)


def test_a_student_learns_from_unlabelled_pictures():
    torch.manual_seed(0)
    teacher, student = Network(), Network()
    nn.init.normal_(teacher.score.weight, std=3)
    distillation = Distillation(teacher).train()
    before = copy.deepcopy(teacher.state_dict())
    optimizer = torch.optim.Adam(student.parameters(), 0.02)
    unseen = torch.randn(4, 3, 16, 16)
    unlabelled = torch.full((4, 16, 16), IGNORE, dtype=torch.uint8)

    @torch.no_grad()
    def agreement():
        student.eval()
        share = (student(unseen).argmax(1) == teacher(unseen).argmax(1)).float().mean().item()
        student.train()
        return share

    first = agreement()
    for _ in range(150):
        batch = torch.randn(4, 3, 16, 16)
        optimizer.zero_grad()
        distillation(student(batch), [], batch, unlabelled).backward()
        optimizer.step()
    assert first < 0.6 and agreement() > 0.75
    assert all(torch.equal(before[key], value) for key, value in teacher.state_dict().items())


def test_features_of_another_scale_and_offset_are_the_same_features():
    feature = torch.randn(2, 5, 8, 8, generator=torch.Generator().manual_seed(0))
    scale = torch.arange(1.0, 6).view(1, 5, 1, 1)
    assert imitation_loss([feature], (3 + scale * feature,)).item() == pytest.approx(0, abs=1e-4)
    assert imitation_loss([feature], (-feature,)).item() == pytest.approx(2, abs=1e-3)
    own, wanted = feature, feature.roll(1, 0) + 0.3 * feature
    r = [torch.corrcoef(torch.stack([own[:, k].flatten(), wanted[:, k].flatten()]))[0, 1].item()
         for k in range(5)]
    assert imitation_loss([own], (wanted,)).item() == pytest.approx(1 - sum(r) / 5, abs=1e-3)


def test_a_student_imitates_features_without_any_label():
    torch.manual_seed(0)
    teacher, model = ThinFCN(3), ThinFCN(3)
    teacher.decode = None  # scores are not asked for
    student = Student(model, teacher).train()
    distillation = Distillation(teacher, weight=0, imitate=1.0)
    optimizer = torch.optim.Adam(student.parameters(), 0.01)
    labels = torch.zeros(4, 64, 64, dtype=torch.uint8)
    unseen = torch.randn(4, 3, 64, 64)

    @torch.no_grad()
    def distance():
        student.eval()
        features = imitated(teacher.features(unseen))
        value = imitation_loss(student(unseen)[1], features).item()
        student.train()
        return value

    first = distance()
    for _ in range(60):
        batch = torch.randn(4, 3, 64, 64)
        scores, projected = student(batch)
        optimizer.zero_grad()
        distillation(scores[0], projected, batch, labels).backward()
        optimizer.step()
    assert first > 0.5 and distance() < first / 2
    assert [p.out_channels for p in student.projections] == [8, 16, 16, 16]
    assert Student(model)(unseen)[1] == []
