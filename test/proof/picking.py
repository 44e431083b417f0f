"""What a classifier learns from the pictures that ``fcn-seg frames`` picks, and from others."""

from pathlib import Path

from fcn_seg_ros.inference.preprocess import Preprocessor
from fcn_seg_ros.networks.loading import load_installed
from fcn_seg_ros.networks.model import interpolate_scores
from fcn_seg_ros.offline.shots import read_shots, recording_names
from fcn_seg_ros.segmenter import Segmenter
from fcn_seg_ros.selection.candidates import Observer
from fcn_seg_ros.selection.choice import choose
from fcn_seg_ros.selection.probing import Prober
from fcn_seg_ros.training.datasets import open_dataset
from fcn_seg_ros.training.metrics import ConfusionMatrix
import garden
import numpy as np
import torch
import torch.nn.functional as F

COUNTS = (12, 24)
"""Numbers of pictures that are labelled."""

_ITERATIONS, _DECAY = 60, 1e-4  # of the classifier
_STRIDE = 8
_PARTS = 5
_DRIVES, _PLACES, _TURNS, _STAYS = 3, 60, 3, 20


class World:
    """
    Recordings with labels, and pictures to test on.

    A whole training for each choice would take hours.  So what is compared is a linear
    classifier of the present network's features, which has one best solution: what it learns
    depends on the pictures alone.

    :param start: network.yaml of the present network: it picks, and its features are used.
    :param sources: recordings, as ``fcn-seg frames`` takes them.
    :param pool: {recording: [(key, function that returns picture and labels)]} of all frames of
        these, in order; equal frames have equal keys.
    :param tests: [(picture, labels)].
    :param labels: the classes' names, by class id.
    :param rate: pictures a second that are looked at.
    """

    def __init__(self, start, sources, pool, tests, *, labels, rate=1.0):
        network, self._model, _, _ = load_installed(start)
        self._prepare = Preprocessor((network.height, network.width), network.mean, network.std)
        self._grid = tuple(-(-side // _STRIDE) for side in (network.height, network.width))
        self._pool, self._classes = pool, len(labels)
        self._known = {}
        segmenter = Segmenter(start, device='cpu', engine='torch', precision='fp32')
        prober = Prober(Observer(segmenter), rate)
        for source, name in zip(sources, recording_names(sources)):
            for shot in read_shots(source, name, prober.wanted):
                prober.look_at(shot)
        self._all_candidates = prober.candidates()
        self._candidates = self._all_candidates
        self._frames = self._all_frames = [
            (name, number) for name, part in pool.items() for number in range(len(part))]
        self._tests = [(self._features(picture), truth) for picture, truth in tests]

    def leave_out(self, number):
        """
        Leave out a part of each recording: what there is to pick from is another each time.

        :param number: of the part, the first fifth is 0.
        """
        def stays(recording, frame):
            length = len(self._pool[recording])
            return not number * length // _PARTS <= frame < (number + 1) * length // _PARTS
        self._frames = [frame for frame in self._all_frames if stays(*frame)]
        self._candidates = [candidate for candidate in self._all_candidates
                            if stays(candidate.recording, candidate.number)]

    def picked(self, count, seed):
        """Return the frames that ``fcn-seg frames`` picks: [(recording, number)]."""
        return [(self._candidates[index].recording, self._candidates[index].number)
                for index in choose(self._candidates, count, seed)]

    def every_nth(self, count, seed):
        """Return as many frames at even distances over all recordings, from some first one on."""
        first = np.random.default_rng(seed).random()
        return [self._frames[int((first + place) * len(self._frames) / count)]
                for place in range(count)]

    def mean_iou(self, frames, seed):
        """
        Return the mIoU on the pictures to test on of what some frames teach.

        :param frames: [(recording, number)], to learn from.
        :param seed: of the classifier's first weights.
        """
        classify = self._learn(frames, seed)
        matrix = ConfusionMatrix(self._classes)
        with torch.no_grad():
            for rows, truth in self._tests:
                scores = classify(rows).T.reshape(1, -1, *self._grid)
                mask = interpolate_scores(scores, truth.shape).argmax(1)[0]
                matrix.update(mask.numpy().astype(np.uint8), truth)
        return matrix.mean_iou

    def _learn(self, frames, seed):
        """Return the classifier, a function of features N x K to scores N x C."""
        inputs, targets = (torch.cat(parts) for parts in zip(*(
            self._example(*frame) for frame in frames)))
        mean, std = inputs.mean(0), inputs.std(0) + 1e-4
        torch.manual_seed(seed)
        layer = torch.nn.Linear(inputs.shape[1], self._classes)
        optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=_ITERATIONS,
                                      line_search_fn='strong_wolfe')

        def closure():
            optimizer.zero_grad()
            likely = F.log_softmax(layer((inputs - mean) / std), 1)
            loss = -(likely * targets).sum() / targets.sum()
            loss = loss + _DECAY * (layer.weight ** 2).sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        return lambda rows: layer((rows - mean) / std)

    def _example(self, recording, number):
        """Return a frame's features, N x K, and the share of each class in each cell, N x C."""
        key, read = self._pool[recording][number]
        if key not in self._known:
            picture, truth = read()
            one_hot = F.one_hot(torch.from_numpy(truth).long(), 256)[..., :self._classes]
            shares = F.adaptive_avg_pool2d(one_hot.permute(2, 0, 1).float(), self._grid)
            self._known[key] = self._features(picture), shares.flatten(1).T
        return self._known[key]

    @torch.no_grad()
    def _features(self, picture):
        """Return the features of each cell of the finest of the strides 8 to 32, N x K."""
        strides = self._model.features(self._prepare([picture]))[2:]
        return torch.cat([interpolate_scores(stride, self._grid) for stride in strides],
                         1)[0].flatten(1).T


def garden_world(folder, start, first, *, stops):
    """
    Return three drives through gardens, and two others to test on.

    :param folder: for the recordings.
    :param start: network.yaml of the present network.
    :param first: number of the first of the drives.
    :param stops: whether the robot stands now and then, half of the time in all.
    """
    rng = np.random.default_rng(first)
    sources, pool = [], {}
    for drive in range(first, first + _DRIVES):
        steps = list(range(_PLACES))
        for place in rng.choice(_PLACES, _TURNS, replace=False) if stops else ():
            steps += [int(place)] * _STAYS
        steps.sort()
        sources.append(garden.write_bag(folder / f'drive{drive}', drive, steps))
        pool[f'drive{drive}'] = [((drive, step), lambda place=(drive, step): _scene(*place))
                                 for step in steps]
    tests = [_scene(drive, step) for drive in range(first + _DRIVES, first + _DRIVES + 2)
             for step in range(0, _PLACES, 3)]
    return World(start, sources, pool, tests, labels=garden.LABELS, rate=garden.RATE)


def _scene(drive, step):
    picture, _, truth = garden.scene(drive, step)
    return picture, truth


def camvid_world(root, start):
    """
    Return CamVid's two drives by day, one picture a second, and its val split to test on.

    :param root: of the data set.
    :param start: network.yaml of the present network, which should know the drive at dusk alone.
    """
    data = open_dataset('camvid', root, 'train', exclude=['0001TP_*'])
    val = open_dataset('camvid', root, 'val')
    folder = Path(root) / 'train' / 'images'
    sources = [str(folder / f'{drive}_*') for drive in ('0006R0', '0016E5')]
    pool = {name: [] for name in recording_names(sources)}
    for index, (path, _) in enumerate(data.items):
        drive = next(place for place, source in enumerate(sources) if path.match(source))
        pool[list(pool)[drive]].append((index, lambda index=index: _small(data[index])))
    return World(start, sources, pool, [_small(val[index]) for index in range(0, len(val), 5)],
                 labels=data.classes.labels)


def _small(item):
    picture, labels = item
    small = F.interpolate(labels[None, None].float(), size=(144, 192), mode='nearest')
    return picture.permute(1, 2, 0).numpy(), small[0, 0].numpy().astype(np.uint8)
