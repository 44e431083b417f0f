"""``fcn-seg evaluate``: measure a network on a data set."""

from __future__ import annotations

import argparse
from typing import Any, TYPE_CHECKING

from .network_options import add_head_option, add_network_options
from .values import size_argument
from ..support.arrays import Size
from ..support.atomic_files import write_file

if TYPE_CHECKING:
    from ..training.corruptions import Condition
    from ..training.datasets import SegmentationDataset
    from ..training.evaluate import Evaluation
    from ..training.gallery import PictureScores
    from ..training.measured import MeasuredNetwork
    from ..training.summary import SplitSummary


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
                        help='name of a data set that docs/training.md lists, such as camvid, '
                             'folder, labelme, coco, cvat, roboflow or labelstudio')
    parser.add_argument('--root', required=True, metavar='FOLDER',
                        help='folder of the data set, or the zip file of an export')
    parser.add_argument('--split', default='val', help='part of the data set (default: val)')
    parser.add_argument('--include', action='append', default=[], metavar='PATTERN',
                        help='only pictures with such names, e.g. "0001TP_*"; may be repeated')
    parser.add_argument('--exclude', action='append', default=[], metavar='PATTERN',
                        help='no pictures with such names; may be repeated')
    add_network_options(parser)
    parser.add_argument('--teacher', default='', metavar='FILE',
                        help='measure a teacher instead of the network: model.safetensors of a '
                             'run with the decoder teacher; PyTorch runs it in fp32')
    parser.add_argument('--size', type=size_argument, metavar='WxH',
                        help="input size, pixels (default: the network's)")
    parser.add_argument('--scores', default='interpolated', choices=('interpolated', 'grid'),
                        help='masks of interpolated scores, or of the winner of each grid cell')
    add_head_option(parser, ', which PyTorch runs in fp32')
    parser.add_argument('--robustness', action='store_true',
                        help='also under brightness, blur, noise, JPEG and scale changes')
    parser.add_argument('--against', default='', metavar='NAME',
                        help='another network to measure on the same pictures, to compare')
    parser.add_argument('--html', metavar='FILE',
                        help='write a page to look at: scores, confusion, reliability, the best '
                             'and worst pictures')
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

    from ..training.corruptions import CONDITIONS
    from ..training.datasets import open_dataset
    from ..training.gallery import PictureScores
    from ..training.report import confusion_picture, to_json, to_table
    from ..training.summary import summarise, to_dict, to_text
    first = _load(args, args.network, args.weights, args.teacher)
    other = _load(args, args.against) if args.against else None
    dataset = open_dataset(args.data, args.root, args.split, include=args.include,
                           exclude=args.exclude)
    summary = summarise(dataset, args.split, tqdm(
        range(len(dataset)), desc='labels', leave=False, disable=args.quiet))
    pictures = PictureScores(dataset.classes) if args.html else None
    result = _measure(args, first, dataset, args.split, pictures=pictures)
    robustness = {condition.name: _measure(args, first, dataset, condition.name,
                                           condition).summary()
                  for condition in (CONDITIONS if args.robustness else ())}
    context = _context(args, first, len(dataset))
    context['dataset'] = to_dict(summary)
    print(f'{_title(args, first, context)}\n\n{to_text([summary])}')
    print(to_table(result, robustness))
    results = [(first, context, result)]
    if other:
        others = _measure(args, other, dataset, other.network.name)
        its_context = _context(args, other, len(dataset))
        print(f'\n{_title(args, other, its_context)}\n\n{to_table(others)}')
        results.append((other, its_context, others))
        context['against'] = {**its_context, **others.summary()}
    if args.json:
        write_file(args.json, to_json(result, context, robustness).encode())
    if args.png:
        from ..offline.sinks import write_image
        write_image(args.png, confusion_picture(result.confusion, result.classes))
    if pictures:
        write_file(args.html, _page(args, results, dataset, summary, pictures).encode())


def _load(args: argparse.Namespace, name: str, weights: str = '', teacher: str = ''
          ) -> MeasuredNetwork:
    from ..training.measured import MeasuredNetwork
    return MeasuredNetwork(
        name, weights=weights, models_dir=args.models_dir, device=args.device, engine=args.engine,
        precision=args.precision, threads=args.threads, scores=args.scores, head=args.head,
        teacher=teacher)


def _measure(args: argparse.Namespace, measured: MeasuredNetwork,
             dataset: SegmentationDataset[Any], name: str, condition: Condition | None = None,
             pictures: PictureScores | None = None) -> Evaluation:
    from tqdm import tqdm

    from ..training.evaluate import evaluate
    size, scale = _input_size(args, measured), condition.scale if condition else 1.0
    predictor = measured.predictor(Size(round(size.height * scale), round(size.width * scale)))
    indices = tqdm(range(len(dataset)), desc=name, leave=False, disable=args.quiet)
    return evaluate(predictor, measured.classes, dataset, thorough=condition is None,
                    change=condition.change if condition else None, batch=max(1, args.batch),
                    indices=indices, observe=pictures)


def _input_size(args: argparse.Namespace, measured: MeasuredNetwork) -> Size:
    return args.size or Size(measured.network.height, measured.network.width)


def _context(args: argparse.Namespace, measured: MeasuredNetwork, pictures: int
             ) -> dict[str, Any]:
    """Return what was measured, as plain data."""
    from ..training.complexity import count_macs, count_parameters
    size = _input_size(args, measured)
    decoder = 'fcn32s' if args.head == 'stride32' else measured.network.decoder
    classes = len(measured.classes)
    return {'network': measured.network.name, 'weights': measured.weights.name,
            'data': args.data, 'split': args.split, 'include': args.include,
            'exclude': args.exclude, 'pictures': pictures, 'width': size.width,
            'height': size.height, 'head': args.head, 'scores': args.scores,
            'engine': measured.engine, 'precision': measured.precision,
            'macs': count_macs(classes, decoder, size),
            'parameters': count_parameters(classes, decoder)}


def _title(args: argparse.Namespace, measured: MeasuredNetwork, context: dict[str, Any]) -> str:
    return (f'{measured.network.name} at {_input_size(args, measured)} '
            f'({context["macs"] / 1e9:.2f} GMAC) by {measured.engine} in {measured.precision}, '
            f'{args.data} {args.split}, {context["pictures"]} pictures')


def _page(args: argparse.Namespace,
          results: list[tuple[MeasuredNetwork, dict[str, Any], Evaluation]],
          dataset: SegmentationDataset[Any], summary: SplitSummary, pictures: PictureScores
          ) -> str:
    """Return the page of ``--html``."""
    from ..training.gallery import make_exhibit
    from ..training.page import Measured, to_html
    from ..training.summary import to_text
    names = [measured.network.name for measured, _, _ in results]
    if len(set(names)) < len(names):
        names = [f'{name} ({number})' for number, name in enumerate(names, 1)]
    networks = [(name, measured.classes, measured.predictor(_input_size(args, measured)))
                for name, (measured, _, _) in zip(names, results)]
    exhibits = [make_exhibit(dataset, score, networks) for score in pictures.worth_showing()]
    return to_html(
        f'{" and ".join(names)} on {args.data} {args.split}',
        [Measured(name, _title(args, measured, context), result)
         for name, (measured, context, result) in zip(names, results)],
        to_text([summary]), exhibits)
