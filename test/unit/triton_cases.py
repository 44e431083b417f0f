"""
Compare the Triton kernels with PyTorch's operators in Triton's interpreter, on the CPU.

Run by test_cuda_kernels.py in a process of its own, since TRITON_INTERPRET counts when Triton
is imported.  Prints one JSON object: {name of the case: what differs}.
"""

from itertools import product
import json
import os

os.environ['TRITON_INTERPRET'] = '1'

from fcn_seg_ros.inference.cuda import kernels  # noqa: E402
from fcn_seg_ros.inference.postprocess import classify  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SCALE = [1 / (255 * std) for std in STD]
OFFSET = [-mean / std for mean, std in zip(MEAN, STD)]
# Classes, cells of the scores, pixels of the mask: odd, enlarged, equal, shrunk, one cell.
SCORES = ((5, (3, 7), (17, 33)), (21, (8, 16), (37, 70)), (11, (9, 16), (9, 16)),
          (3, (12, 10), (7, 5)), (2, (1, 1), (5, 6)))
# Pixels of the picture and of the network's input: shrunk, enlarged, equal, both.
PICTURES = (((37, 53), (16, 24)), ((20, 21), (32, 48)), ((16, 24), (16, 24)), ((64, 9), (16, 32)))


def compare_classes(scores, kept, size, **options):
    """Return how the kernel's ids and confidence differ from those of postprocess.classify."""
    masks = kernels.classify(scores, kept, size, **options)
    ids, confidence = classify(scores.float(), size, kept, **options)
    best = F.interpolate(scores.float()[kept][None], size=size, **(
        {'mode': 'nearest-exact'} if options['nearest'] else
        {'mode': 'bilinear', 'align_corners': False}))[0].topk(2, dim=0).values
    sure = best[0] - best[1] >= 1e-4
    return {'wrong ids': int((masks[0] != ids)[sure].sum()),
            'sure': float(sure.float().mean()),
            'confidence': int((masks[1].int() - confidence.int()).abs().max()),
            'unknown': float((ids == 255).float().mean())}


def compare_input(picture, size, dtype):
    """Return by how many grey levels the kernel's input differs from PyTorch's, at most."""
    ours = kernels.preprocess(picture, size, SCALE, OFFSET, dtype)
    planes = F.interpolate(picture.permute(2, 0, 1)[None].float(), size=size, mode='bilinear',
                           antialias=True).round()
    scale, offset = torch.tensor(SCALE).view(3, 1, 1), torch.tensor(OFFSET).view(3, 1, 1)
    difference = (ours.float() - (planes * scale + offset)).abs() / scale
    return {'levels': float(difference.max()), 'wrong': float((difference > 0.2).float().mean()),
            'channels_last': ours.is_contiguous(memory_format=torch.channels_last),
            'shape': list(ours.shape), 'dtype': str(ours.dtype)}


def main():
    """Print what differs in every case."""
    torch.manual_seed(0)
    results = {}
    for (classes, cells, size), dtype, nearest in product(
            SCORES, (torch.float32, torch.float16), (False, True)):
        scores = torch.randn(classes, *cells).mul(3).to(dtype)
        # As a network in channels_last memory format gives them.
        scores = scores.permute(1, 2, 0).contiguous().permute(2, 0, 1)
        kept = torch.tensor([index for index in range(classes) if index != 1 or classes < 3])
        results[f'classify {classes} {cells} {size} {dtype} {nearest}'] = compare_classes(
            scores, kept, size, min_confidence=0.4, nearest=nearest)
    for (rows, columns), size in PICTURES:
        for dtype in (torch.float32, torch.float16):
            picture = torch.randint(0, 256, (rows, columns + 3, 3), dtype=torch.uint8)
            results[f'preprocess {rows}x{columns} {size} {dtype}'] = compare_input(
                picture[:, 1:-2].flip(2), size, dtype)
    only_ids = kernels.classify(torch.randn(3, 4, 4), torch.arange(3), (8, 8),
                                want_confidence=False)
    results['without confidence'] = {'shape': list(only_ids.shape)}
    print(json.dumps(results))


if __name__ == '__main__':
    main()
