"""What a network learns from the pictures that ``fcn-seg frames`` picks, and from every n-th."""

from pathlib import Path

from fcn_seg_ros.inference.preprocess import Preprocessor
from fcn_seg_ros.networks.loading import load_installed
from fcn_seg_ros.networks.model import FCNResNet18, interpolate_scores
from fcn_seg_ros.offline.shots import read_shots, recording_names
from fcn_seg_ros.segmenter import Segmenter
from fcn_seg_ros.selection.candidates import Observer
from fcn_seg_ros.selection.choice import choose
from fcn_seg_ros.selection.probing import Prober
from fcn_seg_ros.training.datasets import open_dataset
from fcn_seg_ros.training.metrics import ConfusionMatrix
import garden
import numpy as np
from safetensors.torch import save_file
import torch
import torch.nn.functional as F
import yaml

COUNTS = (12, 24)
ITERATIONS, DECAY = 60, 1e-4  # of the classifier whose lessons are compared
STRIDE = 8
STEPS, BATCH, RATE = 60, 5, 5e-3  # of the present network's head


class World:
    """
    Recordings with labels, and pictures to test on.

    :ivar start: path of the present network's network.yaml.
    :ivar sources: recordings, as ``fcn-seg frames`` takes them.
    :ivar pool: {recording: [(picture, labels)]} of all frames of these, in order; a function
        each, since equal frames are the same.
    :ivar rate: of looking at them, a second.
    :ivar tests: [(picture, labels)].
    """

    def __init__(self, start, sources, pool, tests, *, labels, rate=1.0):
        network, self._backbone, _, _ = load_installed(str(start))
        self.start, self.sources, self.pool, self.rate = start, sources, pool, rate
        self.labels = labels
        self._size = network.height, network.width
        self._prepare = Preprocessor(self._size, network.mean, network.std)
        self._candidates = []
        self._segmenter = Segmenter(str(start), device='cpu', engine='torch', precision='fp32')
        self._known = {}
        self._tests = [(self._features(picture), truth) for picture, truth in tests]

    def picked(self, count, seed):
        """Return the frames that ``fcn-seg frames`` picks: [(recording, number)]."""
        if not self._candidates:
            prober = Prober(Observer(self._segmenter), self.rate)
            for source, name in zip(self.sources, recording_names(self.sources)):
                for shot in read_shots(source, name, prober.wanted):
                    prober.look_at(shot)
            self._candidates = prober.candidates()
        return [(self._candidates[index].recording, self._candidates[index].number)
                for index in choose(self._candidates, count, seed)]

    def every_nth(self, count, seed):
        """Return as many frames at even distances over all recordings, from some first one on."""
        frames = [(name, number) for name, part in self.pool.items()
                  for number in range(len(part))]
        first = np.random.default_rng(seed).random()
        return [frames[int((first + place) * len(frames) / count)] for place in range(count)]

    def learn(self, frames, seed):
        """Return what a linear classifier of the backbone's features learns from some frames."""
        inputs, targets = (torch.cat(parts) for parts in zip(*(
            self._pair(*frame) for frame in frames)))
        mean, std = inputs.mean(0), inputs.std(0) + 1e-4
        torch.manual_seed(seed)
        layer = torch.nn.Linear(inputs.shape[1], len(self.labels))
        optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=ITERATIONS,
                                      line_search_fn='strong_wolfe')
        known = targets.sum(1)

        def closure():
            optimizer.zero_grad()
            likely = F.log_softmax(layer((inputs - mean) / std), 1)
            loss = -(likely * targets).sum() / known.sum() + DECAY * (layer.weight ** 2).sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        return lambda rows: layer((rows - mean) / std)

    def mean_iou(self, classify):
        """Return the mIoU on the pictures to test on, of what :meth:`learn` returned."""
        matrix = ConfusionMatrix(len(self.labels))
        with torch.no_grad():
            for rows, truth in self._tests:
                height, width = (-(-side // STRIDE) for side in self._size)
                scores = classify(rows).T.reshape(1, -1, height, width)
                mask = interpolate_scores(scores, truth.shape).argmax(1)[0]
                matrix.update(mask.numpy().astype(np.uint8), truth)
        return matrix.mean_iou

    def _pair(self, recording, number):
        """Return a frame's features, N x K, and the share of each class in each, N x C."""
        key, read = self.pool[recording][number]
        if key not in self._known:
            picture, truth = read()
            one_hot = F.one_hot(torch.from_numpy(truth).long(), 256)[..., :len(self.labels)]
            rows = self._features(picture)
            height, width = (-(-side // STRIDE) for side in self._size)
            shares = F.adaptive_avg_pool2d(one_hot.permute(2, 0, 1).float(), (height, width))
            self._known[key] = rows, shares.reshape(len(self.labels), -1).T
        return self._known[key]

    @torch.no_grad()
    def _features(self, picture):
        """Return the features of each cell of the finest of the strides 8 to 32, N x K."""
        strides = self._backbone.eval().features(self._prepare([picture]))[2:]
        size = strides[0].shape[2:]
        return torch.cat([interpolate_scores(stride, size) for stride in strides],
                         1)[0].flatten(1).T


def train_head(backbone, pairs, classes, seed):
    """
    Return a network whose backbone is as it was and whose decoders are trained anew.

    :param backbone: a network.
    :param pairs: [(its features at strides 8 to 32, class ids)].
    :param classes: number of classes.
    :param seed: of weights and batches.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = FCNResNet18(classes, 'fcn8s')
    model.load_state_dict({name: tensor for name, tensor in backbone.state_dict().items()
                           if name.startswith('backbone.')}, strict=False)
    decoders = (model.classifier, model.skip16, model.skip8, model.up16, model.up8)
    parameters = [p for decoder in decoders for p in decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, STEPS)
    features = [torch.cat(stride) for stride in zip(*(some for some, _ in pairs))]
    truths = torch.stack([truth for _, truth in pairs])
    model.eval()
    for decoder in decoders:
        decoder.train()
    model.features = lambda known: known  # worked out once
    for _ in range(STEPS):
        some = rng.integers(0, len(truths), min(BATCH, len(truths)))
        scores, _ = model.forward_all([None, None, *(stride[some] for stride in features)])
        loss = F.cross_entropy(interpolate_scores(scores, truths.shape[1:]), truths[some],
                               ignore_index=255)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def garden_world(folder, seed, *, stops):
    """
    Return three drives through gardens, and two others to test on.

    :param folder: for bags and the present network, which has learned from five pictures.
    :param seed: other gardens for each.
    :param stops: whether the robot stands now and then, half of the time in all.
    """
    rng = np.random.default_rng(seed)
    sources, pool = [], {}
    for drive in range(3):
        steps = list(range(60))
        for place in rng.choice(60, 3, replace=False) if stops else ():
            steps += [int(place)] * 20
        steps.sort()
        number = 10 * seed + drive
        sources.append(garden.write_bag(folder / f'drive{number}', number, steps))
        pool[f'drive{number}'] = [
            ((number, step), lambda number=number, step=step: garden.scene(number, step)[::2])
            for step in steps]
    tests = [garden.scene(10 * seed + drive, step)[::2]
             for drive in (3, 4) for step in range(0, 60, 3)]
    return World(_garden_network(folder / 'start', seed), sources, pool, tests,
                 labels=garden.LABELS, rate=garden.RATE)


def _garden_network(folder, seed):
    network, bundled, _, _ = load_installed('fcn-resnet18-street')
    prepare = Preprocessor((garden.HEIGHT, garden.WIDTH), network.mean, network.std)
    pairs = []
    for place in range(5):
        picture, _, truth = garden.scene(10 * seed + 5, 12 * place)
        with torch.no_grad():
            pairs.append((bundled.eval().features(prepare([picture]))[2:],
                          torch.from_numpy(truth).long()))
    model = train_head(bundled, pairs, len(garden.LABELS), seed)
    del model.features
    folder.mkdir()
    save_file(model.state_dict(), folder / 'model.safetensors')
    (folder / 'network.yaml').write_text(yaml.safe_dump({
        'name': 'start', 'width': garden.WIDTH, 'height': garden.HEIGHT, 'decoder': 'fcn8s',
        'mean': list(network.mean), 'std': list(network.std),
        'classes': [{'label': label, 'color': [40 * index, 90, 0], 'role': 'unknown'}
                    for index, label in enumerate(garden.LABELS)]}))
    return folder / 'network.yaml'


def camvid_world(root, start):
    """
    Return CamVid's two drives by day, one picture a second, and its val split to test on.

    :param root: of the data set.
    :param start: the present network, which should know the drive at dusk alone.
    """
    data = open_dataset('camvid', root, 'train', exclude=['0001TP_*'])
    val = open_dataset('camvid', root, 'val')
    pool = {'images': [], 'images-copy1': []}
    for index, (path, _) in enumerate(data.items):
        pool['images' if path.name.startswith('0006R0') else 'images-copy1'].append(
            (index, lambda index=index: _pair(data[index])))
    folder = Path(root) / 'train' / 'images'
    return World(start, [str(folder / '0006R0_*'), str(folder / '0016E5_*')], pool,
                 [_pair(val[index]) for index in range(0, len(val), 5)],
                 labels=data.classes.labels)


def _pair(item):
    picture, labels = item
    small = F.interpolate(labels[None, None].float(), size=(144, 192), mode='nearest')
    return picture.permute(1, 2, 0).numpy(), small[0, 0].numpy().astype(np.uint8)


def compare(world, seed):
    """
    Yield (number of labels, 'frames' or 'every n-th', mIoU of what was learned).

    :param world: where.
    :param seed: of picking and learning.
    """
    for count in COUNTS:
        for way, frames in (('frames', world.picked(count, seed)),
                            ('every n-th', world.every_nth(count, seed))):
            assert len(frames) == count
            yield count, way, world.mean_iou(world.learn(frames, seed))
