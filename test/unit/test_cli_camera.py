"""``fcn-seg camera`` up to where ROS begins: sources, sizes, rates, errors."""

import sys
from types import SimpleNamespace

from fcn_seg_ros.cli import camera, main
from fcn_seg_ros.offline import sources
from fcn_seg_ros.offline.sinks import write_image
from fcn_seg_ros.offline.video_writing import video_sink
import numpy as np
import pytest

H, W = 24, 32


def flat(value):
    return np.full((H, W, 3), value, np.uint8)


@pytest.fixture
def fcn_seg(monkeypatch):
    """Return a function that runs the command up to the ROS part, and returns its arguments."""
    seen = {}

    def run_source(pictures, options, calibrate, **keywords):
        seen.update(keywords, pictures=pictures, options=options, calibrate=calibrate)

    fake = SimpleNamespace(run=run_source, SourceOptions=lambda **fields: fields)
    monkeypatch.setattr(main, 'COMMANDS', ('camera',))
    monkeypatch.setitem(sys.modules, 'fcn_seg_ros.ros.camera_tool', fake)
    import fcn_seg_ros.ros
    monkeypatch.setattr(fcn_seg_ros.ros, 'image_source', fake, raising=False)

    def run(*arguments):
        seen['status'] = main.main(['camera', *map(str, arguments)])
        return seen

    return run


@pytest.fixture
def folder(tmp_path):
    for index in (1, 2, 10):
        write_image(tmp_path / 'in' / f'f{index}.png', flat(index))
    return tmp_path / 'in'


@pytest.fixture
def video(tmp_path):
    with video_sink(tmp_path / 'clip.avi', 25.0) as write:
        for value in (0, 100, 200):
            write(flat(value))
    return tmp_path / 'clip.avi'


def values(pictures, count=None):
    """Return the mean values of the pictures, or of the first so many."""
    if count is None:
        return [round(float(picture.mean())) for picture in pictures]
    return [round(float(next(pictures).mean())) for _ in range(count)]


def test_folder_once(fcn_seg, folder):
    seen = fcn_seg(folder, '--once')
    assert values(seen['pictures']) == [1, 2, 10]
    assert seen['options']['rate'] == 10 and seen['live'] is False and seen['wait'] is False


def test_folder_over_and_over(fcn_seg, folder):
    assert values(fcn_seg(folder)['pictures'], 7) == [1, 2, 10, 1, 2, 10, 1]


def test_image(fcn_seg, folder):
    assert values(fcn_seg(folder / 'f2.png')['pictures'], 4) == [2] * 4
    assert values(fcn_seg(folder / 'f2.png', '--once')['pictures']) == [2]


def test_video_has_its_own_rate_unless_told_otherwise(fcn_seg, video):
    seen = fcn_seg(video)
    assert seen['options']['rate'] == 25
    assert values(seen['pictures'], 5) == pytest.approx([0, 100, 200, 0, 100], abs=3)
    assert fcn_seg(video, '--rate', '2.5')['options']['rate'] == 2.5


def test_size_and_calibration(fcn_seg, video):
    seen = fcn_seg(video, '--size', '64x20', '--hfov', '90')
    assert next(seen['pictures']).shape == (20, 64, 3)
    assert seen['calibrate'](64, 20).k[0] == pytest.approx(32)
    assert fcn_seg(video)['calibrate'](W, H).k[0] == 0


def test_options(fcn_seg, folder):
    seen = fcn_seg(folder, '--wait', '--topic', 'a/b', '--namespace', 'n', '--frame-id', 'f',
                   '--encoding', 'mono8', '--transport', 'both', '--qos', 'best_effort',
                   '--stamp', 'media', '--ros-args', '-r', 'a:=b', '--log-level', 'debug')
    assert seen['options'] == {
        'topic': 'a/b', 'namespace': 'n', 'rate': 10.0, 'encoding': 'mono8',
        'transport': 'both', 'frame_id': 'f', 'qos': 'best_effort', 'stamp': 'media'}
    assert seen['wait'] and seen['ros_args'] == ['-r', 'a:=b', '--log-level', 'debug']


def test_device(fcn_seg, monkeypatch):
    asked = {}

    class Device:
        source, rate = '/dev/video0', 30.0

        def ask_for(self, **mode):
            asked.update(mode)

        def __iter__(self):
            yield flat(1)
            yield flat(2)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            asked['closed'] = True

    monkeypatch.setattr(sources, 'Video', lambda source: Device())
    seen = fcn_seg('/dev/video0', '--size', '640x480')
    assert seen['live'] and seen['options']['rate'] == 30
    assert asked == {'width': 640, 'height': 480, 'rate': None}
    assert values(seen['pictures'], 2) == [1, 2]
    with pytest.raises(camera.MediaError, match='sends no pictures any more'):
        next(seen['pictures'])
    assert asked['closed']


@pytest.mark.parametrize('arguments', [
    ['--rate', '0'], ['--rate', 'x'], ['--size', '0x4'], ['--encoding', 'yuyv'],
    ['--loop', '--once'], ['--hfov', '60', '--calibration', 'c.yaml'], ['--stamp', 'never']])
def test_bad_options_are_refused(fcn_seg, folder, arguments):
    with pytest.raises(SystemExit) as caught:
        fcn_seg(folder, *arguments)
    assert caught.value.code == 2


@pytest.mark.parametrize(('arguments', 'message'), [
    (['none.png'], 'none.png does not exist'),
    (['/dev/video99'], '/dev/video99 cannot be opened as a camera'),
    (['99'], '99 cannot be opened as a camera'),
    (['empty'], 'holds no images'),
    (['bad.mp4'], 'cannot be opened as an image or a video'),
    (['bad.png'], 'cannot read bad.png'),
    (['bag'], '"ros2 bag play"'),
    (['in', '--hfov', '200'], 'field of view'),
    (['in', '--calibration', 'none.yaml'], 'cannot read none.yaml'),
    (['in', '--calibration', 'wide.yaml'], 'another shape'),
])
def test_errors_are_one_line(fcn_seg, folder, tmp_path, monkeypatch, capfd, arguments, message):
    monkeypatch.chdir(tmp_path)
    for name in ('empty', 'bag'):
        (tmp_path / name).mkdir()
    (tmp_path / 'bag' / 'metadata.yaml').touch()
    for name in ('bad.mp4', 'bad.png'):
        (tmp_path / name).write_bytes(b'nonsense' * 20)
    (tmp_path / 'wide.yaml').write_text(
        'image_width: 640\nimage_height: 200\n'
        'camera_matrix: {data: [500, 0, 320, 0, 500, 100, 0, 0, 1]}\n')
    assert fcn_seg(*arguments)['status'] == 1
    error = capfd.readouterr().err
    assert error.startswith('fcn-seg: ') and message in error and error.count('\n') == 1
