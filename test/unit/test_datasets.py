"""Each loader on a small tree of exactly the layout that its data set publishes."""

import sys

from fcn_seg_ros.errors import DatasetError, FcnSegError
from fcn_seg_ros.training import datasets
from fcn_seg_ros.training.datasets import Cached, DATASETS, IGNORE, open_dataset
from fcn_seg_ros.training.datasets.base import ids_table, load_spec
import numpy as np
from PIL import Image
import pytest
import torch

SIZE = (6, 8)


def write_image(path, color=(10, 20, 30), size=SIZE):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', size[::-1], color).save(path)


def write_labels(path, values, palette=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.asarray(values, np.uint8))
    if palette:
        picture = picture.convert('P')
        picture.putpalette([v for i in range(256) for v in (255 - i, i, 7)])
        picture.frombytes(np.asarray(values, np.uint8).tobytes())
    picture.save(path)


def ids(*values):
    """Return an H x W array that begins with these values, the rest is the first of them."""
    labels = np.full(SIZE, values[0], np.uint8)
    labels[0, :len(values)] = values
    return labels


def first_row(dataset, index=0):
    image, labels = dataset[index]
    assert image.dtype == torch.uint8 and image.shape == (3, *SIZE)
    assert labels.dtype == torch.uint8 and labels.shape == SIZE
    return labels[0].tolist()


def test_a_module_with_a_named_class_is_a_data_set():
    assert list(DATASETS) == sorted(DATASETS)
    assert {'camvid', 'cityscapes', 'deepscene', 'folder', 'mhp', 'sun', 'voc', 'voc+sbd'} \
        <= set(DATASETS)
    assert all(kind.name == name for name, kind in DATASETS.items())


def test_a_new_data_set_is_one_module(tmp_path, monkeypatch):
    (tmp_path / 'yard.py').write_text(
        'from .base import LabelPictures\n'
        'class Yard(LabelPictures):\n'
        '    """Found without being named elsewhere."""\n'
        "    name = 'yard'\n")
    monkeypatch.setattr(datasets, '__path__', [*datasets.__path__, str(tmp_path)])
    found = datasets._find_datasets()
    assert set(found) == {*DATASETS, 'yard'} and found['yard'].__doc__
    monkeypatch.delitem(sys.modules, 'fcn_seg_ros.training.datasets.yard')


@pytest.mark.parametrize('tutorial', [False, True])
def test_camvid_layouts(tmp_path, tutorial):
    images, labels = ('train', 'trainannot') if tutorial else ('train/images', 'train/labels')
    write_image(tmp_path / images / '0001TP_1.png', color=(200, 100, 50))
    write_labels(tmp_path / labels / '0001TP_1.png', ids(0, 10, 11, 3))
    dataset = open_dataset('camvid', tmp_path, 'train')
    assert first_row(dataset)[:4] == [0, 10, IGNORE, 3]
    assert dataset[0][0][:, 0, 0].tolist() == [200, 100, 50]
    assert dataset.classes.labels[3] == 'road' and len(dataset.classes) == 11


def test_include_and_exclude_pick_sequences(tmp_path):
    for name in ('a_1', 'a_2', 'b_1'):
        write_image(tmp_path / 'train/images' / f'{name}.jpg')
        write_labels(tmp_path / 'train/labels' / f'{name}.png', ids(0))
    assert len(open_dataset('camvid', tmp_path, exclude=['a_*'])) == 1
    assert len(open_dataset('camvid', tmp_path, include=['a_*'])) == 2
    assert len(open_dataset('camvid', tmp_path, include=['a_*'], exclude=['*_2'])) == 1
    with pytest.raises(DatasetError, match='no picture'):
        open_dataset('camvid', tmp_path, include=['c_*'])


def test_cityscapes_layout_and_map(tmp_path):
    stem = 'ulm_000001_000019'
    write_image(tmp_path / 'leftImg8bit/val/ulm' / f'{stem}_leftImg8bit.png')
    # unlabeled, ego vehicle, road, sidewalk, bicycle, licence plate as 255
    write_labels(tmp_path / 'gtFine/val/ulm' / f'{stem}_gtFine_labelIds.png',
                 ids(0, 1, 7, 8, 33, 255, 34))
    dataset = open_dataset('cityscapes', tmp_path, 'val')
    row = first_row(dataset)
    assert row[:7] == [IGNORE, 1, 3, 4, 20, IGNORE, IGNORE]
    assert [dataset.classes.labels[i] for i in row[2:5]] == ['road', 'sidewalk', 'bicycle']


