"""What labelling tools export, read as it comes: each format in a small sample of its own."""

import base64
from io import BytesIO
import json
from pathlib import Path
import shutil
import zipfile

from fcn_seg_ros.errors import DatasetError, FcnSegError
from fcn_seg_ros.support.arrays import Size
from fcn_seg_ros.training.datasets import IGNORE, open_dataset
from fcn_seg_ros.training.datasets.coco import decode_run_lengths
from fcn_seg_ros.training.datasets.label_studio import decode_brush
from fcn_seg_ros.training.datasets.splitting import divide, sequence_of
import numpy as np
from PIL import Image
import pytest

HEIGHT, WIDTH = 24, 32
FLOOR, BOX = [(0, 12), (31, 12), (31, 23), (0, 23)], [(8, 8), (15, 8), (15, 15), (8, 15)]
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
                [value for point in FLOOR for value in point]]},
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
        shape = f'<polygon label="box" points="{points(BOX)}" z_order="1"/>' if number % 2 else \
            '<mask label="box" rle="0, 64" left="8" top="8" width="8" height="8" z_order="1"/>'
        images.append(f'<image id="{number}" name="{name}.png" width="{WIDTH}" '
                      f'height="{HEIGHT}">{shape}<polygon label="floor" '
                      f'points="{points(FLOOR)}" z_order="0"/><tag label="floor"/></image>')
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
    (root / 'ImageSets/Segmentation/default.txt').write_text('\n'.join(names))
    (root / 'labelmap.txt').write_text(
        '# label:color_rgb:parts:actions\nbackground:0,0,0::\nbox:250,50,83::\n'
        'floor:36,179,83::\nunused:1,2,3::\n')


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
        (left, top), (right, bottom) = percent([BOX[0], BOX[2]])
        box = label_studio_result('brush', 'box', format='rle', rle=brush(truth() == 0)) \
            if number % 2 else label_studio_result(
                'rectangle', 'box', x=left, y=top, width=right - left, height=bottom - top,
                rotation=0)
        floor = label_studio_result('polygon', 'floor', points=percent(FLOOR), closed=True)
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


@pytest.mark.parametrize('zipped', [False, True])
@pytest.mark.parametrize('kind', FORMATS)
def test_an_export_is_read_as_it_comes(tmp_path, kind, zipped):
    root = tmp_path / 'export'
    name = make(root, kind)
    if zipped:
        root = shutil.make_archive(str(tmp_path / 'archive'), 'zip', root)
    dataset = open_dataset(name, root, 'all')
    labels = [label.lower() for label in dataset.classes.labels]
    assert sorted(label for label in labels if label != 'unused') == ['box', 'floor']
    box, floor = labels.index('box'), labels.index('floor')
    assert dataset.classes.roles[floor] == 'ground'  # a common label
    assert len(dataset) == 3
    for index in range(3):
        picture, drawn = dataset[index]
        assert picture.shape == (3, HEIGHT, WIDTH)
        np.testing.assert_array_equal(drawn.numpy(), truth(floor, box))


@pytest.mark.parametrize('kind', FORMATS)
def test_classes_of_ones_own_by_name_in_any_order(tmp_path, kind):
    name = make(tmp_path / 'export', kind)
    (tmp_path / 'export/classes.txt').write_text('Background\nsky\nFLOOR\nbox\n')
    dataset = open_dataset(name, tmp_path / 'export', 'all')
    assert dataset.classes.labels == ('Background', 'sky', 'FLOOR', 'box')
    for index in range(3):
        np.testing.assert_array_equal(dataset.labels(index), truth(2, 3, rest=0))


@pytest.mark.parametrize('kind', FORMATS)
def test_a_label_without_class_names_the_picture(tmp_path, kind):
    name = make(tmp_path / 'export', kind, names=('only',))
    (tmp_path / 'export/classes.txt').write_text('floor\nperson\n')
    with pytest.raises(DatasetError, match="only.png: the label 'box' is none of the classes "
                                           'floor, person'):
        open_dataset(name, tmp_path / 'export', 'all')[0]


@pytest.mark.parametrize('kind', FORMATS)
def test_a_missing_picture_is_named(tmp_path, kind):
    name = make(tmp_path / 'export', kind)
    for path in (tmp_path / 'export').rglob('b_1.png'):
        if 'SegmentationClass' not in path.parts:
            path.unlink()
    if kind == 'roboflow':  # a picture without its mask
        write_picture(tmp_path / 'export/train/c.png', 1)
    with pytest.raises(DatasetError, match='b_1|c_mask.png') as error:
        open_dataset(name, tmp_path / 'export', 'all')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('name', ['labelme', 'coco', 'cvat', 'roboflow', 'labelstudio'])
