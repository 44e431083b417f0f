"""What a run reports: a line per epoch in a file, and TensorBoard where it is installed."""

from collections.abc import Mapping
import json
import logging
from pathlib import Path

_log = logging.getLogger(__name__)


class Logs:
    """
    Scalars of a run, in ``log.jsonl`` and as TensorBoard events.

    :param folder: folder of the run.
    """

    def __init__(self, folder: str | Path) -> None:
        self._path = Path(folder) / 'log.jsonl'
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self._board: SummaryWriter | None = None
            _log.warning('no TensorBoard logs: "pip install tensorboard" adds them; '
                         '%s has the same numbers', self._path)
        else:
            self._board = SummaryWriter(Path(folder) / 'tensorboard')

    def write(self, epoch: int, step: int, scalars: Mapping[str, float]) -> None:
        """
        Add one record.

        :param epoch: epochs that are done.
        :param step: steps that are done.
        :param scalars: {name: number}.
        """
        with open(self._path, 'a', encoding='utf-8') as file:
            file.write(json.dumps({'epoch': epoch, 'step': step, **scalars}) + '\n')
        text = ', '.join(f'{name} {value:.4g}' for name, value in scalars.items())
        _log.info('epoch %d: %s', epoch, text)
        if self._board:
            for name, value in scalars.items():
                self._board.add_scalar(name, value, step)
            self._board.flush()

    def close(self) -> None:
        """Finish the event file."""
        if self._board:
            self._board.close()
