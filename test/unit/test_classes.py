"""Class sets: the shipped ones, and what a user's may look like."""

from fcn_seg_ros.errors import RegistryError
from fcn_seg_ros.networks.classes import ClassSet, MAX_COST, palette_color, read_colors, ROLES
from fcn_seg_ros.support.paths import share_dir
import numpy as np
import pytest

SETS = {'cityscapes': 21, 'deepscene': 5, 'mhp': 21, 'voc': 21, 'sun': 21, 'street': 11}


def load(name):
    return ClassSet.from_yaml(share_dir() / 'config' / 'classes' / f'{name}.yaml')


def test_all_shipped_sets_are_known_here():
    folder = share_dir() / 'config' / 'classes'
    assert {path.stem for path in folder.glob('*.yaml')} == set(SETS)


@pytest.mark.parametrize('name', SETS)
def test_shipped_set(name):
    classes = load(name)
    assert classes.name == name
    assert len(classes) == SETS[name]
    assert classes.colors.shape == (SETS[name], 3)
    assert classes.colors.dtype == np.uint8
    assert set(classes.roles) <= set(ROLES)
    assert all(0 <= cost <= MAX_COST for cost in classes.costs)
    assert all(cost == 0 for role, cost in zip(classes.roles, classes.costs) if role != 'ground')


def test_street_classes_are_in_the_documented_order():
    assert load('street').labels == (
        'sky', 'building', 'pole', 'road', 'sidewalk', 'vegetation', 'traffic_sign', 'fence',
        'car', 'person', 'bicycle')


def test_roles_that_a_robot_stakes_itself_on():
    street, city = load('street'), load('cityscapes')
    for classes in (street, city):
        for label in ('car', 'person', 'bicycle', 'fence', 'building', 'pole', 'vegetation'):
            assert classes.roles[classes.index(label)] == 'obstacle'
        assert classes.roles[classes.index('sky')] == 'overhead'
        assert classes.roles[classes.index('road')] == 'ground'
        assert classes.costs[classes.index('sidewalk')] < classes.costs[classes.index('road')]
    # Cityscapes' remapped "ground" holds static and dynamic obstacles.
    assert city.roles[city.index('ground')] == 'obstacle'
    assert city.roles[city.index('void')] == 'unknown'
    for name in ('mhp', 'voc'):
        assert 'ground' not in load(name).roles


def test_index_of_an_unknown_label_names_the_known_ones():
    with pytest.raises(RegistryError, match="no class 'moon'.*sky, building"):
        load('street').index('moon')


def test_colors_are_read_only():
    with pytest.raises(ValueError):
        load('street').colors[0] = 0


BAD_CLASSES = [
    ('classes: 3', "'classes' must be a list"),
    ('classes: []', "'classes' must be a list"),
    ('labels: []', "unknown key 'labels'"),
    ('- road', 'expected a mapping'),
    ('classes: [road]', 'class 0: expected a mapping'),
    ('classes: [{label: a, color: [0, 0, 0]}, {color: [0, 0, 0]}]', "class 1: 'label' is missing"),
    ('classes: [{label: a}]', "'color' is missing"),
    ('classes: [{label: no, color: [0, 0, 0]}]', "'label' must be a label, not False"),
    ('classes: [{label: a, color: [0, 0]}]', "'color' must be"),
    ('classes: [{label: a, color: [0, 0, 256]}]', "'color' must be"),
    ('classes: [{label: a, color: [0, 0, true]}]', "'color' must be"),
    ('classes: [{label: a, color: [0, 0, 1.5]}]', "'color' must be"),
    ('classes: [{label: a, color: [0, 0, 0], role: road}]', "'role' must be one of ground"),
    ('classes: [{label: a, color: [0, 0, 0], role: ground, cost: 99}]', "'cost' must be"),
    ('classes: [{label: a, color: [0, 0, 0], role: obstacle, cost: 1}]', 'only goes with'),
    ('classes: [{label: a, color: [0, 0, 0], colour: red}]', "unknown key 'colour'"),
    ('classes: [{label: a, color: [0, 0, 0]}, {label: a, color: [1, 0, 0]}]', 'given twice'),
]


@pytest.mark.parametrize('text, message', BAD_CLASSES)
def test_malformed_file(tmp_path, text, message):
    path = tmp_path / 'mine.yaml'
    path.write_text(text)
    with pytest.raises(RegistryError, match=message) as caught:
        ClassSet.from_yaml(path)
    assert 'mine' in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('count, fits', [(255, True), (256, False)])
def test_number_of_classes_is_bounded_by_the_mask(tmp_path, count, fits):
    path = tmp_path / 'mine.yaml'
    path.write_text('classes:\n' + ''.join(
        f'  - {{label: c{i}, color: [0, 0, 0]}}\n' for i in range(count)))
    if fits:
        assert len(ClassSet.from_yaml(path)) == count
    else:
        with pytest.raises(RegistryError, match='1 to 255'):
            ClassSet.from_yaml(path)


def test_without_files_the_set_stays(tmp_path):
    classes = load('deepscene')
    assert classes.replaced_by_files(tmp_path) is classes


def test_files_win_and_roles_follow_the_labels(tmp_path):
    (tmp_path / 'classes.txt').write_bytes(b'\xef\xbb\xbfsky\r\nGrass\r\npond\r\n\r\n')
    (tmp_path / 'colors.txt').write_text('1 2 3\n4, 5, 6, 255\n7 8 9 0\n')
    classes = load('deepscene').replaced_by_files(tmp_path)
    assert classes.labels == ('sky', 'Grass', 'pond')
    assert classes.colors.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert classes.roles == ('overhead', 'ground', 'unknown')
    assert classes.costs == (0, 60, 0)


def test_labels_alone_keep_known_colours(tmp_path):
    (tmp_path / 'classes.txt').write_text('sky\npond\n')
    classes = load('deepscene').replaced_by_files(tmp_path)
    assert classes.colors.tolist() == [[0, 120, 255], palette_color(1)]


def test_colors_alone_must_be_as_many_as_the_labels(tmp_path):
    (tmp_path / 'colors.txt').write_text('1 2 3\n')
    with pytest.raises(RegistryError, match='1 colours for 5 classes'):
        load('deepscene').replaced_by_files(tmp_path)


@pytest.mark.parametrize('line', ['1 2', '1 2 3 4 5', '1 2 256', '1 2 -3', '1 2 x', '1.0 2 3',
                                  '1 2 ٣', '', '1 2 0003'])
def test_malformed_colour(tmp_path, line):
    path = tmp_path / 'colors.txt'
    path.write_text(f'0 0 0\n{line}\n0 0 0\n', encoding='utf-8')
    with pytest.raises(RegistryError, match='line 2 is'):
        read_colors(path)


@pytest.mark.parametrize('data', [b'', b'a\n' * 300, b'a' * 70000, b'\xff\xfe', b'a\n\nb\n',
                                  b'a\na\n'])
def test_malformed_labels(tmp_path, data):
    (tmp_path / 'classes.txt').write_bytes(data)
    with pytest.raises(RegistryError):
        load('deepscene').replaced_by_files(tmp_path)


def test_palette_is_that_of_voc():
    # http://host.robots.ox.ac.uk/pascal/VOC: 1 aeroplane, 2 bicycle, 15 person, 20 tvmonitor
    assert palette_color(0) == [0, 0, 0]
    assert palette_color(1) == [128, 0, 0]
    assert palette_color(2) == [0, 128, 0]
    assert palette_color(15) == [192, 128, 128]
    assert palette_color(20) == [0, 64, 128]
