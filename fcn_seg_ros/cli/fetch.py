"""``fcn-seg fetch NETWORK``: download weights, or install an archive of ``fcn-seg pack``."""

import argparse
from pathlib import Path
import re
import sys
from typing import NoReturn, TYPE_CHECKING

from .network_options import add_models_dir
from ..networks.fetch import fetch
from ..networks.packed import install_archive
from ..networks.registry import Registry

if TYPE_CHECKING:
    from tqdm import tqdm


def add_parser(commands: 'argparse._SubParsersAction[argparse.ArgumentParser]') -> None:
    """
    Add the command's parser.

    :param commands: what ``add_subparsers`` returned.
    """
    parser = commands.add_parser(
        'fetch', help="download a network's weights, or install a packed network",
        description="Download a network's weights, check them, and install them.  A download "
                    'that broke off goes on where it ended.  An archive of "fcn-seg pack" is '
                    'installed with the same checks.')
    parser.add_argument('network', metavar='NETWORK',
                        help='name or alias, see "fcn-seg networks"; or path of a packed .tar.gz')
    add_models_dir(parser)
    parser.add_argument('--url', action='append', default=[], metavar='URL',
                        help="fetch the archive from here instead of the network's own "
                             'addresses (can be given several times: tried in this order)')
    parser.add_argument('--sha256', type=_sha256, metavar='HEX',
                        help='what the archive must be; wins over what an earlier fetch recorded')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """
    Fetch, and print the path of the weights.

    :param args: the parsed options.
    :raises FcnSegError: when they cannot be had.
    """
    if args.network.endswith(('.tar.gz', '.tgz')) and not args.url:
        name, path = install_archive(Path(args.network), args.models_dir, args.sha256)
        print(f'{name}: {path}')
        return
    network = Registry.load(args.models_dir).get(args.network)
    print(f'fcn-seg: terms of {network.name}: {network.terms or "not stated"}', file=sys.stderr)
    with _Progress(network.name) as progress:
        weights = fetch(network, args.models_dir, urls=args.url, sha256=args.sha256,
                        progress=progress)
    print(weights)


class _Progress:
    """A progress bar on stderr that appears with the first bytes, on a terminal only."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._bar: tqdm[NoReturn] | None = None

    def __enter__(self) -> '_Progress':
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, done: int, total: int | None) -> None:
        if self._bar is None:
            from tqdm import tqdm
            self._bar = tqdm(desc=self._title, unit='B', unit_scale=True, unit_divisor=1024,
                             file=sys.stderr, disable=None)
        self._bar.total = total
        self._bar.update(done - self._bar.n)  # less than before when a download began anew


def _sha256(text: str) -> str:
    if not re.fullmatch('[0-9a-fA-F]{64}', text):
        raise argparse.ArgumentTypeError('must be 64 hexadecimal digits')
    return text
