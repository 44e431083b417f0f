"""The compiled pre-processing against PyTorch's, byte for byte."""

from fcn_seg_ros.inference import kernels
from fcn_seg_ros.inference.preprocess import Preprocessor
import numpy as np
import pytest

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
STEP = 1 / (255 * max(STD))  # how far two grey levels are apart, at the least
SIZES = [  # picture, network
    ((720, 1280), (288, 512)),
    ((1080, 1921), (320, 321)),
    ((288, 512), (288, 512)),
    ((300, 512), (288, 512)),  # of the same width
    ((288, 600), (288, 512)),  # of the same height
    ((100, 131), (288, 512)),  # smaller
    ((33, 21), (48, 64)),
    ((5, 3), (32, 32)),
    ((1, 1), (32, 48)),
    ((1500, 2000), (32, 33)),
]
VIEWS = {
    'rgb': lambda image: image,
    'bgr': lambda image: np.ascontiguousarray(image[..., ::-1])[..., ::-1],
    'rgba': lambda image: np.dstack((image, image[..., :1]))[..., :3],
    'bgra': lambda image: np.dstack((image[..., ::-1], image[..., :1]))[..., 2::-1],
    'padded rows': lambda image: np.hstack((image, image[:, :7]))[:, :image.shape[1]],
    'upside down': lambda image: np.ascontiguousarray(image[::-1])[::-1],
    'column by column': np.asfortranarray,
}


@pytest.fixture(autouse=True)
def library():
    if kernels.load() is None:
        pytest.skip('the compiled kernel is not built here')


def picture(size):
    return np.random.default_rng(size[0]).integers(0, 256, (*size, 3), np.uint8)


def preprocessed(image, size, threads=1):
    out = np.full((3, *size), np.nan, np.float32)
    kernels.preprocess(image, out, kernels.lookup_tables(MEAN, STD), threads=threads)
    return out


def expected(image, size):
    return Preprocessor(size, MEAN, STD)([image])[0].numpy()


@pytest.mark.parametrize('threads', [1, 3, 50])
@pytest.mark.parametrize(('size', 'to'), SIZES)
def test_equals_torch(size, to, threads):
    image = picture(size)
    difference = np.abs(preprocessed(image, to, threads) - expected(image, to)).max()
    assert difference < 1e-3 * STEP


@pytest.mark.parametrize('view', VIEWS)
@pytest.mark.parametrize(('size', 'to'), [SIZES[0], SIZES[2], SIZES[6]])
def test_any_strides(view, size, to):
    image = picture(size)
    seen = VIEWS[view](image)
    assert np.array_equal(seen, image)
    assert np.array_equal(preprocessed(seen, to), preprocessed(image, to))


def test_extremes_stay_in_range():
    for level in (0, 255):
        image = np.full((600, 800, 3), level, np.uint8)
        flat = preprocessed(image, (64, 96))
        assert np.array_equal(flat, np.broadcast_to(flat[:, :1, :1], flat.shape))