def test_deepscene_layout_and_colours(tmp_path):
    write_image(tmp_path / 'test/rgb/b1-09517_Clipped.jpg')
    labels = np.zeros((*SIZE, 3), np.uint8)
    labels[0, :6] = [(170, 170, 170), (0, 255, 0), (102, 102, 51), (0, 60, 0), (0, 120, 255),
                     (1, 2, 3)]
    write_labels(tmp_path / 'test/GT_color/b1-09517_mask.png', labels)
    dataset = open_dataset('deepscene', tmp_path, 'val')
    assert first_row(dataset) == [0, 1, 2, 2, 4, IGNORE, 3, 3]


def test_mhp_overlays_persons(tmp_path):
    (tmp_path / 'list').mkdir()
    # With a byte order mark, as editors of Windows write it.
    (tmp_path / 'list/val.txt').write_text('7\n', encoding='utf-8-sig')
    write_image(tmp_path / 'val/images/7.jpg')
    for n, row in ((1, ids(0, 3, 4, 0)), (2, ids(0, 0, 17, 58))):
        # Published as RGB pictures with the id in red.
        red = np.stack([row, np.zeros_like(row), np.zeros_like(row)], -1)
        write_labels(tmp_path / f'val/parsing_annos/7_02_0{n}.png', red)
    dataset = open_dataset('mhp', tmp_path, 'val')
    assert first_row(dataset)[:4] == [0, 2, 11, 11]


def test_sun_offsets_training_labels(tmp_path):
    write_image(tmp_path / 'SUNRGBD-train_images/img-000002.jpg')
    write_image(tmp_path / 'SUNRGBD-test_images/img-000002.jpg')
    write_labels(tmp_path / 'sunrgbd_train_test_labels/img-005052.png', ids(10, 37))
    write_labels(tmp_path / 'sunrgbd_train_test_labels/img-000002.png', ids(1))
    assert first_row(open_dataset('sun', tmp_path, 'train'))[:2] == [3, 0]
    assert first_row(open_dataset('sun', tmp_path, 'val'))[:2] == [1, 1]


def voc_tree(root):
    base = root / 'VOCdevkit/VOC2012'
    (base / 'ImageSets/Segmentation').mkdir(parents=True)
    for split, name in (('train', '2007_1'), ('val', '2007_2')):
        (base / f'ImageSets/Segmentation/{split}.txt').write_text(f'{name}\n')
        write_image(base / f'JPEGImages/{name}.jpg')
        write_labels(base / f'SegmentationClass/{name}.png', ids(0, 20, 255, 5), palette=True)


def test_voc_reads_palette_indices(tmp_path):
    voc_tree(tmp_path)
    dataset = open_dataset('voc', tmp_path, 'val')
    assert first_row(dataset)[:4] == [0, 20, IGNORE, 5]
    assert dataset.classes.labels[20] == 'tvmonitor'


def test_sbd_adds_to_voc_train_but_never_its_val(tmp_path):
    savemat = pytest.importorskip('scipy.io').savemat
    voc_tree(tmp_path)
    base = tmp_path / 'benchmark_RELEASE/dataset'
    (base / 'cls').mkdir(parents=True)
    (base / 'train.txt').write_text('2007_1\n2008_3\n')
    (base / 'val.txt').write_text('2007_2\n')
    write_image(base / 'img/2008_3.jpg')
    savemat(base / 'cls/2008_3.mat', {'GTcls': {'Segmentation': ids(15, 0)}})
    dataset = open_dataset('voc+sbd', tmp_path, 'train')
    assert [image.stem for image, _ in dataset.items] == ['2007_1', '2008_3']
    assert first_row(dataset, 1)[:3] == [15, 0, 15]
    assert len(open_dataset('voc+sbd', tmp_path, 'val')) == 1


def test_folder_with_ids_colours_and_subfolders(tmp_path):
    (tmp_path / 'classes.txt').write_text('floor\nbox\n')
    (tmp_path / 'colors.txt').write_text('0 0 0\n255 0 0\n')
    write_image(tmp_path / 'train/images/a/1.jpg')
    write_labels(tmp_path / 'train/labels/a/1.png', ids(0, 1, 255))
    colour = np.zeros((*SIZE, 3), np.uint8)
    colour[0, 1] = (255, 0, 0)
    colour[0, 2] = 255
    write_image(tmp_path / 'train/images/b/1.jpg')
    write_labels(tmp_path / 'train/labels/b/1.png', colour)
    dataset = open_dataset('folder', tmp_path, 'train')
    assert dataset.classes.labels == ('floor', 'box')
    assert dataset.classes.roles == ('ground', 'unknown')  # a common label, and another
    assert first_row(dataset, 0)[:4] == [0, 1, IGNORE, 0]
    assert first_row(dataset, 1)[:4] == [0, 1, IGNORE, 0]


