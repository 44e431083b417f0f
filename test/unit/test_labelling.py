"""Masks for labelling tools: what is written, read again, is the same mask."""

import json
import shutil
import zipfile

from fcn_seg_ros.errors import DatasetError, MediaError
from fcn_seg_ros.networks.classes import class_set_from_labels, ClassSet
from fcn_seg_ros.training.datasets import IGNORE, open_dataset
from fcn_seg_ros.training.labelling import write_cvat_masks, write_labelme
import numpy as np
from PIL import Image
import pytest

CLASSES = ('floor', 'Stacked box', 'wall')


def class_set(labels=CLASSES, colors=None):
    count = len(labels)
    colors = np.arange(10, 10 + 3 * count).reshape(count, 3) if colors is None else colors
    return ClassSet('yard', tuple(labels), np.array(colors, np.uint8), ('unknown',) * count,
                    (0,) * count)


def noise(seed, size=(31, 43), enlarged=1):
    """Return a mask of islands within islands, single pixels and corners that touch."""
    mask = np.random.default_rng(seed).choice(np.array([0, 1, 2, IGNORE], np.uint8), size)
    return mask.repeat(enlarged, 0).repeat(enlarged, 1)


def nested():
    """Return rings around rings, with unknown pixels within and without."""
    mask = np.full((60, 80), IGNORE, np.uint8)
    for depth, index in enumerate((0, 1, 0, IGNORE, 2, 1)):
        mask[3 + 4 * depth:-3 - 4 * depth, 5 + 4 * depth:-5 - 4 * depth] = index
    return mask


MASKS = {'noise': noise(0), 'blocks': noise(1, enlarged=5), 'nested': nested(),
         'row': noise(2, (1, 9)), 'column': noise(3, (9, 1)), 'full': noise(4) * 0}


def picture_of(path, mask):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', mask.shape[::-1], (90, 60, 30)).save(path)
    return path


def read_back(root, name):
    """Return the labels of a folder's only picture, by the classes above."""
    (root / 'classes.txt').write_text('\n'.join(CLASSES))
    dataset = open_dataset(name, root, 'all')
    picture, labels = dataset[0]
    assert len(dataset) == 1 and picture.shape[1:] == labels.shape
    return labels.numpy()


@pytest.mark.parametrize('mask', MASKS.values(), ids=MASKS)
def test_polygons_give_the_mask_again_to_the_last_pixel(tmp_path, mask):
    picture = picture_of(tmp_path / 'run/0001.png', mask)
    path = write_labelme(picture, mask, class_set())
    assert path == tmp_path / 'run/0001.json'
    np.testing.assert_array_equal(read_back(tmp_path, 'labelme'), mask)


@pytest.mark.parametrize('mask', MASKS.values(), ids=MASKS)
def test_labelme_reads_the_same_mask(tmp_path, mask):
    utils = pytest.importorskip('labelme.utils', reason='labelme is not installed')
    data = json.loads(write_labelme(tmp_path / '0001.png', mask, class_set()).read_text())
    values = {'__ignore__': -1, **{label: 1 + index for index, label in enumerate(CLASSES)}}
    drawn, _ = utils.shapes_to_label((*mask.shape, 3), data['shapes'], {
        '_background_': 0, **values})
    drawn[drawn == -1] = 0
    np.testing.assert_array_equal(drawn, np.where(mask == IGNORE, 0, mask + 1))


def test_labelmes_file_leads_to_the_picture(tmp_path):
    picture = picture_of(tmp_path / 'pictures/kitchen_1.jpg', nested())
    path = write_labelme(picture, nested(), class_set(), tmp_path / 'labels')
    data = json.loads(path.read_text(encoding='utf-8'))
    assert path == tmp_path / 'labels/kitchen_1.json'
    assert data['imagePath'] == '../pictures/kitchen_1.jpg' and data['imageData'] is None
    assert (data['imageHeight'], data['imageWidth']) == (60, 80)
    assert data['version'].split('.')[0] == '5'
    assert [shape['label'] for shape in data['shapes']] == [
        'floor', 'Stacked box', 'floor', '__ignore__', 'wall', 'Stacked box']
    np.testing.assert_array_equal(read_back(tmp_path, 'labelme'), nested())


def test_unknown_pixels_outside_of_all_are_no_shape(tmp_path):
    mask = np.full((20, 20), IGNORE, np.uint8)
    data = json.loads(write_labelme(tmp_path / 'a.png', mask, class_set()).read_text())
    assert data['shapes'] == []
    mask[5:9, 5:9] = 2
    data = json.loads(write_labelme(tmp_path / 'a.png', mask, class_set()).read_text())
    assert [shape['points'] for shape in data['shapes']] == [[[5, 5], [5, 8], [8, 8], [8, 5]]]


