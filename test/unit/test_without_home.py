"""A user without a name and a home, as of ``docker run --user 12345``."""

import pwd

from fcn_seg_ros import Segmenter
from fcn_seg_ros.doctor.finding import Level
from fcn_seg_ros.doctor.system import check_system
from fcn_seg_ros.errors import NoFolderError
from fcn_seg_ros.networks.fetch import fetch
from fcn_seg_ros.networks.registry import Registry
from fcn_seg_ros.support.paths import cache_dir
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def nobody(monkeypatch):
    def unknown(uid):
        raise KeyError(f'getpwuid(): uid not found: {uid}')
    monkeypatch.delenv('HOME', raising=False)
    monkeypatch.delenv('XDG_CACHE_HOME', raising=False)
    monkeypatch.setattr(pwd, 'getpwuid', unknown)


def test_the_bundled_network_works():
    segmenter = Segmenter('fcn-resnet18-street', device='cpu')
    assert segmenter(np.zeros((64, 96, 3), np.uint8)).class_mask.shape == (64, 96)


def test_networks_are_listed():
    registry = Registry.load()
    assert registry.find_weights(registry.get('fcn-resnet18-street')) is not None
    assert registry.find_weights(registry.get('fcn-resnet18-voc')) is None
    assert not registry.problems


@pytest.mark.parametrize('needs', [
    cache_dir, lambda: Registry.load().models_dir, lambda: fetch(Registry.load().get(
        'fcn-resnet18-voc'))], ids=['cache_dir', 'models_dir', 'fetch'])
def test_who_needs_a_folder_is_asked_for_one(needs):
    with pytest.raises(NoFolderError, match='XDG_CACHE_HOME.*models_dir') as caught:
        needs()
    assert '\n' not in str(caught.value)


def test_a_folder_that_was_named_is_enough(tmp_path, monkeypatch):
    assert Registry.load(tmp_path).models_dir == tmp_path
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert Registry.load().models_dir == tmp_path / 'fcn_seg_ros'


def test_the_doctor_says_it():
    found = next(f for f in check_system() if f.subject == 'cache folder')
    assert found.level == Level.WARNING
    assert 'XDG_CACHE_HOME' in found.remedy
