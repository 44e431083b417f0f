"""
Fused GPU kernels in Triton: bytes to the network's input, and scores to class ids.

Each is one launch where PyTorch's operators take dozens, and reads and writes only what has
to move.  Both are custom operators (``torch.ops.fcn_seg.*``) with a fake implementation, so
that PyTorch can reason about, count and capture them.  What they compute is defined by
``postprocess.classify`` and ``preprocess.Preprocessor``, which the tests compare them with.

Importing this module needs Triton, which comes with PyTorch's CUDA wheels for x86-64.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl

_WIDTH, _HEIGHT = 64, 4
"""Pixels that one program of a kernel works on: neighbours, whose sources overlap."""


def _classify_kernel(scores: tl.tensor, kept: tl.tensor, ids: tl.tensor, confidence: tl.tensor,
                     count: tl.tensor, cells_y: tl.tensor, cells_x: tl.tensor,
                     height: tl.tensor, width: tl.tensor, stride_c: tl.tensor,
                     stride_y: tl.tensor, stride_x: tl.tensor, min_confidence: tl.tensor,
                     WANT_CONFIDENCE: tl.constexpr, NEAREST: tl.constexpr,  # noqa: N803
                     BLOCK_Y: tl.constexpr, BLOCK_X: tl.constexpr) -> None:  # noqa: N803
    """
    Write the best class of BLOCK_Y x BLOCK_X pixels and its probability x 255.

    The softmax's sum is kept relative to the best score so far and rescaled when a better
    one comes, so that one pass over the classes is enough.
    """
    y = tl.program_id(1) * BLOCK_Y + tl.arange(0, BLOCK_Y)
    x = tl.program_id(0) * BLOCK_X + tl.arange(0, BLOCK_X)
    source_y = (y.to(tl.float32) + 0.5) * (cells_y.to(tl.float32) / height.to(tl.float32))
    source_x = (x.to(tl.float32) + 0.5) * (cells_x.to(tl.float32) / width.to(tl.float32))
    if not NEAREST:
        source_y = tl.maximum(source_y - 0.5, 0.0)
        source_x = tl.maximum(source_x - 0.5, 0.0)
    top = tl.minimum(source_y.to(tl.int32), cells_y - 1)
    left = tl.minimum(source_x.to(tl.int32), cells_x - 1)
    bottom = tl.minimum(top + 1, cells_y - 1)
    right = tl.minimum(left + 1, cells_x - 1)
    share_y = (source_y - top.to(tl.float32))[:, None]
    share_x = (source_x - left.to(tl.float32))[None, :]
    row_top = (top * stride_y)[:, None]
    row_bottom = (bottom * stride_y)[:, None]
    column_left = (left * stride_x)[None, :]
    column_right = (right * stride_x)[None, :]
    inside = (y < height)[:, None] & (x < width)[None, :]

    best = tl.full((BLOCK_Y, BLOCK_X), float('-inf'), tl.float32)
    winner = tl.zeros((BLOCK_Y, BLOCK_X), tl.int32)
    total = tl.zeros((BLOCK_Y, BLOCK_X), tl.float32)
    for index in range(count):
        class_id = tl.load(kept + index).to(tl.int32)
        plane = scores + class_id.to(tl.int64) * stride_c
        value = tl.load(plane + row_top + column_left, mask=inside, other=0.0).to(tl.float32)
        if not NEAREST:
            upper_right = tl.load(plane + row_top + column_right,
                                  mask=inside, other=0.0).to(tl.float32)
            lower_left = tl.load(plane + row_bottom + column_left,
                                 mask=inside, other=0.0).to(tl.float32)
            lower_right = tl.load(plane + row_bottom + column_right,
                                  mask=inside, other=0.0).to(tl.float32)
            at_left = value + share_y * (lower_left - value)
            at_right = upper_right + share_y * (lower_right - upper_right)
            value = at_left + share_x * (at_right - at_left)
        higher = value > best
        highest = tl.where(higher, value, best)
        total = total * tl.exp(best - highest) + tl.exp(value - highest)
        winner = tl.where(higher, class_id, winner)
        best = highest

    probability = 1.0 / total
    winner = tl.where(probability < min_confidence, 255, winner)
    place = y.to(tl.int64)[:, None] * width + x[None, :]
    tl.store(ids + place, winner.to(tl.uint8), mask=inside)
    if WANT_CONFIDENCE:
        tl.store(confidence + place, (probability * 255.0 + 0.5).to(tl.uint8), mask=inside)


def _preprocess_kernel(pixels: tl.tensor, batch: tl.tensor, rows: tl.tensor, columns: tl.tensor,
                       stride_y: tl.tensor, stride_x: tl.tensor, stride_c: tl.tensor,
                       height: tl.tensor, width: tl.tensor, taps_y: tl.tensor, taps_x: tl.tensor,
                       scale_0: tl.tensor, scale_1: tl.tensor, scale_2: tl.tensor,
                       offset_0: tl.tensor, offset_1: tl.tensor, offset_2: tl.tensor,
                       BLOCK_Y: tl.constexpr, BLOCK_X: tl.constexpr) -> None:  # noqa: N803
    """
    Write BLOCK_Y x BLOCK_X pixels of the network's input: stretched, antialiased, normalised.

    The filter is PyTorch's antialiased bilinear one: a triangle as wide as two output pixels
    when shrinking, two input pixels when enlarging, cut at the border and normalised.
    """
    y = tl.program_id(1) * BLOCK_Y + tl.arange(0, BLOCK_Y)
    x = tl.program_id(0) * BLOCK_X + tl.arange(0, BLOCK_X)
    step_y = rows.to(tl.float32) / height.to(tl.float32)
    step_x = columns.to(tl.float32) / width.to(tl.float32)
    reach_y = tl.maximum(step_y, 1.0)
    reach_x = tl.maximum(step_x, 1.0)
    center_y = step_y * (y.to(tl.float32) + 0.5)
    center_x = step_x * (x.to(tl.float32) + 0.5)
    first_y = tl.maximum((center_y - reach_y + 0.5).to(tl.int32), 0)
    first_x = tl.maximum((center_x - reach_x + 0.5).to(tl.int32), 0)
    last_y = tl.minimum((center_y + reach_y + 0.5).to(tl.int32), rows)
    last_x = tl.minimum((center_x + reach_x + 0.5).to(tl.int32), columns)
    inside = (y < height)[:, None] & (x < width)[None, :]

    red = tl.zeros((BLOCK_Y, BLOCK_X), tl.float32)
    green = tl.zeros((BLOCK_Y, BLOCK_X), tl.float32)
    blue = tl.zeros((BLOCK_Y, BLOCK_X), tl.float32)
    total = tl.zeros((BLOCK_Y, BLOCK_X), tl.float32)
    for tap_y in range(taps_y):
        row = first_y + tap_y
        near_y = tl.abs((row.to(tl.float32) - center_y + 0.5) / reach_y)
        weight_y = tl.where(row < last_y, tl.maximum(1.0 - near_y, 0.0), 0.0)[:, None]
        start = (row.to(tl.int64) * stride_y)[:, None]
        for tap_x in range(taps_x):
            column = first_x + tap_x
            near_x = tl.abs((column.to(tl.float32) - center_x + 0.5) / reach_x)
            weight_x = tl.where(column < last_x, tl.maximum(1.0 - near_x, 0.0), 0.0)[None, :]
            weight = weight_y * weight_x
            used = inside & (weight > 0.0)
            place = pixels + start + (column * stride_x)[None, :]
            red += weight * tl.load(place, mask=used, other=0).to(tl.float32)
            green += weight * tl.load(place + stride_c, mask=used, other=0).to(tl.float32)
            blue += weight * tl.load(place + 2 * stride_c, mask=used, other=0).to(tl.float32)
            total += weight
    total = tl.where(total > 0.0, total, 1.0)  # outside, where nothing is stored
    place = batch + (y.to(tl.int64)[:, None] * width + x[None, :]) * 3
    # Rounded to a grey level first: the network was trained on pictures of 8 bits.
    red = tl.floor(red / total + 0.5) * scale_0 + offset_0
    green = tl.floor(green / total + 0.5) * scale_1 + offset_1
    blue = tl.floor(blue / total + 0.5) * scale_2 + offset_2
    tl.store(place, red.to(batch.dtype.element_ty), mask=inside)
    tl.store(place + 1, green.to(batch.dtype.element_ty), mask=inside)
    tl.store(place + 2, blue.to(batch.dtype.element_ty), mask=inside)


classify_kernel = triton.jit(_classify_kernel)
preprocess_kernel = triton.jit(_preprocess_kernel)


def _grid(height: int, width: int) -> tuple[int, int]:
    return triton.cdiv(width, _WIDTH), triton.cdiv(height, _HEIGHT)


def _classify(scores: torch.Tensor, kept: torch.Tensor, height: int, width: int,
              min_confidence: float, want_confidence: bool, nearest: bool) -> torch.Tensor:
    masks = torch.empty((2 if want_confidence else 1, height, width), dtype=torch.uint8,
                        device=scores.device)
    classify_kernel[_grid(height, width)](
        scores, kept, masks[0], masks[-1], len(kept), *scores.shape[1:], height, width,
        *scores.stride(), min_confidence, WANT_CONFIDENCE=want_confidence, NEAREST=nearest,
        BLOCK_Y=_HEIGHT, BLOCK_X=_WIDTH)
    return masks


def _preprocess(pixels: torch.Tensor, height: int, width: int, scale: Sequence[float],
                offset: Sequence[float], dtype: torch.dtype) -> torch.Tensor:
    rows, columns = pixels.shape[:2]
    batch = torch.empty((1, height, width, 3), dtype=dtype, device=pixels.device)
    preprocess_kernel[_grid(height, width)](
        pixels, batch, rows, columns, *pixels.stride(), height, width,
        _taps(rows, height), _taps(columns, width), *scale, *offset,
        BLOCK_Y=_HEIGHT, BLOCK_X=_WIDTH)
    return batch


def _taps(source: int, target: int) -> int:
    """Return how many source pixels the filter of one target pixel covers at most."""
    return int(2 * max(source / target, 1.0)) + 2


# PyTorch 2.4 (JetPack 6) cannot tell these from the annotations of the functions.
_classify_op = torch.library.custom_op(
    'fcn_seg::classify', _classify, mutates_args=(),
    schema='(Tensor scores, Tensor kept, SymInt height, SymInt width, float min_confidence, '
           'bool want_confidence, bool nearest) -> Tensor')
_preprocess_op = torch.library.custom_op(
    'fcn_seg::preprocess', _preprocess, mutates_args=(),
    schema='(Tensor pixels, SymInt height, SymInt width, float[] scale, float[] offset, '
           'ScalarType dtype) -> Tensor')


def _fake_classify(scores: torch.Tensor, kept: torch.Tensor, height: int, width: int,
                   min_confidence: float, want_confidence: bool, nearest: bool) -> torch.Tensor:
    return scores.new_empty((2 if want_confidence else 1, height, width), dtype=torch.uint8)


def _fake_preprocess(pixels: torch.Tensor, height: int, width: int, scale: Sequence[float],
                     offset: Sequence[float], dtype: torch.dtype) -> torch.Tensor:
    return pixels.new_empty((1, height, width, 3), dtype=dtype)


_classify_op.register_fake(_fake_classify)
_preprocess_op.register_fake(_fake_preprocess)


def classify(scores: torch.Tensor, kept: torch.Tensor, size: tuple[int, int], *,
             want_confidence: bool = True, min_confidence: float = 0.0,
             nearest: bool = False) -> torch.Tensor:
    """
    Do in one launch what :func:`fcn_seg_ros.inference.postprocess.classify` does.

    :param scores: float32 or float16 tensor C x h x w on a GPU, any strides.
    :param kept: int64 tensor of the class ids that may be predicted, ascending, there too.
    :param size: (height, width) of the mask, pixels.
    :param want_confidence: whether the probabilities are wanted as well.
    :param min_confidence: pixels whose probability is below it become 255, unknown.
    :param nearest: take each pixel's scores from the nearest cell instead of interpolating.
    :returns: uint8 tensor 2 x H x W on the GPU, class ids and probability x 255, or 1 x H x W
        without the latter: one piece, so that one copy brings it to the host.
    """
    masks: torch.Tensor = _classify_op(scores, kept, *size, min_confidence, want_confidence,
                                       nearest)
    return masks


def preprocess(pixels: torch.Tensor, size: tuple[int, int], scale: Sequence[float],
               offset: Sequence[float], dtype: torch.dtype) -> torch.Tensor:
    """
    Do in one launch what ``Preprocessor`` does with a picture that is on the GPU.

    :param pixels: uint8 tensor H x W x 3 on a GPU, RGB, any strides.
    :param size: (height, width) of the network's input, pixels.
    :param scale: what a grey level is multiplied by, per channel.
    :param offset: what is added then, per channel.
    :param dtype: float32 or float16, what the network computes in.
    :returns: tensor 1 x 3 x h x w in channels_last memory format, on the GPU.
    """
    batch: torch.Tensor = _preprocess_op(pixels, *size, list(scale), list(offset), dtype)
    return batch.permute(0, 3, 1, 2)
