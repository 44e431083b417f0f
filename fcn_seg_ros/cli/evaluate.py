"""``fcn-seg evaluate``: measure a network on a data set."""

import argparse
from pathlib import Path
from typing import Any

from .network_options import add_network_options
from .sizes import size_argument
from ..support.arrays import Size


def add_parser(commands: 'argparse._SubParsersAction[argparse.ArgumentParser]') -> None:
    """
    Add the command's parser.

    :param commands: the parsers of ``fcn-seg``'s commands.
    """
    parser = commands.add_parser(
        'evaluate', help='measure a network on a data set',
        description='Measure pixel accuracy, class accuracy, mean IoU, boundary F-score and '
                    'calibration of a network on a data set, at the size of the labels. The '
                    'masks are those that the node would make on this machine.')
    parser.add_argument('--data', required=True, metavar='NAME',
                        help='name of a data set that docs/training.md lists, such as camvid or '
                             'folder')
    parser.add_argument('--root', required=True, metavar='DIR', help='folder of the data set')
    parser.add_argument('--split', default='val', help='part of the data set (default: val)')
    parser.add_argument('--include', action='append', default=[], metavar='PATTERN',
                        help='only pictures with such names, e.g. "0001TP_*"; may be repeated')
    parser.add_argument('--exclude', action='append', default=[], metavar='PATTERN',
                        help='no pictures with such names; may be repeated')
    add_network_options(parser)
    parser.add_argument('--size', type=size_argument, metavar='WxH',
                        help="input size, pixels (default: the network's)")
    parser.add_argument('--scores', default='interpolated', choices=('interpolated', 'grid'),
                        help='masks of interpolated scores, or of the winner of each grid cell')
    parser.add_argument('--head', default='main', choices=('main', 'stride32'),
                        help='the decoder, or the stride-32 head that the published ones have, '
                             'which PyTorch runs in fp32')
    parser.add_argument('--robustness', action='store_true',
                        help='also under brightness, blur, noise, JPEG and scale changes')
    parser.add_argument('--json', metavar='FILE', help='write all the numbers')
    parser.add_argument('--png', metavar='FILE', help='write a picture of the confusion matrix')
    parser.add_argument('--batch', type=int, default=1, metavar='N', help='pictures at a time')
    parser.add_argument('--quiet', action='store_true', help='no progress bar')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """
    Measure, print tables, write the files asked for.

    :param args: the command's options.
    :raises FcnSegError: when network, data set or device do not do.
    """
    from tqdm import tqdm

    from ..training.complexity import count_macs, count_parameters
    from ..training.corruptions import Condition, CONDITIONS
    from ..training.datasets import open_dataset
    from ..training.evaluate import evaluate, Evaluation
    from ..training.measured import MeasuredNetwork
    from ..training.report import confusion_picture, to_json, to_table
    from ..training.summary import summarise, to_dict, to_text
    measured = MeasuredNetwork(
        args.network, weights=args.weights, models_dir=args.models_dir, device=args.device,
        engine=args.engine, precision=args.precision, threads=args.threads, scores=args.scores,
        head=args.head)
    network, classes = measured.network, measured.classes
    dataset = open_dataset(args.data, args.root, args.split, include=args.include,
                           exclude=args.exclude)
    size = args.size or Size(network.height, network.width)
    looked_at = summarise(dataset, args.split, tqdm(
        range(len(dataset)), desc='labels', leave=False, disable=args.quiet))

    def measure(name: str, condition: Condition | None = None) -> Evaluation:
        scale = condition.scale if condition else 1.0
        predictor = measured.predictor(Size(round(size.height * scale),
                                            round(size.width * scale)))
        indices = tqdm(range(len(dataset)), desc=name, leave=False, disable=args.quiet)
        return evaluate(predictor, classes, dataset, thorough=condition is None,
                        change=condition.change if condition else None,
                        batch=max(1, args.batch), indices=indices)

    result = measure(args.split)
    robustness = {condition.name: measure(condition.name, condition).summary()
                  for condition in (CONDITIONS if args.robustness else ())}
    decoder = 'fcn32s' if args.head == 'stride32' else network.decoder
    macs = count_macs(len(classes), decoder, size)
    context: dict[str, Any] = {
        'network': network.name, 'weights': measured.weights.name, 'data': args.data,
        'split': args.split, 'include': args.include, 'exclude': args.exclude,
        'pictures': len(dataset), 'width': size.width, 'height': size.height, 'head': args.head,
        'scores': args.scores, 'engine': measured.engine, 'precision': measured.precision,
        'macs': macs, 'parameters': count_parameters(len(classes), decoder),
        'dataset': to_dict(looked_at)}
    print(f'{network.name} at {size} ({macs / 1e9:.2f} GMAC) by {measured.engine} in '
          f'{measured.precision}, {args.data} {args.split}, {len(dataset)} pictures\n')
    print(to_text([looked_at]))
    print(to_table(result, robustness))
    if args.json:
        Path(args.json).write_text(to_json(result, context, robustness), encoding='utf-8')
    if args.png:
        from ..offline.sinks import write_image
        write_image(args.png, confusion_picture(result.confusion, result.classes))
