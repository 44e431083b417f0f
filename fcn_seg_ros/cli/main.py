"""Entry point of ``fcn-seg``: parse, run one command, report errors in one line."""

import argparse
from collections.abc import Sequence
from importlib import import_module
import os
import sys

from ..errors import FcnSegError
from ..support.process import keep_memory, share_cores

# OpenCV's backends write lines of their own beside our one, and older ones can be silenced in no
# other way than before they are imported, which the commands do.
os.environ.setdefault('OPENCV_LOG_LEVEL', 'SILENT')

COMMANDS = (
    'networks',
    'fetch',
    'segment',
    'camera',
    'frames',
    'train',
    'evaluate',
    'export',
    'pack',
    'tune',
    'bench',
    'nav2',
    'doctor',
)


def build_parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """
    Return the argument parser with the commands' own options.

    :param names: of the commands, each a module of this package.
    """
    parser = argparse.ArgumentParser(
        prog='fcn-seg', description='Semantic segmentation with FCN-ResNet18.')
    commands = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
    for name in names:
        import_module(f'.{name}', __package__).add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run ``fcn-seg``; return the exit status (0 ok, 1 error, 130 interrupted).

    :param argv: the arguments, None for those of the process.
    """
    share_cores()
    keep_memory()
    given = sys.argv[1:] if argv is None else argv
    try:
        # The doctor has to start where the others' libraries do not.
        parser = build_parser(('doctor',)) if given[:1] == ['doctor'] else build_parser()
    except ImportError as error:
        print(f"fcn-seg: {error}: 'fcn-seg doctor' says what to do", file=sys.stderr)
        return 1
    args = parser.parse_args(given)
    try:
        status: int = args.run(args) or 0
        sys.stdout.flush()  # here, where a reader that has gone is expected
        return status
    except BrokenPipeError:  # the reader, say `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (FcnSegError, OSError) as error:
        print(f'fcn-seg: {error}', file=sys.stderr)
    except KeyboardInterrupt:
        print('fcn-seg: interrupted', file=sys.stderr)
        return 130
    return 1


if __name__ == '__main__':
    sys.exit(main())
