"""Soft labels: a student learns from its teacher alone, and the teacher stays as it is."""

import copy

from fcn_seg_ros.training.datasets import IGNORE
from fcn_seg_ros.training.distillation import Distillation, soft_label_loss, taught_pixels
import pytest
import torch
from torch import nn


def network():
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(),
                         nn.Conv2d(8, 3, 1))


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
    teacher, student = network(), network()
    nn.init.normal_(teacher[-1].weight, std=3)
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
        distillation(student(batch), batch, unlabelled).backward()
        optimizer.step()
    assert first < 0.6 and agreement() > 0.75
    assert all(torch.equal(before[key], value) for key, value in teacher.state_dict().items())
