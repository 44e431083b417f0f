"""Roles of the shipped class sets and a robot's own."""

from pathlib import Path
from types import SimpleNamespace

from fcn_seg_ros.errors import RegistryError
from fcn_seg_ros.navigation.roles import load_overrides, RoleTable
from fcn_seg_ros.networks.classes import ClassSet
from fcn_seg_ros.support.paths import share_dir
import numpy as np
import pytest

CLASSES = SimpleNamespace(
    labels=('sky', 'road', 'grass', 'car', 'void'),
    roles=('overhead', 'ground', 'ground', 'obstacle', 'unknown'), costs=(0, 0, 60, 0, 0))


def overrides(tmp_path, text):
    """Load a file with this text."""
    path = tmp_path / 'roles.yaml'
    path.write_text(text)
    return load_overrides(path)


def test_the_table_answers_for_whole_masks():
    table = RoleTable.from_classes(CLASSES)
    mask = np.array([[0, 1, 2], [3, 4, 255]], np.uint8)
    assert table.ground[mask].tolist() == [[False, True, True], [False, False, False]]
    assert table.obstacle[mask].tolist() == [[False, False, False], [True, False, False]]
    assert table.overhead[mask].tolist() == [[True, False, False], [False, False, False]]
    assert table.cost[mask].tolist() == [[0, 0, 60], [0, 0, 0]]
    assert table.ground.sum() == 2
    assert table.obstacle.sum() == 1


def test_a_robot_sets_its_own_roles(tmp_path):
    changes = overrides(tmp_path, 'grass: {role: obstacle}\nroad: {cost: 20}\n'
                                  'car: {role: ground, cost: 98}\nsky: {role: ground}\n')
    table = RoleTable.from_classes(CLASSES, changes)
    assert table.obstacle[:5].tolist() == [False, False, True, False, False]
    assert table.ground[:5].tolist() == [True, True, False, True, False]
    assert table.cost[:5].tolist() == [0, 20, 0, 98, 0]


def test_an_empty_file_changes_nothing(tmp_path):
    assert overrides(tmp_path, '# none\n') == {}


@pytest.mark.parametrize(('text', 'word'), [
    ('grass: {role: lava}', 'lava'),
    ('grass: {cost: 99}', '0 to 98'),
    ('grass: {cost: 1.5}', '0 to 98'),
    ('grass: {role: obstacle, cost: 3}', 'only goes with'),
    ('grass: {speed: 3}', "unknown key 'speed'"),
    ('grass: obstacle', 'expected a mapping'),
    ('- grass', 'expected a mapping'),
    ('1: {role: ground}', 'expected a mapping'),
    ('grass: {', 'line'),
])
def test_a_malformed_file_is_refused_in_one_line(tmp_path, text, word):
    with pytest.raises(RegistryError, match=word) as caught:
        overrides(tmp_path, text)
    assert '\n' not in str(caught.value)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(RegistryError, match='cannot read'):
        load_overrides(tmp_path / 'none.yaml')


def test_a_class_that_the_network_lacks_is_an_error():
    with pytest.raises(RegistryError, match="'gras', which .* it knows grass"):
        RoleTable.from_classes(CLASSES, {'gras': ('ground', None)})


def test_a_cost_for_what_is_not_ground_is_an_error():
    with pytest.raises(RegistryError, match="'car' a cost"):
        RoleTable.from_classes(CLASSES, {'car': (None, 5)})


@pytest.mark.parametrize('path', sorted((share_dir() / 'config' / 'classes').glob('*.yaml')),
                         ids=lambda path: Path(path).stem)
def test_every_shipped_set_says_what_a_robot_must_not_hit(path):
    classes = ClassSet.from_yaml(path)
    table = RoleTable.from_classes(classes)
    by_role = dict(zip(classes.labels, classes.roles))
    for label in ('person', 'car', 'obstacle', 'wall', 'chair', 'leg', 'vegetation'):
        assert by_role.get(label, 'obstacle') == 'obstacle'
    for label in ('sky', 'ceiling'):
        assert by_role.get(label, 'overhead') == 'overhead'
    for label in ('road', 'sidewalk', 'floor', 'trail', 'grass', 'terrain'):
        assert by_role.get(label, 'ground') == 'ground'
    assert table.obstacle.any()
    assert not (table.ground & table.obstacle).any()


def test_ground_of_cityscapes_holds_obstacles():
    # The published remapping puts "static" and "dynamic" into the class of this name.
    classes = ClassSet.from_yaml(share_dir() / 'config' / 'classes' / 'cityscapes.yaml')
    assert RoleTable.from_classes(classes).obstacle[classes.index('ground')]
