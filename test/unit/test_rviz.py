"""What RViz is started with to show a certain node."""

from fcn_seg_ros.ros.rviz import config_path, remappings, topics, write_config
import pytest
import yaml


def test_the_default_node_needs_no_remapping():
    assert remappings() == []


def test_every_topic_follows_name_and_namespace():
    pairs = dict(remappings(name='seg', namespace='bot', image='camera/image_raw'))
    assert set(pairs) == {topic['Value'] for _, topic in topics(config_path())}
    assert pairs['/image'] == '/bot/camera/image_raw'
    assert pairs['/segmentation/overlay'] == '/bot/seg/overlay'


def test_an_absolute_image_topic_stays():
    assert remappings(image='/camera/image_raw') == [('/image', '/camera/image_raw')]


def test_of_several_cameras_one_is_shown():
    pairs = dict(remappings(camera='front'))
    assert pairs['/image'] == '/front/image'
    assert pairs['/segmentation/obstacles'] == '/segmentation/front/obstacles'
    assert not {'/segmentation/legend', '/segmentation/costmap',
                '/segmentation/costmap_updates'} & set(pairs)


@pytest.fixture
def written():
    """Return a function that writes a configuration and reads it back."""
    files = []

    def write(*args, **kwargs):
        files.append(write_config(*args, **kwargs))
        return yaml.safe_load(files[-1].read_text())

    yield write
    for file in files:
        file.unlink()


def test_a_copy_has_the_robots_frame_and_is_the_same_otherwise(written):
    original = yaml.safe_load(config_path().read_text())
    copy = written('map', distance=60.0)
    assert copy['Visualization Manager']['Global Options'].pop('Fixed Frame') == 'map'
    view = copy['Visualization Manager']['Views']['Current']
    assert (view['Distance'], view['Focal Point']['X']) == (60.0, 15.0)
    view['Distance'], view['Focal Point']['X'] = 12, 3
    original['Visualization Manager']['Global Options'].pop('Fixed Frame')
    assert copy == original


def test_without_calibration_nothing_is_shown_at_its_place(written):
    def enabled(config):
        return {display['Name'] for display in config['Visualization Manager']['Displays']
                if display['Enabled']}

    assert enabled(written('map')) - enabled(written('map', placed=False)) == {
        'Costmap', 'Obstacles', 'Ground'}


@pytest.mark.parametrize('frame', ['robot1/odom', '1', 'a: b #c'])
def test_any_frame_can_be_written(written, frame):
    assert written(frame)['Visualization Manager']['Global Options']['Fixed Frame'] == frame


def test_names_of_frames_are_large_enough_to_be_read():
    displays = yaml.safe_load(config_path().read_text())['Visualization Manager']['Displays']
    scale, = [display['Marker Scale'] for display in displays
              if display['Class'].endswith('/TF')]
    assert scale >= 2