@pytest.mark.parametrize('value', [2, (1, 2, 3)])
def test_folder_rejects_values_that_are_no_class(tmp_path, value):
    (tmp_path / 'classes.txt').write_text('floor\nbox\n')
    write_image(tmp_path / 'train/images/1.jpg')
    shape = SIZE if isinstance(value, int) else (*SIZE, 3)
    write_labels(tmp_path / 'train/labels/1.png', np.full(shape, value))
    with pytest.raises(DatasetError, match='is no class'):
        open_dataset('folder', tmp_path, 'train')[0]


@pytest.mark.parametrize('name, make, missing', [
    ('camvid', ['train/images/a.jpg', 'train/labels/b.png'], 'train/labels/a.png'),
    ('camvid', ['x.jpg'], 'train/images'),
    ('cityscapes', ['x.jpg'], 'leftImg8bit/train'),
    ('cityscapes', ['leftImg8bit/train/u/a_leftImg8bit.png', 'gtFine/train/u/b.png'],
     'gtFine/train/u/a_gtFine_labelIds.png'),
    ('deepscene', ['train/rgb/a.jpg', 'train/GT_color/b_mask.png'], 'train/GT_color'),
    ('mhp', ['x.jpg'], 'list/train.txt'),
    ('voc', ['x.jpg'], 'ImageSets/Segmentation/train.txt'),
    ('sun', ['SUNRGBD-train_images/img-000001.jpg', 'sunrgbd_train_test_labels/a.png'],
     'sunrgbd_train_test_labels/img-005051.png'),
    ('folder', ['x.jpg'], 'classes.txt'),
])
def test_the_missing_file_is_named(tmp_path, name, make, missing):
    for path in make:
        write_image(tmp_path / path)
    with pytest.raises(DatasetError) as error:
        open_dataset(name, tmp_path, 'train')
    assert str(tmp_path / missing) in str(error.value) and '\n' not in str(error.value)


def test_other_faults_are_one_line_errors(tmp_path):
    write_image(tmp_path / 'train/images/a.jpg')
    write_labels(tmp_path / 'train/labels/a.png', np.zeros((3, 3)))
    with pytest.raises(DatasetError, match='8x6 but its labels are 3x3'):
        open_dataset('camvid', tmp_path)[0]
    (tmp_path / 'train/labels/a.png').write_bytes(b'no picture')
    with pytest.raises(DatasetError, match='cannot read the label file'):
        open_dataset('camvid', tmp_path)[0]
    with pytest.raises(DatasetError, match='known: camvid'):
        open_dataset('imagenet', tmp_path)
    with pytest.raises(DatasetError, match="no split 'tset'"):
        open_dataset('camvid', tmp_path, 'tset')
    with pytest.raises(DatasetError, match='no-such-folder is missing'):
        open_dataset('camvid', tmp_path / 'no-such-folder')


@pytest.mark.parametrize('orientation', [1, 3, 6, 8])
def test_pictures_come_upright_as_segment_reads_them(tmp_path, orientation):
    scene = np.zeros((48, 64, 3), np.uint8)  # what was before the camera: bright on the left
    scene[:, :32] = 255
    stored = np.rot90(scene, {1: 0, 3: 2, 6: 1, 8: 3}[orientation])
    picture = Image.fromarray(np.ascontiguousarray(stored))
    exif = picture.getexif()
    exif[0x0112] = orientation
    (tmp_path / 'train/images').mkdir(parents=True)
    picture.save(tmp_path / 'train/images/a.jpg', exif=exif)
    write_labels(tmp_path / 'train/labels/a.png', np.zeros((48, 64)))
    image, labels = open_dataset('camvid', tmp_path)[0]
    assert image.shape[1:] == labels.shape == (48, 64)
    assert image[:, :, :28].min() > 200 and image[:, :, 36:].max() < 50
    if orientation > 5:  # labels of the picture as it is stored
        write_labels(tmp_path / 'train/labels/a.png', np.zeros((64, 48)))
        with pytest.raises(DatasetError, match=f'64x48 .upright by its EXIF orientation '
                                               f'{orientation}. but its labels are 48x64'):
            open_dataset('camvid', tmp_path)[0]


