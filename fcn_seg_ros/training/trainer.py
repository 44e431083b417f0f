"""The training loop: resumable at any step, on one or several devices."""

import copy
import logging
import math
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from .card import model_card, without_folders
from .checkpoint import (
    load_checkpoint, random_states, save_checkpoint, seed_all, set_random_states)
from .datasets import Cached, Items, LabelledPictures, open_dataset
from .datasets.unlabelled import Joined, UnlabelledPictures
from .distillation import load_distillation
from .distributed import join_processes
from .estimate import in_words, seconds_per_step
from .evaluate import evaluate, Evaluation, Predictor
from .folder import write_network
from .initial import initial_model
from .loader import EpochBatches, mix_seed, training_loader, TrainingSet
from .logs import Logs
from .losses import class_weights, SegmentationLoss
from .number_format import recipe_autocast, say_if_fp32
from .optimization import Average, learning_rate, make_optimizer
from .recipe import Recipe
from .student import Student
from .summary import look_at
from .transforms import training_transforms
from ..errors import TrainingError
from ..networks.packed import CARD_FILE
from ..networks.registry import IMAGENET_MEAN, IMAGENET_STD
from ..support.atomic_files import write_file

_log = logging.getLogger(__name__)

_MAY_DIFFER = ('epochs', 'threads', 'workers', 'cache', 'evaluate_every', 'checkpoint_every',
               'patience')
"""Keys of a recipe that may change when a run is resumed, for its speed or length."""


