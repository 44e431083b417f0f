"""
Augmentation: torchvision v2 transforms on uint8 pictures and label masks.

All randomness comes from torch's global generator, which the training set seeds
anew for every item (see ``loader``), so an item depends on nothing but its key.
Everything stays uint8 and the crop is taken first: together the transforms must cost
little beside a training step on the CPU.
"""

from collections.abc import Callable, Sequence
import math
from typing import Any

import torch
import torch.nn.functional as F
from torchvision import tv_tensors
from torchvision.transforms import v2

from .corruptions import through_jpeg
from .datasets import IGNORE
from .recipe import Recipe
from ..support.arrays import Size

PADDING = (124, 116, 104)
"""Colour beyond the picture's edge: ImageNet's mean, zero for the network."""


def uniform(low: float, high: float) -> float:
    """
    Return a float drawn evenly.

    :param low: lowest.
    :param high: highest.
    """
    return low + (high - low) * torch.rand(()).item()


def chance(probability: float) -> bool:
    """
    Return True as often as asked for.

    :param probability: 0 to 1.
    """
    return torch.rand(()).item() < probability


class RandomScaledCrop(v2.Transform):
    """
    Cut a window of random scale and place, and resize it to the crop's size.

    The scale is drawn log-evenly and is relative to the network's input: at 1.0 the
    objects have the size they have when the whole picture is stretched to ``size``.
    Where the window reaches beyond the picture, it is padded with :data:`PADDING`
    and :data:`IGNORE`.

    :param size: of the network's input.
    :param crop: of the result.
    :param scale: (lowest, highest) scale.
    :param aspect: the width's scale differs by a factor of at most e^aspect.
    :param max_ratio: windows of which one class covers more than this share are drawn
        again, up to ten times (as in MMSegmentation's ``cat_max_ratio``).
    :param focus: probability to centre the window on a pixel of a class that is
        drawn evenly from those in the picture, so that rare classes are seen more often.
    """

    def __init__(self, size: Size, crop: Size, scale: tuple[float, float] = (1.0, 1.0),
                 aspect: float = 0.0, max_ratio: float = 1.0, focus: float = 0.0) -> None:
        super().__init__()
        self.size, self.crop, self.scale = size, crop, scale
        self.aspect, self.max_ratio, self.focus = aspect, max_ratio, focus

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """
        Draw the window.

        :param flat_inputs: what is transformed; a Mask is among it.
        :returns: top, left, height and width in the picture's pixels.
        """
        mask = next(x for x in flat_inputs if isinstance(x, tv_tensors.Mask))
        rows, columns = mask.shape[-2:]
        scale = math.exp(uniform(math.log(self.scale[0]), math.log(self.scale[1])))
        stretch = math.exp(uniform(-self.aspect, self.aspect))
        width = max(1, round(columns * self.crop.width / (self.size.width * scale * stretch)))
        height = max(1, round(rows * self.crop.height / (self.size.height * scale)))
        for _ in range(10):
            top, left = self._place(mask, height, width)
            if self.max_ratio >= 1 or _largest_share(mask, top, left, height, width) \
                    <= self.max_ratio:
                break
        return {'top': top, 'left': left, 'height': height, 'width': width}

    def _place(self, mask: torch.Tensor, height: int, width: int) -> tuple[int, int]:
        # A window larger than the picture has a negative margin and begins before it.
        margins = mask.shape[-2] - height, mask.shape[-1] - width
        center = _random_class_pixel(mask) if chance(self.focus) else None
        if center is None:
            top, left = (round(uniform(min(0, m), max(0, m))) for m in margins)
        else:
            top, left = (min(max(spot, min(0, m)), max(0, m)) for spot, m in zip(
                (center[0] - height // 2, center[1] - width // 2), margins))
        return top, left

    def transform(self, inpt: torch.Tensor, params: dict[str, Any]) -> torch.Tensor:
        """
        Cut, resize and pad.

        :param inpt: an Image or a Mask.
        :param params: what :meth:`make_params` drew.
        """
        is_mask = isinstance(inpt, tv_tensors.Mask)
        rows, columns = inpt.shape[-2:]
        top, left, height, width = (params[k] for k in ('top', 'left', 'height', 'width'))
        y0, y1 = max(top, 0), min(top + height, rows)
        x0, x1 = max(left, 0), min(left + width, columns)
        out_h, out_w = self.crop
        # Where the visible part of the window lies in the result.
        v0, v1 = round((y0 - top) * out_h / height), round((y1 - top) * out_h / height)
        u0, u1 = round((x0 - left) * out_w / width), round((x1 - left) * out_w / width)
        part = inpt[..., y0:y1, x0:x1]
        if is_mask:
            part = F.interpolate(part[None, None], (v1 - v0, u1 - u0), mode='nearest-exact')[0, 0]
        else:
            part = v2.functional.resize_image(part, [v1 - v0, u1 - u0], antialias=True)
        if (v1 - v0, u1 - u0) != (out_h, out_w):
            if is_mask:
                whole = part.new_full((out_h, out_w), IGNORE)
            else:
                whole = part.new_tensor(PADDING).view(3, 1, 1).repeat(1, out_h, out_w)
            whole[..., v0:v1, u0:u1] = part
            part = whole
        return _wrap(part, inpt)


def _wrap(tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return a tensor as an Image or a Mask, as the other one is."""
    wrapped: torch.Tensor = tv_tensors.wrap(tensor, like=like)
    return wrapped


def _largest_share(mask: torch.Tensor, top: int, left: int, height: int, width: int) -> float:
    """Return the share of the window's most frequent class, from every fourth pixel."""
    part = mask[max(top, 0):top + height:4, max(left, 0):left + width:4]
    counts = torch.bincount(part.flatten(), minlength=256)[:IGNORE]
    return counts.max().item() / max(1, counts.sum().item())


def _random_class_pixel(mask: torch.Tensor) -> tuple[int, int] | None:
    """Return (row, column) of a pixel of an evenly drawn class, from every fourth pixel."""
    coarse = mask[::4, ::4]
    classes = torch.bincount(coarse.flatten(), minlength=256)[:IGNORE].nonzero()[:, 0]
    if not len(classes):
        return None
    wanted = classes[torch.randint(len(classes), ())]
    places = (coarse == wanted).nonzero()
    row, column = places[torch.randint(len(places), ())].tolist()
    return 4 * row, 4 * column


class ColorAffine(v2.Transform):
    """
    Change brightness, contrast, saturation, hue, white balance and gamma in one pass.

    All but gamma are linear in RGB, so they are multiplied into one 3 x 4 matrix: much
    cheaper than one pass each.  Contrast pivots about middle grey; hue turns the
    chroma plane of YIQ.

    :param brightness: gain within 1 -/+ this.
    :param contrast: gain within 1 -/+ this.
    :param saturation: gain within 1 -/+ this.
    :param hue: turn within -/+ this, 1.0 = full circle.
    :param balance: gain of each channel within 1 -/+ this.
    :param gamma: exponent within e^(-/+ this).
    :param grey: probability of no colour at all.
    """

    _transformed_types = (tv_tensors.Image,)
    _YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213],
                         [0.2115, -0.5227, 0.3112]])

    def __init__(self, brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0,
                 hue: float = 0.0, balance: float = 0.0, gamma: float = 0.0, grey: float = 0.0
                 ) -> None:
        super().__init__()
        self.brightness, self.contrast, self.saturation = brightness, contrast, saturation
        self.hue, self.balance, self.gamma, self.grey = hue, balance, gamma, grey

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """
        Draw the change.

        :param flat_inputs: what is transformed; nothing of it matters here.
        :returns: the matrix (float tensor 3 x 4, for values 0..1) and the exponent.
        """
        saturation = 0.0 if chance(self.grey) else uniform(
            1 - self.saturation, 1 + self.saturation)
        turn = 2 * math.pi * uniform(-self.hue, self.hue)
        c, s = saturation * math.cos(turn), saturation * math.sin(turn)
        chroma = torch.tensor([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
        gains = torch.tensor([uniform(1 - self.balance, 1 + self.balance) for _ in range(3)])
        contrast = uniform(1 - self.contrast, 1 + self.contrast)
        gain = uniform(1 - self.brightness, 1 + self.brightness) * contrast
        matrix = gain * torch.linalg.inv(self._YIQ) @ chroma @ self._YIQ @ torch.diag(gains)
        offset = torch.full((3, 1), 0.5 * (1 - contrast))
        return {'matrix': torch.cat([matrix, offset], 1),
                'gamma': math.exp(uniform(-self.gamma, self.gamma))}

    def transform(self, inpt: torch.Tensor, params: dict[str, Any]) -> torch.Tensor:
        """
        Apply the matrix, then the exponent.

        :param inpt: uint8 tensor 3 x H x W.
        :param params: what :meth:`make_params` drew.
        """
        matrix = params['matrix']
        pixels = torch.addmm(255 * matrix[:, 3:], matrix[:, :3], inpt.flatten(1).float())
        pixels.clamp_(0, 255)
        if self.gamma:
            table = (255 * torch.linspace(0, 1, 256).pow(params['gamma'])).round()
            pixels = table[pixels.to(torch.int32)]
        return _wrap(pixels.to(torch.uint8).view(inpt.shape), inpt)


class Noise(v2.Transform):
    """
    Add Gaussian noise, one sigma per picture.

    :param sigma: lowest and highest, grey levels 0..255.
    """

    _transformed_types = (tv_tensors.Image,)

    def __init__(self, sigma: tuple[float, float]) -> None:
        super().__init__()
        self.sigma = sigma

    def transform(self, inpt: torch.Tensor, params: dict[str, Any]) -> torch.Tensor:
        """
        Add the noise.

        :param inpt: uint8 tensor 3 x H x W.
        :param params: not used.
        """
        noisy = inpt.float() + torch.randn(inpt.shape) * uniform(*self.sigma)
        return _wrap(noisy.clamp_(0, 255).to(torch.uint8), inpt)


class Jpeg(v2.Transform):
    """
    Compress as JPEG and decompress.

    :param quality: lowest and highest, 1..100.
    """

    _transformed_types = (tv_tensors.Image,)

    def __init__(self, quality: tuple[int, int]) -> None:
        super().__init__()
        self.quality = quality

    def transform(self, inpt: torch.Tensor, params: dict[str, Any]) -> torch.Tensor:
        """
        Compress and decompress.

        :param inpt: uint8 tensor 3 x H x W.
        :param params: not used.
        """
        low, high = self.quality
        quality = int(torch.randint(low, high + 1, ()))
        rgb = through_jpeg(inpt.permute(1, 2, 0).numpy(), quality)
        return _wrap(torch.from_numpy(rgb).permute(2, 0, 1), inpt)


def training_transforms(recipe: Recipe) -> Callable[..., Any]:
    """
    Return the transforms of a training recipe.

    :param recipe: :class:`recipe.Recipe`.
    :returns: callable on (Image, Mask).
    """
    a = recipe.augment
    steps: list[v2.Transform] = [RandomScaledCrop(recipe.size, recipe.crop, a.scale, a.aspect,
                                                  a.max_ratio, a.focus)]
    if a.flip:
        steps.append(v2.RandomHorizontalFlip(a.flip))
    steps.append(ColorAffine(a.brightness, a.contrast, a.saturation, a.hue, a.balance, a.gamma,
                             a.grey))
    if a.blur:
        steps.append(v2.RandomApply([v2.GaussianBlur(5, a.blur_sigma)], a.blur))
    if a.noise:
        steps.append(v2.RandomApply([Noise(a.noise_sigma)], a.noise))
    if a.jpeg:
        steps.append(v2.RandomApply([Jpeg(a.jpeg_quality)], a.jpeg))
    composed: Callable[..., Any] = v2.Compose(steps)
    return composed


def mix_classes(image: torch.Tensor, labels: torch.Tensor, other_image: torch.Tensor,
                other_labels: torch.Tensor, pasted: Sequence[int]) -> None:
    """
    Paste the pixels of some classes of one picture onto another, in place (ClassMix-like).

    :param image: uint8 tensor 3 x H x W, changed.
    :param labels: uint8 tensor H x W, changed.
    :param other_image: as ``image``, where the pixels come from.
    :param other_labels: its labels.
    :param pasted: class ids to paste.
    """
    here = torch.isin(other_labels, torch.tensor(pasted, dtype=torch.uint8))
    image[:, here] = other_image[:, here]
    labels[here] = other_labels[here]
