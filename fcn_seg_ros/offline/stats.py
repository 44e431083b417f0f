"""A table of class shares, one row per picture, as CSV or JSON."""

import csv
import io
import json
from pathlib import Path

from ..errors import MediaError
from ..support.atomic_files import replacing

SUFFIXES = ('.csv', '.json')


class StatsTable:
    """
    Shares per class of every picture, and of all pixels together.

    :param labels: the network's labels in id order.
    :param network: the network's name.
    """

    def __init__(self, labels, network):
        self.labels = tuple(labels)
        self.network = network
        self.rows = []
        self._pixels = 0
        self._weighted = [0.0] * (len(self.labels) + 1)

    def add(self, name, result):
        """
        Add one picture.

        :param name: what the row is called: a file's name, a frame's number, a stamp.
        :param result: its :class:`~fcn_seg_ros.segmenter.Segmentation`.
        """
        fractions = result.fractions
        shares = [fractions[label] for label in self.labels] + [float(result.unknown)]
        pixels = int(result.class_mask.size)
        self.rows.append((name, pixels, shares))
        self._pixels += pixels
        self._weighted = [a + pixels * b for a, b in zip(self._weighted, shares)]

    @property
    def total(self):
        """Return the shares of all pixels of all pictures, by label and of unknown ones."""
        *shares, unknown = (value / max(1, self._pixels) for value in self._weighted)
        return dict(zip(self.labels, shares)), unknown

    def summary(self, count=5):
        """Return one line with the largest shares."""
        fractions, unknown = self.total
        largest = sorted(fractions.items(), key=lambda item: -item[1])[:count]
        return ', '.join(f'{name} {share:.1%}' for name, share in (*largest, ('unknown', unknown))
                         if share >= 0.0005)

    def write(self, path):
        """
        Write the table; the suffix, one of :data:`SUFFIXES`, says the format.

        :raises MediaError: when it cannot be written.
        """
        text = self._json() if Path(path).suffix.lower() == '.json' else self._csv()
        try:
            with replacing(path) as temporary:
                temporary.write_text(text, encoding='utf-8')
        except OSError as error:
            raise MediaError(f'cannot write {path}: {error.strerror}') from None

    def _csv(self):
        out = io.StringIO()
        writer = csv.writer(out, lineterminator='\n')
        writer.writerow(('name', 'pixels', *self.labels, 'unknown'))
        for name, pixels, shares in self.rows:
            writer.writerow((name, pixels, *(f'{share:.6f}' for share in shares)))
        return out.getvalue()

    def _json(self):
        def row(shares):
            *fractions, unknown = (round(share, 6) for share in shares)
            return {'fractions': dict(zip(self.labels, fractions)), 'unknown': unknown}

        fractions, unknown = self.total
        return json.dumps({
            'network': self.network,
            'classes': list(self.labels),
            'total': {'pixels': self._pixels, **row((*fractions.values(), unknown))},
            'images': [{'name': name, 'pixels': pixels, **row(shares)}
                       for name, pixels, shares in self.rows],
        }, indent=1) + '\n'
