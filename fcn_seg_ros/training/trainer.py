"""The training loop: resumable at any step, on one or several devices."""

import contextlib
import copy
import math
from pathlib import Path
import random

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from .checkpoint import load_checkpoint, random_states, save_checkpoint, set_random_states
from .datasets import Cached, open_dataset
from .distillation import Distillation
from .distributed import join_processes
from .evaluate import evaluate, Evaluation, Predictor
from .folder import write_network
from .initial import initial_model
from .loader import EpochBatches, mix_seed, training_loader, TrainingSet
from .logs import Logs
from .losses import class_frequencies, log_class_weights, SegmentationLoss
from .optimization import Average, learning_rate, make_optimizer
from .teacher import make_teacher
from .transforms import training_transforms
from ..errors import TrainingError
from ..registry import IMAGENET_MEAN, IMAGENET_STD

_MAY_DIFFER = ('epochs', 'threads', 'workers', 'cache', 'evaluate_every', 'checkpoint_every')
"""Keys of a recipe that may change when a run is resumed, for its speed or length."""

_BEFORE_DISTILLATION = {'distill': 0.0, 'teacher': '', 'temperature': 2.0}
"""Values of keys that checkpoints of earlier releases lack."""


class _ForwardAll(nn.Module):
    """Both heads' scores, for DistributedDataParallel, which only knows ``forward``."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, batch):
        return self.model.forward_all(batch)


class Trainer:
    """
    One training run.

    :param recipe: :class:`recipe.Recipe`.
    :param output: folder of the run: checkpoints, ``best/`` and ``last/`` networks, logs.
    :param resume: go on from the folder's checkpoint if there is one; without it a folder
        with a checkpoint is refused.
    :param device: 'auto', 'cpu' or 'cuda'.
    :param progress: show progress bars.
    :raises FcnSegError: when data, weights or checkpoint do not fit the recipe.
    """

    def __init__(self, recipe, output, *, resume=False, device='auto', progress=True):
        self.recipe, self.output = recipe, Path(output)
        if recipe.threads:
            torch.set_num_threads(recipe.threads)
        state = load_checkpoint(self.output)
        if state and not resume:
            raise TrainingError(f'{self.output} holds a run already: resume it or choose another')
        self.processes = join_processes(device)
        self.device = self.processes.device
        self.progress = progress and self.processes.is_main
        if recipe.batch % self.processes.world:
            raise TrainingError(f'a batch of {recipe.batch} cannot be shared by '
                                f'{self.processes.world} processes')
        self._open_data()
        self._build()
        self.epoch, self.batch_in_epoch, self.step, self.best = 0, 0, 0, -1.0
        if state:
            self._restore(state)
        self.logs = Logs(self.output) if self.processes.is_main else None

    def _open_data(self):
        train, val = (open_dataset(s.name, s.root, s.split, include=s.include, exclude=s.exclude)
                      for s in (self.recipe.train, self.recipe.val))
        if train.classes.labels != val.classes.labels:
            raise TrainingError('training and validation data differ in their classes')
        if self.recipe.cache:
            train, val = Cached(train), Cached(val)
        self.classes, self.val = train.classes, val
        self.mix_ids = [self.classes.index(label) for label in self.recipe.augment.mix_labels]
        self.train_set = TrainingSet(
            train, training_transforms(self.recipe), self.recipe.augment.mix, self.mix_ids)
        processes = self.processes
        self.sampler = EpochBatches(len(train), self.recipe.batch // processes.world,
                                    self.recipe.seed, processes.rank, processes.world)
        if not len(self.sampler):
            raise TrainingError(
                f'{len(train)} pictures do not fill one batch of {self.recipe.batch}')
        self.loader = training_loader(self.train_set, self.sampler, self.recipe.workers,
                                      self.device.type == 'cuda')
        self.steps = self.recipe.epochs * len(self.sampler)

    def _build(self):
        recipe = self.recipe
        # Every process starts from the same weights, then goes on with noise of its own.
        _seed_all(recipe.seed)
        self.model = initial_model(recipe, self.classes)
        _seed_all(mix_seed(recipe.seed, self.processes.rank))
        self.model = self.model.to(device=self.device, memory_format=torch.channels_last)
        self.averaged = copy.deepcopy(self.model).requires_grad_(False) if recipe.ema \
            else self.model
        self.average = Average(self.model, self.averaged, recipe.ema) if recipe.ema else None
        weights = recipe.class_weights
        if weights == 'log':
            frequencies = class_frequencies(self.train_set.dataset, len(self.classes))
            weights = log_class_weights(frequencies)
        elif weights != 'none':
            if len(weights) != len(self.classes):
                raise TrainingError(
                    f'{len(weights)} class weights for {len(self.classes)} classes')
            weights = torch.tensor(weights)
        self.loss = SegmentationLoss(None if weights == 'none' else weights,
                                     recipe.label_smoothing, recipe.auxiliary, recipe.ohem,
                                     recipe.iou).to(self.device)
        self.distillation = Distillation(
            make_teacher(len(self.classes), recipe.teacher), recipe.temperature).to(
                device=self.device, memory_format=torch.channels_last) if recipe.distill else None
        self.optimizer = make_optimizer(recipe, self.model)
        self.scaler = torch.amp.GradScaler(
            self.device.type, enabled=recipe.amp == 'fp16' and self.device.type == 'cuda')
        self.network = _ForwardAll(self.model)
        if self.processes.world > 1:
            if self.device.type == 'cuda':
                self.network = nn.SyncBatchNorm.convert_sync_batchnorm(self.network)
            self.network = DistributedDataParallel(
                self.network, device_ids=[self.device] if self.device.type == 'cuda' else None)
        std = torch.tensor(IMAGENET_STD, device=self.device).view(3, 1, 1)
        self._scale = 1 / (255 * std)
        self._offset = -torch.tensor(IMAGENET_MEAN, device=self.device).view(3, 1, 1) / std

    def run(self):
        """
        Train until the recipe's last epoch.

        :returns: {'mean_iou': .., 'accuracy': .., 'best_mean_iou': ..} of the validation set.
        """
        scores = {}
        try:
            while self.epoch < self.recipe.epochs:
                loss = self._train_epoch()
                self.epoch, self.batch_in_epoch = self.epoch + 1, 0
                is_last = self.epoch == self.recipe.epochs
                scores = self._validate() \
                    if is_last or self.epoch % self.recipe.evaluate_every == 0 else {}
                self._record(loss, scores)
                self._save()
            return {**scores, 'best_mean_iou': self.best}
        finally:
            if self.logs:
                self.logs.close()
            self.processes.close()

    def _train_epoch(self):
        """Train the rest of the current epoch; return the mean loss."""
        self.sampler.set_position(self.epoch, self.batch_in_epoch)
        self.model.train()
        total, count = 0.0, 0
        with tqdm(total=len(self.sampler), initial=self.batch_in_epoch, leave=False,
                  disable=not self.progress,
                  desc=f'epoch {self.epoch + 1}/{self.recipe.epochs}') as bar:
            for images, labels in self.loader:
                loss = self._train_step(images.to(self.device), labels.to(self.device))
                total, count = total + loss, count + 1
                bar.update()
                bar.set_postfix(loss=f'{total / count:.3f}')
                every = self.recipe.checkpoint_every
                if every and self.step % every == 0 and self.batch_in_epoch < len(self.sampler):
                    self._save()
        return total / max(1, count)

    def _train_step(self, images, labels):
        rate = learning_rate(self.recipe, self.step, self.steps)
        for group in self.optimizer.param_groups:
            group['lr'] = rate
        batch = torch.addcmul(self._offset, images.float(), self._scale)
        batch = batch.contiguous(memory_format=torch.channels_last)
        with self._autocast():
            scores = self.network(batch)
        loss = self.loss(*scores, labels)
        if self.distillation:
            with self._autocast():
                loss = loss + self.recipe.distill * self.distillation(scores[0], batch)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.recipe.clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip, foreach=True)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.step, self.batch_in_epoch = self.step + 1, self.batch_in_epoch + 1
        if self.average:
            self.average.update(self.step)
        value = loss.item()
        if not math.isfinite(value) and not self.scaler.is_enabled():
            raise TrainingError(f'the loss is {value} at step {self.step}: lower the rate')
        return value

    def _autocast(self):
        kinds = {'fp16': torch.float16, 'bf16': torch.bfloat16}
        if self.recipe.amp == 'none' or (self.recipe.amp == 'fp16' and self.device.type == 'cpu'):
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, kinds[self.recipe.amp])

    def _validate(self):
        """Return the scores of the averaged weights; every process measures a share."""
        self.processes.share(self.averaged)  # batch-norm statistics differ until then
        width, height = self.recipe.size
        predictor = Predictor(self.averaged, self.classes, (height, width), IMAGENET_MEAN,
                              IMAGENET_STD, self.device)
        mine = range(self.processes.rank, len(self.val), self.processes.world)
        shown = tqdm(mine, desc='validation', leave=False, disable=not self.progress)
        result = evaluate(predictor, self.classes, self.val, thorough=False, indices=shown)
        counts = torch.from_numpy(result.confusion.counts).to(self.device)
        whole = Evaluation(self.classes, thorough=False)
        whole.confusion.counts = self.processes.add_up(counts).cpu().numpy()
        return whole.summary()

    def _record(self, loss, scores):
        if not self.processes.is_main:
            return
        if scores and scores['mean_iou'] > self.best:
            self.best = scores['mean_iou']
            self._export('best', scores)
        if scores:
            self._export('last', scores)
        self.logs.write(self.epoch, self.step, {
            'loss': loss, 'rate': self.optimizer.param_groups[0]['lr'], **scores})

    def _export(self, which, scores):
        write_network(self.output / which, self.averaged, name=self.recipe.name,
                      classes=self.classes, size=self.recipe.size, scores=scores)

    def _save(self):
        random_of_all = self.processes.gather(random_states())
        if self.processes.is_main:
            save_checkpoint(self.output, {
                'recipe': _plain(self.recipe.to_dict()), 'classes': list(self.classes.labels),
                'model': self.model.state_dict(),
                'average': self.averaged.state_dict() if self.average else None,
                'optimizer': self.optimizer.state_dict(), 'scaler': self.scaler.state_dict(),
                'random': random_of_all, 'epoch': self.epoch,
                'batch_in_epoch': self.batch_in_epoch, 'step': self.step, 'best': self.best})
        self.processes.wait()

    def _restore(self, state):
        now = _plain(self.recipe.to_dict())
        for key in now:
            # A checkpoint of before distillation goes on without it.
            before = state['recipe'].get(key, _BEFORE_DISTILLATION.get(key))
            if key not in _MAY_DIFFER and now[key] != before:
                raise TrainingError(f"cannot resume {self.output}: '{key}' of the recipe is "
                                    f'{now[key]}, the run had {before}')
        if state['classes'] != list(self.classes.labels):
            raise TrainingError(f'cannot resume {self.output}: the classes have changed')
        self.model.load_state_dict(state['model'])
        if self.average:
            self.averaged.load_state_dict(state['average'])
        self.optimizer.load_state_dict(state['optimizer'])
        self.scaler.load_state_dict(state['scaler'])
        self.epoch, self.batch_in_epoch = state['epoch'], state['batch_in_epoch']
        self.step, self.best = state['step'], state['best']
        if len(state['random']) == self.processes.world:
            set_random_states(state['random'][self.processes.rank])
        else:  # going on with more or fewer devices
            _seed_all(mix_seed(self.recipe.seed, self.processes.rank, self.step))


def _seed_all(seed):
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def _plain(value):
    """Return tuples as lists, so that a stored recipe compares equal to a fresh one."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
