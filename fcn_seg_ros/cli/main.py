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


def build_parser() -> argparse.ArgumentParser:
    """Return the argument parser with every command's own options."""
    parser = argparse.ArgumentParser(
        prog='fcn-seg', description='Semantic segmentation with FCN-ResNet18.')
    commands = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
    for name in COMMANDS:
        import_module(f'.{name}', __package__).add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run ``fcn-seg``; return the exit status (0 ok, 1 error, 130 interrupted).

    :param argv: the arguments, None for those of the process.
    """
    share_cores()
    keep_memory()
    args = build_parser().parse_args(argv)
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
