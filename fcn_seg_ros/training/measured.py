"""A network as it is measured: run by what the node would run it with on this machine."""

from copy import deepcopy

import torch

from .evaluate import Predictor
from .teacher import load_teacher, Trainable
from ..errors import TrainingError
from ..inference.engines import create_engine, resolve_device
from ..networks.loading import load_installed
from ..networks.model import FCNResNet18
from ..support.arrays import Size


class MeasuredNetwork:
    """
    A network of the registry, or a teacher, with all that decides about its masks.

    :param name: name, alias or path, as in :meth:`registry.Registry.get`.
    :param weights: file to use instead of the registry's.
    :param models_dir: folder of the user's models.
    :param device: 'auto', 'cpu', 'cuda' or 'cuda:N'.
    :param engine: as of ``engines.create_engine``.
    :param precision: likewise.
    :param threads: CPU threads, 0 = the engine's own choice.
    :param scores: as of :class:`evaluate.Predictor`.
    :param head: likewise; 'stride32' is run by PyTorch in fp32.
    :param teacher: weights of a teacher to measure instead of the network, as of
        :func:`teacher.load_teacher`; it is run by PyTorch in fp32.
    :raises FcnSegError: when the network, its weights or the device can't be had.
    """

    def __init__(self, name: str, *, weights: str = '', models_dir: str = '',
                 device: str = 'auto', engine: str = 'auto', precision: str = 'auto',
                 threads: int = 0, scores: str = 'interpolated', head: str = 'main',
                 teacher: str = '') -> None:
        self._as_it_is = bool(teacher) or head != 'main'
        if teacher and head != 'main':
            raise TrainingError('a teacher has no stride-32 head')
        if teacher and weights:
            raise TrainingError('a teacher brings its own weights: leave --weights out')
        if self._as_it_is:
            what = 'a teacher' if teacher else 'the stride-32 head'
            for choice, possible in ((engine, 'torch'), (precision, 'fp32')):
                if choice not in ('auto', possible):
                    raise TrainingError(
                        f'{what} is not measured in {choice}: {possible} only')
        self.device = resolve_device(device)
        if threads:
            torch.set_num_threads(threads)
        self.model: Trainable
        self.network, self.model, self.classes, self.weights = \
            load_teacher(teacher) if teacher else load_installed(name, weights, models_dir)
        self.engine, self.precision = engine, precision
        self._threads, self._scores, self._head = threads, scores, head

    def predictor(self, size: Size) -> Predictor:
        """
        Return what makes masks with this input size.

        Afterwards ``engine`` and ``precision`` say what was chosen.

        :param size: of the input, pixels.
        :raises DeviceError: when the engine or the precision can't be had.
        """
        run = None
        if isinstance(self.model, FCNResNet18) and not self._as_it_is:
            # A copy: engines change the model that they are given.
            run = create_engine(
                deepcopy(self.model), size=size, device=self.device, engine=self.engine,
                precision=self.precision, threads=self._threads, weights=self.weights)
            self.engine, self.precision = run.name, run.precision
        else:
            self.engine, self.precision = 'torch', 'fp32'
        return Predictor(self.model, self.classes, size, self.network.mean, self.network.std,
                         self.device.torch(), scores=self._scores, head=self._head, engine=run)