@pytest.mark.parametrize('palette', [False, True])
def test_labels_are_turned_by_their_own_orientation(tmp_path, palette):
    # Some tools copy the photograph's EXIF into the mask that they draw on it.
    exif = Image.Exif()
    exif[0x0112] = 3
    write_image(tmp_path / 'train/images/a.jpg')
    write_labels(tmp_path / 'train/labels/a.png', ids(0, 1, 2), palette)
    with Image.open(tmp_path / 'train/labels/a.png') as stored:
        stored.load()
        stored.save(tmp_path / 'train/labels/a.png', exif=exif)
    (tmp_path / 'classes.txt').write_text('floor\nbox\nwall\n')
    labels = open_dataset('folder', tmp_path)[0][1].numpy()
    assert np.array_equal(labels, ids(0, 1, 2)[::-1, ::-1])


def test_a_picture_cut_short_is_refused_by_name(tmp_path):
    write_image(tmp_path / 'train/images/a.jpg', size=(64, 64))
    write_labels(tmp_path / 'train/labels/a.png', np.zeros((64, 64)))
    path = tmp_path / 'train/images/a.jpg'
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(FcnSegError, match='a.jpg'):
        open_dataset('camvid', tmp_path)[0]


def test_every_format_of_pictures_and_no_hidden_file(tmp_path):
    (tmp_path / 'classes.txt').write_text('floor\nbox\n')
    for suffix in ('.tif', '.webp', '.pgm', '.JPG', '.jfif'):
        write_image(tmp_path / f'val/images/x{suffix[1:]}{suffix}')
        write_labels(tmp_path / f'val/labels/x{suffix[1:]}.png', ids(0, 1))
    (tmp_path / 'val/images/._x.jpg').write_bytes(b'made by macOS')
    (tmp_path / 'val/images/.DS_Store').write_bytes(b'made by macOS')
    (tmp_path / 'val/images/x.heic').write_bytes(b'?')
    dataset = open_dataset('folder', tmp_path, 'val')
    assert [dataset[i][0].shape for i in range(len(dataset))] == [(3, *SIZE)] * 5
    assert [(path.name, reason) for path, reason in dataset.left_out] == [
        ('x.heic', 'of no format that is read')]


def test_black_and_white_masks_are_two_classes(tmp_path):
    (tmp_path / 'classes.txt').write_text('background\nperson\n')
    for split, values in (('train', (0, 255)), ('val', (0, 0))):
        write_image(tmp_path / split / 'images/1.jpg')
        write_labels(tmp_path / split / 'labels/1.png', ids(*values))
    for split, second in (('train', 1), ('val', 0)):
        dataset = open_dataset('folder', tmp_path, split)
        assert first_row(dataset)[:2] == [0, second]
        assert "255 is read as 'person'" in dataset.notes[0]
    # One true id anywhere, and 255 means what it always means.
    write_image(tmp_path / 'val/images/2.jpg')
    write_labels(tmp_path / 'val/labels/2.png', ids(0, 1))
    dataset = open_dataset('folder', tmp_path, 'train')
    assert first_row(dataset)[:2] == [0, IGNORE] and not dataset.notes


@pytest.mark.parametrize('name', ['cityscapes', 'deepscene', 'mhp', 'voc', 'sun', 'camvid'])
def test_label_maps_fit_their_class_sets(name):
    from fcn_seg_ros.training.datasets.base import load_class_set
    spec = load_spec(name)
    count = len(load_class_set(spec['classes']))
    used = set(spec.get('ids') or spec['colors'].values())
    assert used == set(range(count))


def test_ids_table():
    table = ids_table([1, 0, 1], 2, ignored=[0])
    assert table[:4].tolist() == [1, IGNORE, 1, IGNORE] and table.shape == (256,)
    with pytest.raises(FcnSegError, match='class id 2'):
        ids_table([2], 2)


def test_cache_reads_each_file_once(tmp_path):
    write_image(tmp_path / 'train/images/a.jpg')
    write_labels(tmp_path / 'train/labels/a.png', ids(3))
    cached = Cached(open_dataset('camvid', tmp_path))
    first = cached[0]
    (tmp_path / 'train/images/a.jpg').unlink()
    assert torch.equal(cached[0][0], first[0]) and len(cached) == 1
