"""``fcn-seg evaluate``: measure a network on a data set."""

from copy import deepcopy
from pathlib import Path

from .network_options import DEFAULT_NETWORK
from .sizes import size_argument


def add_parser(commands):
    """Add the command's parser."""
    parser = commands.add_parser(
        'evaluate', help='measure a network on a data set',
        description='Measure pixel accuracy, class accuracy, mean IoU, boundary F-score and '
                    'calibration of a network on a data set, at the size of the labels.')
    parser.add_argument('--data', required=True, metavar='NAME',
                        help='camvid, cityscapes, deepscene, folder, mhp, sun, voc or voc+sbd')
    parser.add_argument('--root', required=True, metavar='DIR', help='folder of the data set')
    parser.add_argument('--split', default='val', help='part of the data set (default: val)')
    parser.add_argument('--include', action='append', default=[], metavar='PATTERN',
                        help='only pictures with such names, e.g. "0001TP_*"; may be repeated')
    parser.add_argument('--exclude', action='append', default=[], metavar='PATTERN',
                        help='no pictures with such names; may be repeated')
    parser.add_argument('--network', default=DEFAULT_NETWORK, metavar='NAME',
                        help='name of a network, or path of a network.yaml')
    parser.add_argument('--weights', default='', metavar='FILE',
                        help="other weights than the registry's")
    parser.add_argument('--models-dir', default='', metavar='DIR', help='folder of your models')
    parser.add_argument('--size', type=size_argument, metavar='WxH',
                        help="input size, pixels (default: the network's)")
    parser.add_argument('--scores', default='interpolated', choices=('interpolated', 'grid'),
                        help='masks of interpolated scores, or of the winner of each grid cell')
    parser.add_argument('--head', default='main', choices=('main', 'stride32'),
                        help='the decoder, or the stride-32 head that the published ones have')
    parser.add_argument('--precision', default='fp32',
                        choices=('auto', 'fp32', 'fp16', 'bf16', 'int8'),
                        help="number format of the scores: fp32 by PyTorch, others by the node's "
                             'engine for them (default: %(default)s)')
    parser.add_argument('--robustness', action='store_true',
                        help='also under brightness, blur, noise, JPEG and scale changes')
    parser.add_argument('--json', metavar='FILE', help='write all the numbers')
    parser.add_argument('--png', metavar='FILE', help='write a picture of the confusion matrix')
    parser.add_argument('--device', default='auto', choices=('auto', 'cpu', 'cuda'))
    parser.add_argument('--threads', type=int, default=0, metavar='N', help='CPU threads')
    parser.add_argument('--batch', type=int, default=1, metavar='N', help='pictures at a time')
    parser.add_argument('--quiet', action='store_true', help='no progress bar')
    parser.set_defaults(run=run)


def run(args):
    """Measure, print tables, write the files asked for."""
    import torch
    from tqdm import tqdm

    from ..errors import TrainingError
    from ..inference.engines import create_engine, resolve_device
    from ..training.complexity import count_macs, count_parameters
    from ..training.corruptions import CONDITIONS
    from ..training.datasets import open_dataset
    from ..training.evaluate import evaluate, Predictor
    from ..training.installed import load_installed
    from ..training.report import confusion_picture, to_json, to_table
    if args.threads:
        torch.set_num_threads(args.threads)
    network, model, classes, weights = load_installed(
        args.network, args.weights, args.models_dir)
    dataset = open_dataset(args.data, args.root, args.split, include=args.include,
                           exclude=args.exclude)
    width, height = args.size or (network.width, network.height)
    device = resolve_device(args.device)

    if args.precision != 'fp32' and args.head != 'main':
        raise TrainingError(f'the stride-32 head is not measured in {args.precision}')

    def measure(name, change=None, scale=1.0, thorough=True):
        size = (round(height * scale), round(width * scale))
        engine = None
        if args.precision != 'fp32':
            # A copy: engines change the model that they are given.
            engine = create_engine(deepcopy(model), size=size, device=device,
                                   precision=args.precision, weights=weights)
        predictor = Predictor(model, classes, size, network.mean, network.std, device,
                              scores=args.scores, head=args.head, engine=engine)
        indices = tqdm(range(len(dataset)), desc=name, leave=False, disable=args.quiet)
        return evaluate(predictor, classes, dataset, change=change, thorough=thorough,
                        batch=max(1, args.batch), indices=indices)

    result = measure(args.split)
    robustness = {}
    for condition in CONDITIONS if args.robustness else ():
        robustness[condition.name] = measure(
            condition.name, condition.change, condition.scale, thorough=False).summary()
    decoder = 'fcn32s' if args.head == 'stride32' else model.decoder
    macs = count_macs(len(classes), decoder, (height, width))
    context = {'network': network.name, 'weights': Path(weights).name, 'data': args.data,
               'split': args.split, 'include': args.include, 'exclude': args.exclude,
               'pictures': len(dataset), 'width': width, 'height': height,
               'head': args.head, 'scores': args.scores, 'precision': args.precision, 'macs': macs,
               'parameters': count_parameters(len(classes), decoder)}
    print(f'{network.name} at {width}x{height} ({macs / 1e9:.2f} GMAC), {args.data} '
          f'{args.split}, {len(dataset)} pictures\n')
    print(to_table(result, robustness))
    if args.json:
        Path(args.json).write_text(to_json(result, context, robustness), encoding='utf-8')
    if args.png:
        _write_png(args.png, confusion_picture(result.confusion, result.classes))


def _write_png(path, rgb):
    import cv2

    from ..training.checkpoint import write_atomically
    _, data = cv2.imencode('.png', rgb[..., ::-1])
    write_atomically(path, lambda file: file.write(data.tobytes()))
