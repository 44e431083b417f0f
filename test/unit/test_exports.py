"""What labelling tools export, read as it comes: each format in a small sample of its own."""

import json
import shutil
import zipfile

import cv2
from fcn_seg_ros.errors import DatasetError, FcnSegError
from fcn_seg_ros.support.arrays import Size
from fcn_seg_ros.training.datasets import open_dataset
from fcn_seg_ros.training.datasets.coco import decode_run_lengths
from fcn_seg_ros.training.datasets.shapes import Area
import numpy as np
from PIL import Image
import pytest
from small_exports import FORMATS, HEIGHT, make, truth, WIDTH, write_picture


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


def test_an_order_of_cvat_that_is_no_number_names_the_picture(tmp_path):
    make(tmp_path / 'export', 'cvat-xml', names=('only',))
    path = tmp_path / 'export/annotations.xml'
    path.write_text(path.read_text().replace('z_order="1"', 'z_order="top"'))
    with pytest.raises(DatasetError, match="only.png: 'z_order' must be a number"):
        open_dataset('cvat', tmp_path / 'export', 'all')


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


def outlines(count):
    """Return polygons about a picture of 53 x 37 pixels, some beyond its borders."""
    rng = np.random.default_rng(0)
    for corners in rng.integers(3, 12, count):
        turns = np.sort(rng.uniform(0, 2 * np.pi, corners))
        reach = rng.uniform(0.4, 1, corners) * rng.uniform(3, 30)
        yield np.round(rng.uniform((-5, -5), (58, 42)) + np.stack(
            [np.cos(turns), np.sin(turns)], 1) * reach[:, None], 2)


def drawn(*rings):
    canvas = Image.new('L', (53, 37))
    Area('box', tuple(tuple(map(tuple, points)) for points in rings)).draw(canvas, 1)
    return np.array(canvas) == 1


def test_an_area_has_the_pixels_whose_middle_is_inside():
    for points in outlines(50):
        contour = points.astype(np.float32)
        inside = [[cv2.pointPolygonTest(contour, (x + 0.5, y + 0.5), False) > 0
                   for x in range(53)] for y in range(37)]
        np.testing.assert_array_equal(drawn(points), inside)


def test_an_area_is_a_libraries_but_for_pixels_at_its_edge():
    coder = pytest.importorskip('pycocotools.mask', reason='pycocotools is not installed')
    both = either = 0
    for points in outlines(200):
        theirs = coder.decode(coder.merge(coder.frPyObjects([points.ravel().tolist()], 37, 53)))
        both += (drawn(points) & (theirs == 1)).sum()
        either += (drawn(points) | (theirs == 1)).sum()
    assert both / either > 0.98


@pytest.mark.parametrize('points', [
    [(70, 5), (80, 5), (80, 9)], [(1, -9), (9, -9), (9, -2)], [(2, 2), (2, 2), (2, 2)],
    [(1.6, 1), (1.7, 20), (1.65, 20)], [(3, 7.6), (9, 7.7), (20, 7.9)], [(3, 3), (9, 9)]])
def test_outlines_around_no_pixels_middle_have_no_area(points):
    assert not drawn(points).any()


def test_outlines_far_away_and_several_fill_the_picture():
    far = 1e300
    assert drawn([(-far, -far), (far, -far), (far, far), (-far, far)]).all()
    upper, lower = ([(0, y), (53, y), (53, y + 20), (0, y + 20)] for y in (0, 20))
    assert drawn(upper, lower).all()


def labelme_shape(root, kind, points):
    """Return the labels of a picture with one shape, of a class 'box'."""
    make(root, 'labelme', names=('only',))
    path = root / 'only.json'
    data = json.loads(path.read_text())
    data['shapes'] = [{'label': 'box', 'shape_type': kind, 'points': points}]
    path.write_text(json.dumps(data))
    return open_dataset('labelme', root, 'all').labels(0)


def test_circles_of_labelme(tmp_path):
    labels = labelme_shape(tmp_path, 'circle', [[16, 12], [20, 12]])
    y, x = np.nonzero(labels == 0)
    assert (x.min(), x.max(), y.min(), y.max()) == (12, 20, 8, 16)  # with the rim, as there
    assert (labels == 0).sum() == pytest.approx(np.pi * 4.5 ** 2, rel=0.1)
    with pytest.raises(DatasetError, match="only.json: a circle 'box' with a radius of 1e.09"):
        labelme_shape(tmp_path, 'circle', [[16, 12], [1e9, 12]])


def test_a_turned_rectangle_of_labelme(tmp_path):
    labels = labelme_shape(tmp_path, 'oriented_rectangle', [[16, 4], [24, 12], [16, 20], [8, 12]])
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    np.testing.assert_array_equal(labels == 0, abs(x - 16) + abs(y - 12) <= 8)