def test_what_is_no_such_export_is_one_line(tmp_path, name):
    write_picture(tmp_path / 'a.png', 0)
    with pytest.raises(DatasetError) as error:
        open_dataset(name, tmp_path, 'all')
    assert str(tmp_path) in str(error.value) and '\n' not in str(error.value)
    (tmp_path / 'broken.zip').write_bytes(b'PK no archive')
    with pytest.raises(DatasetError, match='cannot read the archive'):
        open_dataset(name, tmp_path / 'broken.zip', 'all')


def test_a_zip_cannot_write_outside_its_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / 'evil.zip', 'w') as file:
        file.writestr('../../evil_written.txt', 'x')
    with pytest.raises(DatasetError):
        open_dataset('labelme', tmp_path / 'evil.zip', 'all')
    assert not list(tmp_path.parent.rglob('evil_written.txt'))


@pytest.mark.parametrize('kind', FORMATS)
def test_a_size_that_is_not_the_pictures_names_it(tmp_path, kind):
    name = make(tmp_path / 'export', kind, names=('only',))
    picture, = (path for path in (tmp_path / 'export').rglob('only.png')
                if 'SegmentationClass' not in path.parts)
    Image.new('RGB', (40, 24)).save(picture)
    with pytest.raises(DatasetError, match='only.png is 40x24 but its labels are 32x24'):
        open_dataset(name, tmp_path / 'export', 'all')[0]


def emptied(root, kind):
    """Take all labels out of an export."""
    for path in root.rglob('*.json'):
        data = json.loads(path.read_text())
        if kind == 'labelstudio-json':
            data[0]['annotations'] = [{'id': 1, 'result': []}]
        elif kind != 'labelstudio-png':
            data.update({'coco': {'annotations': []}, 'labelme': {'shapes': []}}[kind])
        path.write_text(json.dumps(data))
    for path in [*root.rglob('task-*.png'), *root.rglob('SegmentationClass/*.png'),
                 *root.rglob('*_mask.png')]:
        path.unlink()
    for path in root.rglob('annotations.xml'):
        path.write_text('<annotations><image id="0" name="only.png" width="32" height="24"/>'
                        '</annotations>')
    if kind == 'roboflow':
        (root / 'train/only.png').unlink()


@pytest.mark.parametrize('kind', FORMATS)
def test_an_export_without_labels_says_so(tmp_path, kind):
    name = make(tmp_path / 'export', kind, names=('only',))
    emptied(tmp_path / 'export', kind)
    with pytest.raises(DatasetError, match=f'{name}: .*export.*is the export empty') as error:
        open_dataset(name, tmp_path / 'export', 'all')
    assert '\n' not in str(error.value)


def test_pictures_without_labels_are_left_out_unless_there_is_a_background(tmp_path):
    make(tmp_path / 'export', 'labelme')
    path = tmp_path / 'export/b_1.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), 'shapes': []}))
    dataset = open_dataset('labelme', tmp_path / 'export', 'all')
    assert len(dataset) == 2
    assert [(p.name, why) for p, why in dataset.left_out] == [('b_1.png', 'nothing is labelled')]
    (tmp_path / 'export/classes.txt').write_text('background\nfloor\nbox\n')
    dataset = open_dataset('labelme', tmp_path / 'export', 'all')
    assert len(dataset) == 3 and (dataset.labels(2) == 0).all()


@pytest.mark.parametrize('change, message', [
    (lambda data: data['annotations'][0].update(segmentation=[]), 'a box and no outline'),
    (lambda data: data['annotations'][0].update(image_id=99), 'that the file does not have'),
    (lambda data: data['annotations'][0].update(segmentation=[[1, 2, 3]]), 'x, y, x, y'),
    (lambda data: data['annotations'][1]['segmentation'].update(counts=[3]), 'do not fill'),
    (lambda data: data['annotations'][1]['segmentation'].update(size=[1, 1]), 'of the size'),
    (lambda data: data['images'][0].update(width='x'), 'no size of a picture'),
    (lambda data: data.update(images=[], annotations=[]), 'is the export empty'),
])
def test_faults_of_a_coco_file_are_one_line(tmp_path, change, message):
    make(tmp_path / 'export', 'coco', names=('only',))
    path = tmp_path / 'export/annotations/instances_default.json'
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(FcnSegError, match=message) as error:
        open_dataset('coco', tmp_path / 'export', 'all')
    assert '\n' not in str(error.value)


