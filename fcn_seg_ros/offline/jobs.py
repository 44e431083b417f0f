"""Whole inputs through a network: image files and videos to pictures and tables."""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from .render import LOSSLESS
from .sinks import IMAGE_OPTIONS, LOSSY_SUFFIXES, VIDEO_CODECS, video_sink, write_image
from .sources import read_image
from ..errors import MediaError

_LENGTH_TOLERANCE = 0.98  # some containers only estimate how many frames they hold


def plan_image(source, output, outputs):
    """
    Say which file each picture of one image goes to.

    :param source: path of the image.
    :param output: path to write to; an existing folder, or a path without a suffix or
        that ends in '/', takes files named after the input.
    :param outputs: names of the pictures, see ``Renderer.outputs``.
    :returns: {name: path}; with several pictures their names are added to the file's.
    :raises MediaError: when a file would be the input, or cannot hold a picture.
    """
    if _is_folder(output):
        plan = {name: Path(output) / f'{Path(source).stem}_{name}{_suffix(source, name)}'
                for name in outputs}
    else:
        plan = _with_names(Path(output), outputs)
    _check_plan([plan], [source])
    return plan


def plan_images(root, paths, output, outputs):
    """
    Say which files the pictures of several images go to, keeping their subfolders.

    :param root: folder that ``paths`` have in common.
    :param output: folder to write to.
    :returns: list of {name: path}, one for each of ``paths``.
    :raises MediaError: as :func:`plan_image`, or when ``output`` is a file.
    """
    if Path(output).is_file():
        raise MediaError(f'{output} is a file: several images need a folder as output')
    stems = [Path(output) / path.relative_to(root).with_suffix('') for path in paths]
    count = Counter(stems)
    plans = []
    for path, stem in zip(paths, stems):
        # a.jpg and a.png would go to the same files: such names keep their suffix as well.
        base = f'{stem.name}_{path.suffix[1:]}' if count[stem] > 1 else stem.name
        plans.append({name: stem.with_name(f'{base}_{name}{_suffix(path, name)}')
                      for name in outputs})
    _check_plan(plans, paths)
    return plans


def plan_video(source, output, outputs):
    """
    Say where the pictures of a video go: videos, or folders of numbered images.

    :returns: {name: path}; paths with a suffix are videos.
    :raises MediaError: when a video would be the input, or cannot hold a picture.
    """
    output = Path(output)
    if _is_folder(output):
        return {name: output / name if len(outputs) > 1 else output for name in outputs}
    if output.suffix.lower() not in VIDEO_CODECS:
        raise MediaError(f"cannot write '{output.suffix}' videos: use one of "
                         f'{", ".join(VIDEO_CODECS)}, or a folder for numbered images')
    if 'class-mask' in outputs:
        raise MediaError('a video changes values, so it cannot hold class-mask: '
                         'give a folder as output for numbered images')
    plan = _with_names(output, outputs)
    _check_same([plan], [source])
    return plan


def segment_images(segmenter, paths, plans, renderer, stats, *, mask_size=None,
                   progress=iter, report=print):
    """
    Segment image files.

    An image that cannot be read is reported and left out; the others are not disturbed.

    :param plans: of :func:`plan_images`, or a list with that of :func:`plan_image`.
    :param stats: a :class:`~fcn_seg_ros.offline.stats.StatsTable` to fill.
    :param mask_size: (height, width) or None, see ``Segmenter.segment``.
    :param progress: wraps the iteration (tqdm).
    :param report: called with one line for each image that was left out.
    :returns: number of images that were left out.
    """
    failures = 0
    for path, plan in progress(list(zip(paths, plans))):
        try:
            image = read_image(path)
        except MediaError as error:
            report(str(error))
            failures += 1
            continue
        result = segmenter(image, mask_size)
        for name, picture in renderer.render(image, result).items():
            write_image(plan[name], picture)
        stats.add(str(path), result)
    return failures


def segment_video(segmenter, video, plan, renderer, stats, *, mask_size=None, progress=iter,
                  report=print):
    """
    Segment a video's frames; the videos made have its rate.

    :param video: an open :class:`~fcn_seg_ros.offline.sources.Video`.
    :param plan: of :func:`plan_video`.
    :param stats: a table to fill, rows are named by the frame's number, from 0.
    :param progress: wraps the iteration (tqdm).
    :param report: called with a line when the video breaks off before its end.
    :raises MediaError: when no frame can be read, or a video cannot be written.
    """
    with ExitStack() as stack:
        writers = {name: stack.enter_context(video_sink(path, video.rate))
                   for name, path in plan.items() if path.suffix}
        number = -1
        for number, image in enumerate(progress(video)):
            result = segmenter(image, mask_size)
            for name, picture in renderer.render(image, result).items():
                if name in writers:
                    writers[name](picture)
                else:
                    suffix = _suffix('frame.jpg', name)
                    write_image(plan[name] / f'frame_{number:06d}{suffix}', picture)
            stats.add(number, result)
        if number < 0:
            raise MediaError(f'{video.source} holds no frame that can be read')
    if video.length and number + 1 < _LENGTH_TOLERANCE * video.length:
        report(f'{video.source} breaks off: {number + 1} of {video.length} frames could be read')


def _is_folder(output):
    return str(output).endswith('/') or Path(output).is_dir() or not Path(output).suffix


def _suffix(source, name):
    """Return the suffix for a picture of ``source``: its own if that does no harm."""
    suffix = Path(source).suffix.lower()
    keeps = suffix in IMAGE_OPTIONS and name not in LOSSLESS and name != 'mask'
    return suffix if keeps else '.png'


def _with_names(output, outputs):
    if len(outputs) == 1:
        return {outputs[0]: output}
    return {name: output.with_name(f'{output.stem}_{name}{output.suffix}') for name in outputs}


def _check_plan(plans, sources):
    for plan in plans:
        for name, path in plan.items():
            if path.suffix.lower() not in IMAGE_OPTIONS:
                raise MediaError(f"cannot write '{path.suffix}' images: use one of "
                                 f'{", ".join(IMAGE_OPTIONS)}')
            if name in LOSSLESS and path.suffix.lower() in LOSSY_SUFFIXES:
                raise MediaError(f"'{path.suffix}' files change values, so they cannot hold "
                                 f'{name}: use .png')
    _check_same(plans, sources)


def _check_same(plans, sources):
    targets = Counter(path.resolve() for plan in plans for path in plan.values())
    for path, times in targets.items():
        if times > 1:
            raise MediaError(f'several pictures would go to {path}: rename the inputs')
    for source in sources:
        if Path(source).resolve() in targets:
            raise MediaError(f'the output {source} is the input: give another output')
