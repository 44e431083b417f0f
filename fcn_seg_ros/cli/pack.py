"""``fcn-seg pack NETWORK``: one archive that ``fcn-seg fetch`` installs on a robot."""

from __future__ import annotations

import argparse

from .network_options import add_weights_options


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """
    Add the command's parser.

    :param commands: the parsers of ``fcn-seg``'s commands.
    """
    parser = commands.add_parser(
        'pack', help='write a network as one archive',
        description='Write one .tar.gz with weights, classes, roles, the int8 graph if there is '
                    'one, and the model card. "fcn-seg fetch ARCHIVE" installs it elsewhere.')
    parser.add_argument('network', metavar='NETWORK',
                        help='name of an installed network, or path of a network.yaml, such as '
                             'runs/yard/best/network.yaml')
    parser.add_argument('output', nargs='?', default='', metavar='ARCHIVE',
                        help='the file to write (default: NETWORK.tar.gz)')
    add_weights_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """
    Pack; print the archive's path and what is in it.

    :param args: the command's options.
    :raises FcnSegError: when there is no such network, or its weights cannot be used.
    """
    from ..training.pack import pack
    path, names = pack(args.network, args.output, weights=args.weights,
                       models_dir=args.models_dir)
    print(f'{path}: {", ".join(names)}')
