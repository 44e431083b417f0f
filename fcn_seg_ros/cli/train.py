"""``fcn-seg train``: train a network by a recipe."""

import argparse
import json
import logging
from pathlib import Path

from ..support.paths import share_dir


def add_parser(commands: 'argparse._SubParsersAction[argparse.ArgumentParser]') -> None:
    """
    Add the command's parser.

    :param commands: the parsers of ``fcn-seg``'s commands.
    """
    parser = commands.add_parser(
        'train', help='train a network by a recipe',
        description='Train a network by a recipe (see docs/training.md). The folders best/ and '
                    'last/ of the output can be dropped into the models folder and used by '
                    'name. Start it with torchrun to use several devices.')
    parser.add_argument('recipe', help='YAML file, or the name of one in config/recipes')
    parser.add_argument('--output', required=True, metavar='FOLDER', help='folder of the run')
    parser.add_argument('--root', default='', metavar='FOLDER',
                        help="folder of the data set, where the recipe doesn't say it")
    parser.add_argument('--data', default='', metavar='NAME',
                        help="kind of the data set instead of the recipe's, such as folder, "
                             'labelme, coco, cvat, roboflow or labelstudio '
                             '(docs/training.md lists them)')
    parser.add_argument('--name', default='', help="the network's name instead of the recipe's")
    parser.add_argument('--set', action='append', default=[], metavar='SECTION.KEY=VALUE',
                        dest='overrides', help='change a value of the recipe; may be repeated')
    parser.add_argument('--resume', action='store_true',
                        help="go on from the output folder's checkpoint, if there is one")
    parser.add_argument('--device', default='auto',
                        help='auto, cpu, cuda or cuda:N (default: %(default)s)')
    parser.add_argument('--quiet', action='store_true', help='no progress bars')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """
    Train; print the validation scores.

    :param args: the command's options.
    :raises FcnSegError: when data, recipe, weights or device do not do.
    """
    from ..training.recipe import load_recipe
    from ..training.trainer import Trainer
    if not args.quiet:
        logging.basicConfig(level=logging.INFO, format='%(message)s')
    overrides = list(args.overrides)
    path = find_recipe(args.recipe)
    for key, value in (('root', args.root), ('name', args.data)):
        if value:
            overrides += [f'data.{part}.{key}={json.dumps(value)}' for part in ('train', 'val')]
    if args.name:
        overrides.append(f'name={json.dumps(args.name)}')
    trainer = Trainer(load_recipe(path, overrides), args.output, resume=args.resume,
                      device=args.device, progress=not args.quiet)
    scores = trainer.run()
    if trainer.processes.is_main:
        print(', '.join(f'{name} {value:.4f}' for name, value in scores.items()))


def find_recipe(name: str) -> Path:
    """
    Return the path of a recipe.

    :param name: path of a file, or the name of one of ``config/recipes``.
    """
    path = Path(name)
    bundled = share_dir() / 'config' / 'recipes' / f'{name}.yaml'
    return bundled if not path.exists() and bundled.is_file() else path