def test_entities_and_videos_of_cvat_are_refused(tmp_path):
    path = tmp_path / 'annotations.xml'
    path.write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotations/>')
    with pytest.raises(DatasetError, match='declares entities'):
        open_dataset('cvat', tmp_path, 'all')
    path.write_text('<annotations><track label="box"/></annotations>')
    with pytest.raises(DatasetError, match='CVAT for images 1.1'):
        open_dataset('cvat', tmp_path, 'all')


def test_packed_run_lengths_are_what_pycocotools_packs(tmp_path):
    coder = pytest.importorskip('pycocotools.mask', reason='pycocotools is not installed')
    rng = np.random.default_rng(0)
    for share in (0.01, 0.5, 0.99):
        mask = rng.random((37, 53)) < share
        mask = mask.repeat(3, 0).repeat(2, 1)
        packed = coder.encode(np.asfortranarray(mask.astype(np.uint8)))
        value = {'size': packed['size'], 'counts': packed['counts'].decode()}
        np.testing.assert_array_equal(decode_run_lengths(value, Size(*mask.shape), 'x'), mask)


def test_a_packed_mask():
    # Made by pycocotools: 4 high, 5 wide, rows 1 and 2 of columns 1 to 3.
    value = {'size': [4, 5], 'counts': '5220003'}
    mask = np.zeros((4, 5), bool)
    mask[1:3, 1:4] = True
    np.testing.assert_array_equal(decode_run_lengths(value, Size(4, 5), 'x'), mask)


