"""Batches whose content depends on (seed, epoch, position) alone, so that a run can resume."""

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors

from .transforms import chance, mix_classes


def mix_seed(*numbers):
    """Return a well-spread 63-bit seed of some non-negative integers (numpy's SeedSequence)."""
    low, high = np.random.SeedSequence(numbers).generate_state(2, np.uint32)
    return (int(high) << 32 | int(low)) & 0x7FFF_FFFF_FFFF_FFFF


class EpochBatches:
    """
    Batch sampler of one epoch: lists of (index, item seed).

    The order is a permutation drawn from (seed, epoch); a process of several takes every
    ``world``-th item, so that all together work on the batch that one would work on.  An
    incomplete last batch is left out, as batch norm wants.

    :param count: number of items of the data set.
    :param batch: items per batch and process.
    :param seed: the run's seed.
    :param rank: this process's number.
    :param world: number of processes.
    """

    def __init__(self, count, batch, seed, rank=0, world=1):
        self.count, self.batch, self.seed = count, batch, seed
        self.rank, self.world = rank, world
        self.epoch, self.start = 0, 0

    def set_position(self, epoch, start=0):
        """Go to batch ``start`` of ``epoch``."""
        self.epoch, self.start = epoch, start

    def __len__(self):
        """Return the number of batches of a whole epoch."""
        return self.count // (self.batch * self.world)

    def __iter__(self):
        generator = np.random.default_rng([self.seed, self.epoch])
        order = generator.permutation(self.count)
        for number in range(self.start, len(self)):
            first = number * self.batch * self.world + self.rank
            places = range(first, first + self.batch * self.world, self.world)
            yield [(int(order[place]), mix_seed(self.seed, self.epoch, place))
                   for place in places]


class TrainingSet(Dataset):
    """
    Augmented items of a data set, by (index, seed).

    :param dataset: items (picture, labels), uint8.
    :param transforms: callable on (Image, Mask).
    :param mix: probability that pixels of another item are pasted on an item.
    :param mix_ids: class ids whose pixels are pasted.
    """

    def __init__(self, dataset, transforms, mix=0.0, mix_ids=()):
        self.dataset, self.transforms = dataset, transforms
        self.mix, self.mix_ids = mix if mix_ids else 0.0, list(mix_ids)

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, key):
        index, seed = key
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            image, labels = self._transformed(index)
            if self.mix and chance(self.mix):
                other = self._transformed(torch.randint(len(self.dataset), ()).item())
                mix_classes(image, labels, *other, self.mix_ids)
        return image, labels

    def _transformed(self, index):
        image, labels = self.dataset[index]
        image, labels = self.transforms(tv_tensors.Image(image), tv_tensors.Mask(labels))
        # Plain tensors collate faster; contiguous ones may be pasted on.
        return (image.as_subclass(torch.Tensor).contiguous(),
                labels.as_subclass(torch.Tensor).contiguous())


def training_loader(dataset, sampler, workers=0, pin_memory=False):
    """Return the DataLoader of a :class:`TrainingSet` in the order of an EpochBatches."""
    # With a generator of its own the loader leaves torch's global one alone.
    return DataLoader(dataset, batch_sampler=sampler, num_workers=workers,
                      pin_memory=pin_memory, generator=torch.Generator(),
                      worker_init_fn=_single_thread if workers else None)


def _single_thread(_):
    torch.set_num_threads(1)
