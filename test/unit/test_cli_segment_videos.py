"""``fcn-seg segment`` from arguments to files: videos and bags."""

from contextlib import contextmanager
import resource
import signal

from fake_segmenter import FakeSegmenter
from fcn_seg_ros.errors import MediaError
from fcn_seg_ros.offline import jobs, sources
from fcn_seg_ros.offline.render import Renderer
from fcn_seg_ros.offline.video_writing import VIDEO_CODECS
import numpy as np
import pytest
from segment_command import fake_segment, files, H, picture, read, W, write_video
import small_bags


@pytest.fixture
def fcn_seg(monkeypatch):
    return fake_segment(monkeypatch)


@pytest.mark.parametrize('suffix', sorted(VIDEO_CODECS))
def test_video_keeps_rate_length_and_size(fcn_seg, tmp_path, suffix):
    frames = [picture(index) for index in range(5)]
    source = write_video(tmp_path / 'in.avi', frames)
    assert fcn_seg(source, tmp_path / f'out{suffix}', '--visualize', 'mask') == 0
    assert files(tmp_path) == sorted(['in.avi', f'out{suffix}'])
    with sources.Video(tmp_path / f'out{suffix}') as video, sources.Video(source) as original:
        assert video.rate == pytest.approx(12.5) and video.length == 5
        for frame, seen in zip(video, original):
            expected = FakeSegmenter()(seen).color_mask
            assert frame.shape == (H, W, 3)
            assert np.abs(frame.astype(int) - expected).mean() < 20


def test_video_that_breaks_off_is_reported(fcn_seg, tmp_path, capsys):
    source = write_video(tmp_path / 'in.avi', [picture(index) for index in range(20)])
    data = source.read_bytes()
    source.write_bytes(data[:len(data) // 2])
    assert fcn_seg(source, tmp_path / 'out.avi') == 0
    captured = capsys.readouterr()
    assert 'breaks off' in captured.err and 'of 20 frames' in captured.err
    assert 'frames ->' in captured.out


def test_video_to_numbered_images(fcn_seg, tmp_path):
    source = write_video(tmp_path / 'in.avi', [picture(index) for index in range(3)])
    assert fcn_seg(source, tmp_path / 'out', '--visualize', 'class-mask',
                   '--stats', tmp_path / 's.csv') == 0
    assert files(tmp_path / 'out') == [f'frame_{index:06d}.png' for index in range(3)]
    assert [row.split(',')[0] for row in (tmp_path / 's.csv').read_text().splitlines()] == [
        'name', '0', '1', '2']
    assert fcn_seg(source, tmp_path / 'two', '--visualize', 'class-mask,overlay') == 0
    assert files(tmp_path / 'two')[::3] == [
        'class-mask/frame_000000.png', 'overlay/frame_000000.jpg']


def test_video_with_an_odd_size_loses_no_pixel(tmp_path):
    write_video(tmp_path / 'odd.avi', [picture(0, 37, 49)])
    with sources.Video(tmp_path / 'odd.avi') as video:
        frame = next(iter(video))
    assert frame.shape == (38, 50, 3)
    assert np.abs(frame[:37, :49].astype(int) - picture(0, 37, 49)).mean() < 20


@pytest.mark.parametrize(('output', 'arguments', 'message'), [
    ('in.avi', [], 'is the input'),
    ('out.avi', ['--visualize', 'class-mask'], 'numbered images'),
    ('out.xyz', [], "cannot write '.xyz' videos"),
])
def test_video_errors(fcn_seg, tmp_path, output, arguments, message, capsys):
    source = write_video(tmp_path / 'in.avi', [picture()])
    assert fcn_seg(source, tmp_path / output, *arguments) == 1
    assert message in capsys.readouterr().err and not fcn_seg.options
    assert files(tmp_path) == ['in.avi']


def test_not_a_video(fcn_seg, tmp_path, capfd):
    (tmp_path / 'in.mp4').write_bytes(b'nonsense' * 100)
    assert fcn_seg(tmp_path / 'in.mp4', tmp_path / 'out.mp4') == 1
    error = capfd.readouterr().err
    assert error.count('\n') == 1 and 'cannot be opened as an image or a video' in error


def test_interrupted_video_leaves_nothing(tmp_path):
    source = write_video(tmp_path / 'in.avi', [picture(index) for index in range(4)])

    class Interrupted(FakeSegmenter):
        def __call__(self, *args):
            raise KeyboardInterrupt

    renderer = Renderer()
    plan = jobs.plan_video(source, tmp_path / 'out.mp4', renderer.outputs)
    with sources.Video(source) as video, pytest.raises(KeyboardInterrupt):
        jobs.segment_video(Interrupted(), video, plan, renderer, None)
    assert files(tmp_path) == ['in.avi']


@contextmanager
def small_disk():
    """
    Let no file of this process grow beyond 20 kB, as a full disk would.

    Not a fixture: pytest writes to a file itself, where its output goes to one.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize('suffix', ['.avi', '.mp4'])
def test_full_disk_is_noticed(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (20, 240, 320, 3), dtype=np.uint8)
    with small_disk(), pytest.raises(MediaError, match='cannot write the video'):
        write_video(tmp_path / f'out{suffix}', noise)
    assert files(tmp_path) == []


def test_video_legend_does_not_jump_when_unknown_pixels_come(fcn_seg, tmp_path):
    known, unknown = picture(), picture()
    known[:, :, 0], unknown[:, :, 0] = 10, 255
    source = tmp_path / 'in.avi'
    write_video(source, [known, unknown])
    assert fcn_seg(source, tmp_path / 'out', '--min-confidence', '0.1', '--visualize',
                   'overlay,legend') == 0
    first, second = (read(tmp_path / 'out' / f'frame_00000{index}.jpg') for index in (0, 1))
    assert first.shape == second.shape


def test_bag(fcn_seg, tmp_path, capsys):
    pytest.importorskip('rosbags')
    source = small_bags.write_bag(tmp_path / 'in', {
        '/image': (small_bags.IMAGE, [small_bags.raw(0), small_bags.raw(1)])})
    assert fcn_seg(source, tmp_path / 'out', '--topic', '/image', '--stats',
                   tmp_path / 's.json') == 0
    assert set(small_bags.read_bag(tmp_path / 'out')) == {
        f'/segmentation/{name}' for name in ('class_mask', 'color_mask', 'overlay',
                                             'class_fractions')}
    assert '2 images' in capsys.readouterr().out
    assert fcn_seg(source, tmp_path / 'out') == 1
    assert 'exists already' in capsys.readouterr().err


def test_numbered_outputs_of_a_video_and_of_several_pictures(fcn_seg, tmp_path):
    source = write_video(tmp_path / 'in.avi', [picture(index) for index in range(3)])
    assert fcn_seg(source, tmp_path / 'out' / 'f_%02d.png', '--visualize',
                   'overlay,class_mask') == 0
    assert files(tmp_path / 'out') == sorted(
        f'f_{index:02d}_{name}.png' for index in range(3) for name in ('overlay', 'class_mask'))


def test_a_video_that_cannot_be_written_is_said_before_the_work(fcn_seg, tmp_path, monkeypatch,
                                                                capsys):
    source = write_video(tmp_path / 'in.avi', [picture()])
    monkeypatch.setattr(jobs, 'check_video_sink', refuse)
    assert fcn_seg(source, tmp_path / 'out.mp4') == 1
    assert 'no encoder' in capsys.readouterr().err and not fcn_seg.options


def refuse(path, rate):
    raise MediaError('no encoder')