@pytest.mark.parametrize('least', [1, 2, 10, 10 ** 6])
@pytest.mark.parametrize('size', [(1, 1), (13, 7), (300, 400)])
def test_brush_strokes_come_out_as_they_went_in(size, least):
    mask = np.random.default_rng(0).random(size) < 0.5
    mask[size[0] // 2:] = True  # longer than the longest run
    np.testing.assert_array_equal(decode_brush(brush(mask, least), Size(*size), 'x'), mask)


def test_brush_strokes_of_label_studios_library():
    library = pytest.importorskip('label_studio_sdk.converter.brush',
                                  reason='label-studio-sdk is not installed')
    rng = np.random.default_rng(0)
    for share in (0.01, 0.5, 0.99):
        mask = (rng.random((37, 53)) < share).repeat(3, 0).repeat(2, 1)
        codes = library.mask2rle(mask.astype(np.uint8) * 255)
        np.testing.assert_array_equal(decode_brush(codes, Size(*mask.shape), 'x'), mask)
        np.testing.assert_array_equal(library.decode_rle(brush(mask, 5)).reshape(
            *mask.shape, 4)[:, :, 3] > 0, mask)


@pytest.mark.parametrize('codes, message', [
    (brush(np.ones((3, 3))), 'of 9 pixels, the picture is 32x24'),
    (brush(np.ones((HEIGHT, WIDTH)))[:8], 'do not fill'),
    ([], 'no list of bytes'), ([256], 'no list of bytes'), ([1.5, 'x'], 'no list of bytes'),
    (None, 'no list of bytes'), ([1], 'the picture is 32x24')])
def test_faults_of_brush_strokes_name_the_picture(codes, message):
    with pytest.raises(DatasetError, match=f'kitchen.png: .*{message}'):
        decode_brush(codes, Size(HEIGHT, WIDTH), 'kitchen.png')


def test_ellipses_and_turned_boxes_of_label_studio(tmp_path):
    make(tmp_path / 'export', 'labelstudio-json', names=('only',))
    path = tmp_path / 'export/project.json'
    tasks = json.loads(path.read_text())
    tasks[0]['annotations'] = [{'id': 1, 'ground_truth': True, 'result': [
        label_studio_result('ellipse', 'box', x=25, y=50, radiusX=12.5, radiusY=25, rotation=0),
        # From its first corner (24, 4) a quarter turn makes it lie to the left and below.
        label_studio_result('rectangle', 'floor', x=75, y=100 / 6, width=25, height=12.5,
                            rotation=90)]}, {'id': 2, 'updated_at': '2027', 'result': []}]
    path.write_text(json.dumps(tasks))
    labels = open_dataset('labelstudio', tmp_path / 'export', 'all').labels(0)
    assert (labels[4:13, 21:25] == 1).all() and (labels == 1).sum() == 36
    y, x = np.nonzero(labels == 0)
    assert (x.min(), x.max(), y.min(), y.max()) == (4, 12, 6, 18)
    assert (labels == 0).sum() == pytest.approx(np.pi * 4.5 * 6.5, rel=0.1)


@pytest.mark.parametrize('change, message', [
    (lambda task, box: box.update(image_rotation=90), 'a_2.png was turned in Label Studio'),
    (lambda task, box: box['value'].update(imageDataURL='data:,'), "a_2.png: 'box' is a bitmask"),
    (lambda task, box: box.update(original_width=31), 'a_2.png: labels of the sizes'),
    (lambda task, box: box.update(value=3), 'task 2 has a result that is no mapping'),
    (lambda task, box: task.update(data={}, file_upload=None), 'task 2 names no picture'),
    (lambda task, box: task.update(annotator=1), 'JSON-MIN'),
])
def test_faults_of_label_studios_file_are_one_line(tmp_path, change, message):
    make(tmp_path / 'export', 'labelstudio-json')
    path = tmp_path / 'export/project.json'
    tasks = json.loads(path.read_text())
    change(tasks[1], tasks[1]['annotations'][0]['result'][2])
    path.write_text(json.dumps(tasks))
    with pytest.raises(DatasetError, match=message) as error:
        open_dataset('labelstudio', tmp_path / 'export', 'all')
    assert '\n' not in str(error.value)


def test_masks_of_two_sizes_for_one_picture_of_label_studio(tmp_path):
    make(tmp_path / 'export', 'labelstudio-png', names=('only',))
    mask, = (tmp_path / 'export').glob('*-annotation-7-*floor-0.png')
    Image.new('L', (3, 3)).save(mask)
    with pytest.raises(DatasetError, match='floor-0.png is 3x3, .*only.png are 32x24'):
        open_dataset('labelstudio', tmp_path / 'export', 'all')
    mask.write_bytes(b'no picture')
    with pytest.raises(DatasetError, match='cannot read the mask .*floor-0.png'):
        open_dataset('labelstudio', tmp_path / 'export', 'all')


def test_a_turned_rectangle_of_labelme(tmp_path):
    make(tmp_path / 'export', 'labelme', names=('only',))
    path = tmp_path / 'export/only.json'
    data = json.loads(path.read_text())
    data['shapes'] = [{'label': 'box', 'shape_type': 'oriented_rectangle',
                       'points': [[16, 4], [24, 12], [16, 20], [8, 12]]}]
    path.write_text(json.dumps(data))
    labels = open_dataset('labelme', tmp_path / 'export', 'all').labels(0)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    np.testing.assert_array_equal(labels == 0, abs(x - 16) + abs(y - 12) <= 8)


def items(*names):
    return [(Path(name), name) for name in names]


def test_names_tell_recordings():
    assert sequence_of(Path('d/drive_000012.png')) == ('d/drive', 12)
    assert sequence_of(Path('d/drive_000012_png.rf.9aBc.jpg')) == ('d/drive', 12)
    assert sequence_of(Path('d/0a1b2c3d-drive_000012.png')) == ('d/drive', 12)
    assert sequence_of(Path('d/kitchen.png')) == ('d/kitchen', 0)


def test_recordings_are_divided_as_wholes():
    names = [f'{run}_{i}.png' for run in 'abcde' for i in range(10)]
    train, val, between, note = divide(items(*names))
    assert {name for _, name in val} == {f'e_{i}.png' for i in range(10)}
    assert len(train) == 40 and not between and '5' in note


@pytest.mark.parametrize('count', [2, 3, 10, 100])
def test_one_recording_is_cut_once_with_a_gap(count):
    names = [f'a_{i}.png' for i in reversed(range(count))]
    train, val, between, note = divide(items(*names))
    numbers = [[int(name[2:-4]) for _, name in part] for part in (train, between, val)]
    assert sum(numbers, []) == list(range(count))  # in time, not by text
    assert train and val and (between or count == 2) and 'one recording' in note
    assert len(val) == max(1, count // 5)


def test_an_undivided_export_is_divided_once_for_train_and_val(tmp_path):
    make(tmp_path / 'export', 'coco', names=[f'a_{i}' for i in range(10)])
    train, val = (open_dataset('coco', tmp_path / 'export', split) for split in ('train', 'val'))
    assert [path.stem for path, _ in val.items] == ['a_8', 'a_9']
    assert [path.stem for path, _ in train.items] == [f'a_{i}' for i in range(7)]
    assert [(path.stem, why) for path, why in train.left_out] == [
        ('a_7', 'between train and val')]
    assert 'one recording' in train.notes[0]


def test_an_exports_own_split_is_kept(tmp_path):
    for part, names in (('train', ('a_1', 'a_2')), ('valid', ('b_1',))):
        make(tmp_path / 'x', 'roboflow', names)
        (tmp_path / 'export').mkdir(exist_ok=True)
        (tmp_path / 'x/train').rename(tmp_path / 'export' / part)
    counts = {split: len(open_dataset('roboflow', tmp_path / 'export', split))
              for split in ('train', 'val', 'all')}
    assert counts == {'train': 2, 'val': 1, 'all': 3}
