"""What Label Studio exports beyond what every format has: brushes, ellipses, turned boxes."""

import json

from fcn_seg_ros.errors import DatasetError
from fcn_seg_ros.support.arrays import Size
from fcn_seg_ros.training.datasets import open_dataset
from fcn_seg_ros.training.datasets.label_studio import decode_brush
import numpy as np
from PIL import Image
import pytest
from small_exports import brush, HEIGHT, label_studio_result, make, WIDTH


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
    assert (labels[4:12, 21:24] == 1).all() and (labels == 1).sum() == 24
    y, x = np.nonzero(labels == 0)
    assert (x.min(), x.max(), y.min(), y.max()) == (4, 11, 6, 17)
    assert (labels == 0).sum() == pytest.approx(np.pi * 4 * 6, rel=0.1)


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
