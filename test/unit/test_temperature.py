"""Temperature scaling: what is fitted, what of a picture counts, and where it is kept."""

from pathlib import Path

from fcn_seg_ros.networks.model import FCNResNet18
from fcn_seg_ros.networks.registry import Network
from fcn_seg_ros.training.temperature import divide_scores, fit_temperature, labelled_scores
import pytest
import torch


@pytest.mark.parametrize('temperature', [0.5, 1.0, 2.5])
def test_the_temperature_that_labels_were_drawn_at_is_found(temperature):
    generator = torch.Generator().manual_seed(0)
    scores = 3 * torch.randn(20_000, 5, generator=generator)
    chances = (scores / temperature).softmax(1)
    labels = torch.multinomial(chances, 1, generator=generator)[:, 0]
    assert fit_temperature(scores, labels) == pytest.approx(temperature, rel=0.05)


def test_scores_that_are_always_right_or_always_wrong_stay_within_bounds():
    scores = torch.tensor([[5.0, 0.0], [4.0, 1.0]])
    assert fit_temperature(scores, torch.tensor([0, 0])) == pytest.approx(0.1, rel=0.01)
    assert fit_temperature(scores, torch.tensor([1, 1])) == pytest.approx(10, rel=0.01)


@pytest.fixture
def small():
    torch.manual_seed(0)
    return FCNResNet18(3, 'ladder4').eval()


@torch.no_grad()
def test_a_network_keeps_it_in_its_last_layer(small):
    batch = torch.randn(1, 3, 64, 64)
    before = small(batch)
    state = small.state_dict()
    divided = divide_scores(state, small.decoder, 1.25)
    assert [name for name in state if not torch.equal(state[name], divided[name])] == [
        'ladder.score.weight', 'ladder.score.bias']
    small.load_state_dict(divided)
    assert torch.allclose(small(batch), before / 1.25, atol=1e-5)


def test_pixels_without_a_class_do_not_count(small):
    class Pictures:
        def __getitem__(self, index):
            labels = torch.full((32, 48), 255, dtype=torch.uint8)
            labels[:16] = index
            return torch.full((3, 32, 48), 90, dtype=torch.uint8), labels

    network = Network(name='small', classes='', decoder='ladder4', folder=Path(), width=96,
                      height=64)
    scores, labels = labelled_scores(small, network, Pictures(), [1, 2])
    assert scores.shape == (2 * 4 * 12, 3)
    assert labels.bincount().tolist() == [0, 48, 48]
