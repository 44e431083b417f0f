"""``fcn-seg networks``: what there is, and what of it is installed."""

import argparse
from collections.abc import Sequence
import json
import os
from pathlib import Path
import sys
from typing import Any

from .network_options import add_models_dir
from ..errors import RegistryError
from ..networks.registry import Network, Registry

_COLUMNS = ('name', 'classes', 'size', 'accuracy', 'mIoU', 'weights')


def add_parser(commands: 'argparse._SubParsersAction[argparse.ArgumentParser]') -> None:
    """
    Add the command's parser.

    :param commands: what ``add_subparsers`` returned.
    """
    parser = commands.add_parser(
        'networks', help='list the networks and what is installed',
        description='List the networks that can be used by name, and where their weights are.')
    parser.add_argument('network', nargs='?', metavar='NETWORK',
                        help='show this one whole, with its classes')
    add_models_dir(parser)
    parser.add_argument('--json', action='store_true', help='print JSON for programs')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """
    Print the table; what is wrong with the user's own networks goes to stderr.

    :param args: the parsed options.
    """
    registry = Registry.load(args.models_dir)
    shown = [registry.get(args.network)] if args.network else registry.networks.values()
    rows = [_describe(registry, network) for network in shown]
    if args.json:
        print(json.dumps(rows, indent=2))
    elif args.network:
        _print_whole(registry.get(args.network), rows[0])
    else:
        _print_table([_format(row) for row in rows])
    for problem in registry.problems:
        print(f'fcn-seg: left out: {problem}', file=sys.stderr)


def _describe(registry: Registry, network: Network) -> dict[str, Any]:
    """Return a network's facts as plain data."""
    try:
        weights, problem = registry.find_weights(network), ''
    except RegistryError as error:
        weights, problem = None, str(error)
    return {
        'name': network.name, 'aliases': list(network.aliases),
        'class_set': network.classes.name, 'classes': list(network.classes.labels),
        'width': network.width, 'height': network.height, 'decoder': network.decoder,
        'accuracy': network.accuracy, 'mean_iou': network.mean_iou, 'fps': dict(network.fps),
        'state': _state(registry, network, weights), 'problem': problem or None,
        'weights': weights and str(weights), 'urls': list(network.urls), 'terms': network.terms,
        'colors': [f'#{red:02x}{green:02x}{blue:02x}'
                   for red, green, blue in network.classes.colors.tolist()],
        'roles': list(network.classes.roles),
    }


def _state(registry: Registry, network: Network, weights: Path | None) -> str:
    if weights is None:
        return 'fetchable' if network.urls else 'missing'
    bundled = registry.share / 'models'
    return 'bundled' if bundled in weights.parents else 'installed'


def _format(row: dict[str, Any]) -> tuple[str, ...]:
    """Return one row of the table as texts."""
    where = {'bundled': 'bundled',
             'installed': f'installed: {row["weights"]}',
             'fetchable': 'not installed, can be fetched',
             'missing': 'not installed'}[row['state']]
    return (row['name'], f'{len(row["classes"])} ({row["class_set"]})',
            f'{row["width"]}x{row["height"]}',
            *('-' if row[key] is None else f'{row[key]:.3f}' for key in ('accuracy', 'mean_iou')),
            row['problem'] or where)


def _print_whole(network: Network, row: dict[str, Any]) -> None:
    """Print all that is known of one network, its classes as a legend."""
    weights = row['weights'] and Path(row['weights'])
    files = [f'{weights} ({weights.stat().st_size / 1e6:.1f} MB)'] if weights else []
    scores = [f'{name} {value:.3f}' for name, value in (
        ('accuracy', network.accuracy), ('mIoU', network.mean_iou)) if value is not None]
    ours = ('trained by this project',) if row['state'] == 'bundled' else ()
    for title, texts in (
            ('name', (network.name, *network.aliases)),
            ('input', (f'{network.width}x{network.height}',)), ('decoder', (network.decoder,)),
            ('scores', scores), ('weights', [row['problem'] or row['state'], *files]),
            ('from', network.urls or ours), ('terms', (network.terms or 'not stated',))):
        print(f'{title:8} {", ".join(texts) or "not stated"}')
    coloured = sys.stdout.isatty() and not os.environ.get('NO_COLOR')
    classes = network.classes
    for index, label in enumerate(classes.labels):
        red, green, blue = map(int, classes.colors[index])
        patch = f'\x1b[48;2;{red};{green};{blue}m  \x1b[0m ' if coloured else ''
        role = classes.roles[index]
        cost = f', cost {classes.costs[index]}' if role == 'ground' else ''
        print(f'{index:4} {patch}#{red:02x}{green:02x}{blue:02x} {label} ({role}{cost})')


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    rows = [tuple(column.upper() if column.islower() else column for column in _COLUMNS), *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS) - 1)]
    for row in rows:
        cells = (text.ljust(width) for text, width in zip(row, widths))
        print('  '.join((*cells, row[-1])))
