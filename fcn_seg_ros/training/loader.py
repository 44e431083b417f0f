"""Batches whose content depends on (seed, epoch, position) alone, so that a run can resume."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision import tv_tensors

from .datasets import Item, Items
from .transforms import chance, mix_classes

Key: TypeAlias = tuple[int, int]
"""Number of an item, and the seed of its random changes."""


def mix_seed(*numbers: int) -> int:
    """
    Return a well-spread 63-bit seed (numpy's SeedSequence).

    :param numbers: integers from 0 on.
    """
    low, high = np.random.SeedSequence(numbers).generate_state(2, np.uint32)
    return (int(high) << 32 | int(low)) & 0x7FFF_FFFF_FFFF_FFFF


class EpochBatches(Sampler[list[Key]]):
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

    def __init__(self, count: int, batch: int, seed: int, rank: int = 0, world: int = 1) -> None:
        self.count, self.batch, self.seed = count, batch, seed
        self.rank, self.world = rank, world
        self.epoch, self.start = 0, 0

    def set_position(self, epoch: int, start: int = 0) -> None:
        """
        Go to a place.

        :param epoch: number of the epoch, from 0.
        :param start: number of the batch in it, from 0.
        """
        self.epoch, self.start = epoch, start

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch."""
        return self.count // (self.batch * self.world)

    def __iter__(self) -> Iterator[list[Key]]:
        generator = np.random.default_rng([self.seed, self.epoch])
        order = generator.permutation(self.count)
        for number in range(self.start, len(self)):
            first = number * self.batch * self.world + self.rank
            places = range(first, first + self.batch * self.world, self.world)
            yield [(int(order[place]), mix_seed(self.seed, self.epoch, place))
                   for place in places]


class TrainingSet(Dataset[Item]):
    """
    Augmented items of a data set, by (index, seed).

    :param dataset: items (picture, labels), uint8.
    :param transforms: callable on (Image, Mask).
    :param mix: probability that pixels of another item are pasted on an item.
    :param mix_ids: class ids whose pixels are pasted.
    """

    def __init__(self, dataset: Items, transforms: Callable[..., Any],
                 mix: float = 0.0, mix_ids: Sequence[int] = ()) -> None:
        self.dataset, self.transforms = dataset, transforms
        self.mix, self.mix_ids = mix if mix_ids else 0.0, list(mix_ids)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: Key) -> Item:
        index, seed = key
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            image, labels = self._transformed(index)
            if self.mix and chance(self.mix):
                other = self._transformed(int(torch.randint(len(self.dataset), ())))
                mix_classes(image, labels, *other, self.mix_ids)
        return image, labels

    def _transformed(self, index: int) -> Item:
        image, labels = self.dataset[index]
        image, labels = self.transforms(tv_tensors.Image(image), tv_tensors.Mask(labels))
        # Plain tensors collate faster; contiguous ones may be pasted on.
        return (image.as_subclass(torch.Tensor).contiguous(),
                labels.as_subclass(torch.Tensor).contiguous())


def training_loader(dataset: TrainingSet, sampler: EpochBatches, workers: int = 0,
                    pin_memory: bool = False) -> DataLoader[Item]:
    """
    Return the loader of the batches: uint8 tensors N x 3 x H x W and N x H x W.

    :param dataset: augmented items.
    :param sampler: says which are in which batch.
    :param workers: processes that make them, 0 = this one.
    :param pin_memory: put them where a GPU fetches them faster.
    """
    # With a generator of its own the loader leaves torch's global one alone.
    return DataLoader(dataset, batch_sampler=sampler, num_workers=workers,
                      pin_memory=pin_memory, generator=torch.Generator(),
                      worker_init_fn=_single_thread if workers else None)


def _single_thread(_: int) -> None:
    torch.set_num_threads(1)