def test_a_tolerance_makes_outlines_that_a_hand_can_move(tmp_path):
    y, x = np.mgrid[:200, :300]
    mask = np.where((x - 150) ** 2 + 2 * (y - 100) ** 2 < 9000, np.uint8(1), np.uint8(0))
    mask[::40, ::40] = 2  # speckles
    picture = picture_of(tmp_path / 'a.png', mask)

    def written(tolerance):
        data = json.loads(write_labelme(picture, mask, class_set(), tolerance=tolerance)
                          .read_text())
        return data['shapes'], read_back(tmp_path, 'labelme')

    exact, same = written(0)
    rough, near = written(1.5)
    np.testing.assert_array_equal(same, mask)
    assert len(exact) == 42 and len(rough) == 2
    points = [sum(len(shape['points']) for shape in shapes if shape['label'] != 'wall')
              for shapes in (exact, rough)]
    assert points[1] < points[0] / 4
    assert np.mean(near != mask) < 0.01


@pytest.mark.parametrize('labels, colors', [
    (CLASSES, None),
    (CLASSES, [[9, 9, 9]] * 3),  # colours that do not tell them apart
    (CLASSES, [[0, 0, 0], [1, 1, 1], [2, 2, 2]]),  # black is CVAT's for not labelled
])
def test_cvats_archive_gives_the_masks_again(tmp_path, labels, colors):
    masks = {'run/0001.jpg': noise(5), 'run/0002.v2.jpg': nested(), 'b.png': noise(6)}
    write_cvat_masks(masks.items(), class_set(labels, colors), tmp_path / 'labels.zip')
    root = tmp_path / 'export'
    shutil.unpack_archive(tmp_path / 'labels.zip', root)
    for name, mask in masks.items():
        picture_of(root / 'JPEGImages' / name, mask)
    (root / 'classes.txt').write_text('\n'.join(CLASSES))
    dataset = open_dataset('cvat', root, 'all')
    read = {path.relative_to(root / 'JPEGImages').as_posix(): dataset[index][1].numpy()
            for index, (path, _) in enumerate(dataset.items)}
    assert read.keys() == masks.keys()
    for name, mask in masks.items():
        np.testing.assert_array_equal(read[name], mask)


def test_cvats_archive_is_what_its_documentation_asks_for(tmp_path):
    labels = ('background', 'grass')
    write_cvat_masks([('a.jpg', np.array([[0, 1, IGNORE]], np.uint8))],
                     class_set(labels, [[7, 7, 7], [0, 200, 0]]), tmp_path / 'x.zip')
    with zipfile.ZipFile(tmp_path / 'x.zip') as archive:
        assert sorted(archive.namelist()) == [
            'ImageSets/Segmentation/default.txt', 'SegmentationClass/a.png', 'labelmap.txt']
        assert archive.read('ImageSets/Segmentation/default.txt') == b'a\n'
        assert archive.read('labelmap.txt').decode() == (
            '# label:color_rgb:parts:actions\nbackground:0,0,0::\ngrass:0,200,0::\n')
        with archive.open('SegmentationClass/a.png') as file, Image.open(file) as picture:
            assert np.array(picture).tolist() == [[[0, 0, 0], [0, 200, 0], [0, 0, 0]]]
    write_cvat_masks([('a.jpg', np.zeros((1, 1), np.uint8))], class_set(), tmp_path / 'x.zip')
    with zipfile.ZipFile(tmp_path / 'x.zip') as archive:  # CVAT wants the background in any case
        assert b'background:0,0,0::\nfloor:10,11,12::\n' in archive.read('labelmap.txt')


def test_what_cannot_be_written_is_one_line_and_leaves_nothing(tmp_path):
    mask, archive = np.zeros((2, 2), np.uint8), tmp_path / 'x.zip'
    with pytest.raises(DatasetError, match=r'class id 3, yard has 0\.\.2'):
        write_labelme(tmp_path / 'a.png', mask + 3, class_set())
    with pytest.raises(DatasetError, match=r'class id 3, yard has 0\.\.2'):
        write_cvat_masks([('a.png', mask), ('b.png', mask + 3)], class_set(), archive)
    with pytest.raises(DatasetError, match='a is there twice'):
        write_cvat_masks([('a.png', mask), ('a.jpg', mask)], class_set(), archive)
    with pytest.raises(DatasetError, match="cannot hold 'a:b'"):
        write_cvat_masks([('a.png', mask)], class_set(('a:b', 'c', 'd')), archive)
    with pytest.raises(DatasetError, match='no mask to write'):
        write_cvat_masks([], class_set(), archive)
    (tmp_path / 'file').touch()
    with pytest.raises(MediaError, match='cannot write'):
        write_labelme(tmp_path / 'a.png', mask, class_set(), tmp_path / 'file')
    with pytest.raises(MediaError, match='cannot write'):
        write_cvat_masks([('a.png', mask)], class_set(), tmp_path / 'file/x.zip')
    assert [path.name for path in tmp_path.iterdir()] == ['file']


def test_255_classes_are_told_apart(tmp_path):
    classes = class_set_from_labels([f'class {i}' for i in range(255)], 'all')
    write_cvat_masks([('a.jpg', np.arange(256, dtype=np.uint8)[None])], classes,
                     tmp_path / 'x.zip')
    with zipfile.ZipFile(tmp_path / 'x.zip') as archive, \
            archive.open('SegmentationClass/a.png') as file, Image.open(file) as picture:
        colors = {color: column for column, color in enumerate(map(tuple, np.array(picture)[0]
                                                                   .tolist()))}
    assert len(colors) == 256 and colors[0, 0, 0] == 255
