"""
Temperature scaling: a network's confidence brought to how often it is right.

After C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017: all scores are
divided by one number, which changes no class.  A network keeps it in its last layer.
"""

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F

from .datasets import IGNORE, LabelledPictures
from ..inference.preprocess import Preprocessor
from ..networks.decoders import DECODERS
from ..networks.model import FCNResNet18, interpolate_scores
from ..networks.registry import Network

_STEP = 4
"""Every so many rows and columns a pixel is looked at: neighbours say the same."""

_RANGE = (0.1, 10.0)


def labelled_scores(model: FCNResNet18, network: Network, pictures: LabelledPictures,
                    indices: Iterable[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Return scores and labels of a sixteenth of the pixels of pictures.

    :param model: in eval mode, on the CPU.
    :param network: its entry: input size, mean and standard deviation.
    :param pictures: with labels.
    :param indices: which of them.
    :returns: float tensor N x C and int64 tensor N, of pixels that have a class.
    """
    preprocess = Preprocessor(network.size, network.mean, network.std)
    found: list[tuple[torch.Tensor, torch.Tensor]] = []
    for index in indices:
        image, labels = pictures[index]
        rgb = image.permute(1, 2, 0).numpy()
        with torch.no_grad():
            full = interpolate_scores(model(preprocess([rgb])),
                                      (labels.shape[0], labels.shape[1]))
        scores = full[0, :, ::_STEP, ::_STEP].flatten(1).T
        chosen = labels[::_STEP, ::_STEP].flatten()
        known = chosen != IGNORE
        found.append((scores[known], chosen[known].long()))
    return torch.cat([scores for scores, _ in found]), torch.cat([ids for _, ids in found])


def fit_temperature(scores: torch.Tensor, labels: torch.Tensor) -> float:
    """
    Return the temperature at which the labels are likeliest.

    The negative log-likelihood is convex in 1 / temperature: its slope, the mean score that the
    network expects less that of the labels, is brought to zero by halving.

    :param scores: float tensor N x C.
    :param labels: int64 tensor N.
    :returns: between 0.1 and 10; above 1 for a network that is too sure.
    """
    scores = scores.double()
    said = scores.gather(1, labels[:, None]).mean()
    low, high = (1 / limit for limit in reversed(_RANGE))
    for _ in range(40):
        middle = (low + high) / 2
        expected = (F.softmax(scores * middle, 1) * scores).sum(1).mean()
        low, high = (low, middle) if expected > said else (middle, high)
    return 2 / (low + high)


def divide_scores(weights: Mapping[str, torch.Tensor], decoder: str, temperature: float
                  ) -> dict[str, torch.Tensor]:
    """
    Return weights whose decoder's scores are divided by a temperature, in its last layer.

    :param weights: of a network, by name; they are left as they are.
    :param decoder: a key of :data:`.DECODERS` whose last layer is its own, as the ladders' is.
    :param temperature: above 0.
    """
    last = DECODERS[decoder].last
    names = (last, last.replace('.weight', '.bias'))
    return {name: (value.float() / temperature).to(value.dtype) if name in names else value
            for name, value in weights.items()}
