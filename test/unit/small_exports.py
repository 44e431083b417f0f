"""An export of each labelling tool that is read, of one scene: a floor and a box on it."""

import base64
from io import BytesIO
import json

from fcn_seg_ros.training.datasets import IGNORE
import numpy as np
from PIL import Image

HEIGHT, WIDTH = 24, 32
FLOOR, BOX = [(0, 12), (31, 12), (31, 23), (0, 23)], [(8, 8), (15, 8), (15, 15), (8, 15)]
# The same where points lie between pixels: all tools but LabelMe.
FLOOR_EDGE, BOX_EDGE = [(0, 12), (32, 12), (32, 24), (0, 24)], [(8, 8), (16, 8), (16, 16), (8, 16)]
FORMATS = ('labelme', 'coco', 'cvat-xml', 'cvat-mask', 'roboflow', 'labelstudio-json',
           'labelstudio-png')


def truth(floor=1, box=0, rest=IGNORE):
    """Return the scene's labels: a floor below, a box that stands on it and covers it."""
    labels = np.full((HEIGHT, WIDTH), rest, np.uint8)
    labels[12:24] = floor
    labels[8:16, 8:16] = box
    return labels


def write_picture(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(noise).save(path)


def labelme(root, names):
    for seed, name in enumerate(names):
        write_picture(root / f'{name}.png', seed)
        # The base64 PNG is of the box's own size, as LabelMe's AI masks are.
        mask = BytesIO()
        Image.fromarray(np.full((8, 8), 255, np.uint8)).save(mask, 'PNG')
        box = {'label': 'box', 'shape_type': 'mask', 'points': [[8, 8], [15, 15]],
               'mask': base64.b64encode(mask.getvalue()).decode()} if seed % 2 else \
            {'label': 'box', 'shape_type': 'rectangle', 'points': [[15, 15], [8, 8]]}
        (root / f'{name}.json').write_text(json.dumps({
            'version': '5.5.0', 'imagePath': f'{name}.png', 'imageData': None,
            'imageHeight': HEIGHT, 'imageWidth': WIDTH, 'shapes': [
                {'label': 'Floor', 'shape_type': 'polygon', 'points': FLOOR},
                {'label': 'floor', 'shape_type': 'point', 'points': [[1, 1]]}, box]}))


def coco(root, names):
    images, annotations = [], []
    for number, name in enumerate(names):
        write_picture(root / 'images' / f'{name}.png', number)
        images.append({'id': 7 * number, 'file_name': f'{name}.png', 'width': WIDTH,
                       'height': HEIGHT})
        box = (truth(rest=9) == 0).T.ravel()
        edges = np.flatnonzero(np.diff(box)) + 1
        counts = np.diff([0, *edges, box.size]).tolist()
        annotations += [
            {'image_id': 7 * number, 'category_id': 5, 'segmentation': [
                [value for point in FLOOR_EDGE for value in point]]},
            {'image_id': 7 * number, 'category_id': 3, 'iscrowd': 1, 'segmentation': {
                'size': [HEIGHT, WIDTH], 'counts': counts}}]
    (root / 'annotations').mkdir(parents=True)
    (root / 'annotations/instances_default.json').write_text(json.dumps({
        'images': images, 'annotations': annotations, 'categories': [
            {'id': 9, 'name': 'things'}, {'id': 3, 'name': 'box'}, {'id': 5, 'name': 'floor'}]}))


def points(outline):
    return ';'.join(f'{x:.2f},{y:.2f}' for x, y in outline)


def cvat_xml(root, names):
    images = []
    for number, name in enumerate(names):
        write_picture(root / 'images' / f'{name}.png', number)
        # In the file the box comes first: z_order puts it on top.
        box = points(BOX_EDGE)
        shape = f'<polygon label="box" points="{box}" z_order="1"/>' if number % 2 else \
            '<mask label="box" rle="0, 64" left="8" top="8" width="8" height="8" z_order="1"/>'
        images.append(f'<image id="{number}" name="{name}.png" width="{WIDTH}" '
                      f'height="{HEIGHT}">{shape}<polygon label="floor" '
                      f'points="{points(FLOOR_EDGE)}" z_order="0"/><tag label="floor"/></image>')
    (root / 'annotations.xml').write_text(
        '<?xml version="1.0"?><annotations><version>1.1</version><meta><job><labels>'
        '<label><name>box</name><color>#fa3253</color></label>'
        '<label><name>floor</name><color>#24b353</color></label></labels></job></meta>'
        f'{"".join(images)}</annotations>')


def cvat_mask(root, names):
    colors = np.zeros((256, 3), np.uint8)
    colors[:2] = (250, 50, 83), (36, 179, 83)
    (root / 'SegmentationClass').mkdir(parents=True)
    for number, name in enumerate(names):
        write_picture(root / 'JPEGImages' / f'{name}.png', number)
        Image.fromarray(colors[truth()]).save(root / 'SegmentationClass' / f'{name}.png')
    (root / 'ImageSets/Segmentation').mkdir(parents=True)
    # With byte order marks, as when somebody has looked into them with an editor of Windows.
    (root / 'ImageSets/Segmentation/default.txt').write_text('\n'.join(names), 'utf-8-sig')
    (root / 'labelmap.txt').write_text(
        '# label:color_rgb:parts:actions\nbackground:0,0,0::\nbox:250,50,83::\n'
        'floor:36,179,83::\nunused:1,2,3::\n', 'utf-8-sig')


def roboflow(root, names):
    for number, name in enumerate(names):
        write_picture(root / 'train' / f'{name}.png', number)
        Image.fromarray(truth(floor=2, box=1, rest=0)).save(root / 'train' / f'{name}_mask.png')
    (root / 'train/_classes.csv').write_text(
        'Pixel Value, Class\n0, background\n1, box\n2, floor\n')


def brush(mask, least=1):
    """Return the bytes of a brush's mask; runs shorter than ``least`` are written word by word."""
    values = np.repeat(mask.astype(np.uint8).ravel() * 255, 4)
    bits = f'{values.size:032b}{7:05b}' + ''.join(f'{width - 1:04b}' for width in (3, 4, 8, 16))
    ends = [*(np.flatnonzero(np.diff(values)) + 1).tolist(), values.size]
    for start, end in zip([0, *ends], ends):
        for place in range(start, end, 1 << 16):
            length = min(end - place, 1 << 16)
            index = next(i for i, width in enumerate((3, 4, 8, 16)) if length <= 1 << width)
            words = values[place:place + (1 if length >= least else length)].tolist()
            bits += f'{int(length >= least)}{index:02b}{length - 1:0{(3, 4, 8, 16)[index]}b}'
            bits += ''.join(f'{word:08b}' for word in words)
    bits += '0' * (-len(bits) % 8)
    return [int(bits[i:i + 8], 2) for i in range(0, len(bits), 8)]


def label_studio_result(kind, label, **value):
    return {'original_width': WIDTH, 'original_height': HEIGHT, 'image_rotation': 0,
            'from_name': 'tag', 'to_name': 'image', 'type': f'{kind}labels',
            'value': {**value, f'{kind}labels': [label]}}


def percent(outline):
    return [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in outline]


def label_studio_json(root, names):
    tasks = []
    for number, name in enumerate(names):
        write_picture(root / f'{name}.png', number)
        (left, top), (right, bottom) = percent([BOX_EDGE[0], BOX_EDGE[2]])
        box = label_studio_result('brush', 'box', format='rle', rle=brush(truth() == 0)) \
            if number % 2 else label_studio_result(
                'rectangle', 'box', x=left, y=top, width=right - left, height=bottom - top,
                rotation=0)
        floor = label_studio_result('polygon', 'floor', points=percent(FLOOR_EDGE), closed=True)
        point = label_studio_result('keypoint', 'floor', x=1, y=1, width=0.5)
        wrong = [label_studio_result('rectangle', 'box', x=0, y=0, width=100, height=100)]
        tasks.append({'id': number + 1, 'file_upload': f'0123abcd-{name}.png', 'data': {
            'image': f'/data/upload/1/0123abcd-{name}.png'}, 'annotations': [
                {'id': 3, 'updated_at': '2026-02-01T', 'result': [floor, point, box]},
                {'id': 2, 'updated_at': '2026-01-01T', 'result': wrong},
                {'id': 9, 'updated_at': '2026-03-01T', 'result': wrong, 'was_cancelled': True}]})
    (root / 'project.json').write_text(json.dumps(tasks))


def label_studio_png(root, names):
    tasks = []
    for number, name in enumerate(names):
        write_picture(root / f'pictures/{name}.png', number)
        tasks.append({'id': number + 1, 'data': {
            'image': f'/data/local-files/?d=drive%20one/{name}.png'}})
        for annotation, index in ((7, 1), (7, 0), (5, 1)):  # the floor lies below the box
            mask = (truth() == index) if annotation == 7 else np.ones((HEIGHT, WIDTH))
            Image.fromarray((mask * 255).astype(np.uint8)).save(
                root / f'task-{number + 1}-annotation-{annotation}-by-me@x.org-tag-'
                f'{("box", "floor")[index]}-0.png')
    (root / 'tasks.json').write_text(json.dumps(tasks))


WRITERS = dict(zip(FORMATS, (labelme, coco, cvat_xml, cvat_mask, roboflow, label_studio_json,
                             label_studio_png)))


def make(root, kind, names=('a_1', 'a_2', 'b_1')):
    root.mkdir(exist_ok=True)
    WRITERS[kind](root, names)
    return kind.partition('-')[0]