class Trainer:
    """
    One training run.

    :param recipe: what to do.
    :param output: folder of the run: checkpoints, ``best/`` and ``last/`` networks, logs.
    :param resume: go on from the folder's checkpoint if there is one; without it a folder
        with a checkpoint is refused.
    :param device: 'auto', 'cpu', 'cuda' or 'cuda:N'.
    :param progress: show progress bars.
    :raises FcnSegError: when data, weights or checkpoint do not fit the recipe.
    """

    def __init__(self, recipe: Recipe, output: str | Path, *, resume: bool = False,
                 device: str = 'auto', progress: bool = True) -> None:
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
        self.stale = 0  # evaluations since the best one
        if state:
            self._restore(state)
        self.logs = Logs(self.output) if self.processes.is_main else None

    def _open_data(self) -> None:
        opened = [open_dataset(s.name, s.root, s.split, include=s.include, exclude=s.exclude)
                  for s in (self.recipe.train, self.recipe.val)]
        if opened[0].classes.labels != opened[1].classes.labels:
            raise TrainingError('training and validation data differ in their classes')
        unlabelled = UnlabelledPictures(self.recipe.unlabelled) if self.recipe.unlabelled \
            else None
        self._data_text = look_at(opened[0], opened[1], unlabelled.paths if unlabelled else (),
                                  say=self.processes.is_main, progress=self.progress)
        train: LabelledPictures
        val: LabelledPictures
        train, val = map(Cached, opened) if self.recipe.cache else opened
        self.classes, self.train, self.val = train.classes, train, val
        # Unlabelled pictures are many and may be large: they are read anew each time.
        pictures: Items = Joined(train, unlabelled) if unlabelled else train
        self.mix_ids = [self.classes.index(label) for label in self.recipe.augment.mix_labels]
        self.train_set = TrainingSet(
            pictures, training_transforms(self.recipe), self.recipe.augment.mix, self.mix_ids)
        processes = self.processes
        self.sampler = EpochBatches(len(pictures), self.recipe.batch // processes.world,
                                    self.recipe.seed, processes.rank, processes.world)
        if not len(self.sampler):
            raise TrainingError(
                f'{len(pictures)} pictures do not fill one batch of {self.recipe.batch}')
        self.loader = training_loader(self.train_set, self.sampler, self.recipe.workers,
                                      self.device.type == 'cuda')
        self.steps = self.recipe.epochs * len(self.sampler)

    def _build(self) -> None:
        recipe = self.recipe
        # Every process starts from the same weights, then goes on with noise of its own.
        seed_all(recipe.seed)
        self.model = initial_model(recipe, self.classes)
        self.distillation = load_distillation(recipe, self.classes) if recipe.teacher else None
        teacher = self.distillation.teacher if self.distillation and recipe.imitate else None
        self.student = Student(self.model, teacher)
        seed_all(mix_seed(recipe.seed, self.processes.rank))
        self.student.to(self.device).to(memory_format=torch.channels_last)
        if self.distillation:
            self.distillation.to(self.device).to(memory_format=torch.channels_last)
        self.averaged = copy.deepcopy(self.model).requires_grad_(False) if recipe.ema \
            else self.model
        self.average = Average(self.model, self.averaged, recipe.ema) if recipe.ema else None
        weights = class_weights(recipe.class_weights, self.train, len(self.classes))
        self.loss = SegmentationLoss(weights, recipe.label_smoothing, recipe.auxiliary,
                                     recipe.ohem, recipe.iou).to(self.device)
        self.optimizer = make_optimizer(recipe, self.student)
        self.scaler = torch.amp.GradScaler(
            self.device.type, enabled=recipe.amp == 'fp16' and self.device.type == 'cuda')
        self.network: nn.Module = self.student
        if self.processes.world > 1:
            if self.device.type == 'cuda':
                self.network = nn.SyncBatchNorm.convert_sync_batchnorm(self.network)
            self.network = DistributedDataParallel(
                self.network, device_ids=[self.device] if self.device.type == 'cuda' else None)
        std = torch.tensor(IMAGENET_STD, device=self.device).view(3, 1, 1)
        self._scale = 1 / (255 * std)
        self._offset = -torch.tensor(IMAGENET_MEAN, device=self.device).view(3, 1, 1) / std

    def run(self) -> dict[str, float]:
        """
        Train until the recipe's last epoch.

        :returns: {'mean_iou': .., 'accuracy': .., 'best_mean_iou': ..} of the validation set.
        """
        scores: dict[str, float] = {}
        say_if_fp32(self.recipe, self.device, say=self.processes.is_main)
        try:
            self._say_how_long()
            while self.epoch < self.recipe.epochs and not self._has_converged():
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

    def _has_converged(self) -> bool:
        """Tell whether the recipe's patience is at its end."""
        if not 0 < self.recipe.patience <= self.stale:
            return False
        if self.processes.is_main:
            _log.info('stopped after epoch %d: no better in %d evaluations', self.epoch,
                      self.stale)
        return True

    def _say_how_long(self) -> None:
        steps = self.steps - self.step
        if not (self.processes.is_main and steps and _log.isEnabledFor(logging.INFO)):
            return
        seconds = seconds_per_step(
            self.recipe, self.student, self.loss, self.train_set, self.device,
            self.recipe.batch // self.processes.world, self.distillation)
        early = ', or less: it stops when it gets no better' if self.recipe.patience else ''
        _log.info('%d steps of about %.2g s on %s: about %s without the evaluations%s', steps,
                  seconds, self.device, in_words(steps * seconds), early)

    def _train_epoch(self) -> float:
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

    def _train_step(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        rate = learning_rate(self.recipe, self.step, self.steps)
        for group in self.optimizer.param_groups:
            group['lr'] = rate
        batch = torch.addcmul(self._offset, images.float(), self._scale)
        batch = batch.contiguous(memory_format=torch.channels_last)
        with recipe_autocast(self.recipe, self.device):
            scores, projected = self.network(batch)
            taught = self.distillation(scores[0], projected, batch, labels) \
                if self.distillation else 0.0
        loss = self.loss(*scores, labels) + taught
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.recipe.clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.student.parameters(), self.recipe.clip, foreach=True)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.step, self.batch_in_epoch = self.step + 1, self.batch_in_epoch + 1
        if self.average:
            self.average.update(self.step)
        value = loss.item()
        if not math.isfinite(value) and not self.scaler.is_enabled():
            raise TrainingError(f'the loss is {value} at step {self.step}: lower the rate')
        return value

    def _validate(self) -> dict[str, float]:
        """Return the scores of the averaged weights; every process measures a share."""
        self.processes.share(self.averaged)  # batch-norm statistics differ until then
        predictor = Predictor(self.averaged, self.classes, self.recipe.size, IMAGENET_MEAN,
                              IMAGENET_STD, self.device)
        mine = range(self.processes.rank, len(self.val), self.processes.world)
        shown = tqdm(mine, desc='validation', leave=False, disable=not self.progress)
        result = evaluate(predictor, self.classes, self.val, thorough=False, indices=shown)
        counts = torch.from_numpy(result.confusion.counts).to(self.device)
        whole = Evaluation(self.classes, thorough=False)
        whole.confusion.counts = self.processes.add_up(counts).cpu().numpy()
        return whole.summary()

    def _record(self, loss: float, scores: dict[str, float]) -> None:
        is_best = bool(scores) and scores['mean_iou'] > self.best
        if is_best:
            self.best = scores['mean_iou']
        if scores:
            self.stale = 0 if is_best else self.stale + 1
        if self.logs is None:
            return
        if is_best:
            self._export('best', scores)
        if scores:
            self._export('last', scores)
        self.logs.write(self.epoch, self.step, {
            'loss': loss, 'rate': self.optimizer.param_groups[0]['lr'], **scores})

    def _export(self, which: str, scores: dict[str, float]) -> None:
        write_network(self.output / which, self.averaged, name=self.recipe.name,
                      classes=self.classes, size=self.recipe.size, scores=scores)
        card = model_card(self.recipe.name, self.classes, self.recipe.size, self.recipe.decoder,
                          scores=scores, data=self._data_text,
                          recipe=without_folders(self.recipe.to_dict()))
        write_file(self.output / which / CARD_FILE, card.encode())

    def _save(self) -> None:
        random_of_all = self.processes.gather(random_states())
        if self.processes.is_main:
            save_checkpoint(self.output, {
                'recipe': self.recipe.to_dict(), 'classes': list(self.classes.labels),
                'model': self.model.state_dict(),
                'projections': self.student.projections.state_dict(),
                'average': self.averaged.state_dict() if self.average else None,
                'optimizer': self.optimizer.state_dict(), 'scaler': self.scaler.state_dict(),
                'random': random_of_all, 'epoch': self.epoch,
                'batch_in_epoch': self.batch_in_epoch, 'step': self.step, 'best': self.best,
                'stale': self.stale})
        self.processes.wait()

    def _restore(self, state: dict[str, Any]) -> None:
        now = self.recipe.to_dict()
        for key in now:
            # A checkpoint of before there was a key goes on with the key's default.
            before = state['recipe'].get(key, getattr(Recipe, key, None))
            if key not in _MAY_DIFFER and now[key] != before:
                raise TrainingError(f"cannot resume {self.output}: '{key}' of the recipe is "
                                    f'{now[key]}, the run had {before}')
        if state['classes'] != list(self.classes.labels):
            raise TrainingError(f'cannot resume {self.output}: the classes have changed')
        self.model.load_state_dict(state['model'])
        self.student.projections.load_state_dict(state.get('projections', {}))
        if self.average:
            self.averaged.load_state_dict(state['average'])
        self.optimizer.load_state_dict(state['optimizer'])
        self.scaler.load_state_dict(state['scaler'])
        self.epoch, self.batch_in_epoch = state['epoch'], state['batch_in_epoch']
        self.step, self.best = state['step'], state['best']
        self.stale = state.get('stale', 0)  # older checkpoints have none
        if len(state['random']) == self.processes.world:
            set_random_states(state['random'][self.processes.rank])
        else:  # going on with more or fewer devices
            seed_all(mix_seed(self.recipe.seed, self.processes.rank, self.step))
