"""Videos: times in, times out, sound, rotation, rates; with PyAV and with OpenCV alone."""

from fractions import Fraction
import struct
import sys

import cv2
from fake_segmenter import CLASSES, FakeSegmenter
from fcn_seg_ros.errors import MediaError
from fcn_seg_ros.offline import jobs, video_reading, video_writing
from fcn_seg_ros.offline.render import Renderer
from fcn_seg_ros.offline.stats import StatsTable
from fcn_seg_ros.offline.video_reading import Video
from fcn_seg_ros.offline.video_writing import check_video_sink, video_sink
import numpy as np
import pytest

H, W = 48, 64
UNEVEN = (0.0, 0.033, 0.066, 0.5, 0.533, 2.0, 2.1)
"""Seconds at which frames are shown: a rate that varies by a factor of 40."""


@pytest.fixture(params=['av', 'opencv'])
def library(request, monkeypatch):
    """Read and write with PyAV, or as if it were not installed."""
    if request.param == 'av':
        pytest.importorskip('av')
    else:
        monkeypatch.setattr(video_reading, 'find_spec', lambda name: None)
        monkeypatch.setattr(video_writing, 'find_spec', lambda name: None)
    return request.param


@pytest.fixture
def av():
    return pytest.importorskip('av')


def grey(value, height=H, width=W):
    return np.full((height, width, 3), value, np.uint8)


def encode(av, path, times, *, start=0.0, rate=30, sound=False, options=None):
    """Write frames of rising grey at these times; with sound a second of silence a stream."""
    with av.open(str(path), 'w', options=options or {}) as container:
        stream = container.add_stream('mpeg4', rate=rate)
        stream.width, stream.height, stream.pix_fmt = W, H, 'yuv420p'
        stream.codec_context.time_base = Fraction(1, 1000)
        audio = container.add_stream('aac', rate=16000, layout='mono') if sound else None
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(grey(20 + 10 * number), format='rgb24')
            frame.pts, frame.time_base = round(1000 * (start + time)), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None:
            for number in range(round(times[-1] * 16000 / 1024)):
                silence = av.AudioFrame.from_ndarray(
                    np.zeros((1, 1024), np.float32), format='fltp', layout='mono')
                silence.sample_rate, silence.pts = 16000, number * 1024
                silence.time_base = Fraction(1, 16000)
                container.mux(audio.encode(silence))
            container.mux(audio.encode(None))
    return path


def segment(source, target, reports=None):
    """Segment a video into one of its class colours, and return how many rows there are."""
    renderer = Renderer(('overlay',))
    stats = StatsTable(CLASSES.labels, 'bands')
    plan = jobs.plan_video(source, target, renderer.outputs)
    with Video(source) as video:
        jobs.check_sinks(plan, video.rate)
        jobs.segment_video(FakeSegmenter(), video, plan, renderer, stats,
                           report=(reports if reports is not None else []).append)
    return len(stats.rows)


def times_of(path):
    with Video(path) as video:
        return [frame.time for frame in video.frames()]


@pytest.mark.parametrize('suffix', ['.mkv', '.mp4'])
def test_frames_keep_their_times(tmp_path, av, suffix):
    source = encode(av, tmp_path / f'in{suffix}', UNEVEN)
    assert times_of(source) == pytest.approx(UNEVEN, abs=0.002)
    reports = []
    for target in ('out.mp4', 'out.mkv', 'out.mov'):
        assert segment(source, tmp_path / target, reports) == len(UNEVEN)
        assert times_of(tmp_path / target) == pytest.approx(UNEVEN, abs=0.002)
        with av.open(str(tmp_path / target)) as container:
            assert container.duration / 1e6 == pytest.approx(2.1, abs=0.15)
    assert reports == []  # a varying rate is no video that breaks off


def edited(path, seconds, *, empty=0.0):
    """Have an mp4's edit list show it from some second on, after a pause of ``empty`` seconds."""
    data = bytearray(path.read_bytes())
    mvhd, mdhd, elst = (data.index(name) + 4 for name in (b'mvhd', b'mdhd', b'elst'))
    movie_scale, = struct.unpack_from('>I', data, mvhd + 12)
    media_scale, length = struct.unpack_from('>II', data, mdhd + 12)
    assert data[elst] == 0 and struct.unpack_from('>I', data, elst + 4) == (1,)
    duration = movie_scale * length // media_scale
    entries = [(duration - round(movie_scale * seconds), round(media_scale * seconds))]
    if empty:
        entries.insert(0, (round(movie_scale * empty), -1))
    box = struct.pack('>II', 0, len(entries)) + b''.join(
        struct.pack('>IiHH', length, start, 1, 0) for length, start in entries)
    added = len(box) - 20
    data[elst:elst + 20] = box
    for name in (b'moov', b'trak', b'edts', b'elst'):  # these hold it, one in the other
        place = data.index(name) - 4
        struct.pack_into('>I', data, place, struct.unpack_from('>I', data, place)[0] + added)
    assert data.index(b'moov') > data.index(b'mdat')  # what the index points at has not moved
    path.write_bytes(data)
    return path


def greys_of(path):
    with Video(path) as video:
        return [int(frame.image.mean()) for frame in video.frames()]


def test_an_edit_list_that_cuts_the_beginning_is_obeyed(tmp_path, av):
    times = [number / 10 for number in range(12)]
    source = encode(av, tmp_path / 'in.mp4', times, rate=10)
    whole = greys_of(source)
    assert len(whole) == 12
    edited(source, 0.4)
    assert times_of(source) == pytest.approx(times[:8], abs=0.002)
    assert greys_of(source) == whole[4:]
    reports = []
    assert segment(source, tmp_path / 'out.mp4', reports) == 8
    assert times_of(tmp_path / 'out.mp4') == pytest.approx(times[:8], abs=0.002)
    assert reports == []  # what was cut away by hand is not missing


def test_an_edit_list_that_begins_with_a_pause_delays_nothing(tmp_path, av):
    times = [number / 10 for number in range(12)]
    source = edited(encode(av, tmp_path / 'in.mp4', times, rate=10), 0.0, empty=2.0)
    reports = []
    assert times_of(source) == pytest.approx(times, abs=0.002)
    assert segment(source, tmp_path / 'out.mp4', reports) == 12
    assert reports == []


def test_a_container_without_times_repeats_frames_instead(tmp_path, av):
    source = encode(av, tmp_path / 'in.mkv', UNEVEN, rate=10)
    segment(source, tmp_path / 'out.avi')
    with Video(tmp_path / 'out.avi') as video:
        count = sum(1 for _ in video)
        assert count / video.rate == pytest.approx(2.1, abs=2 / video.rate)


def test_opencv_alone_keeps_the_length_and_gives_no_false_alarm(tmp_path, av, monkeypatch):
    source = encode(av, tmp_path / 'in.mkv', UNEVEN)
    for module in (video_reading, video_writing):
        monkeypatch.setattr(module, 'find_spec', lambda name: None)
    reports = []
    assert segment(source, tmp_path / 'out.mp4', reports) == len(UNEVEN)
    assert reports == []
    with Video(tmp_path / 'out.mp4') as video:
        assert sum(1 for _ in video) / video.rate == pytest.approx(2.1, abs=0.15)


def test_times_begin_at_the_first_frame(tmp_path, av):
    source = encode(av, tmp_path / 'in.mkv', UNEVEN, start=5.0)
    assert times_of(source) == pytest.approx(UNEVEN, abs=0.002)
    segment(source, tmp_path / 'out.mp4')
    assert times_of(tmp_path / 'out.mp4') == pytest.approx(UNEVEN, abs=0.002)


@pytest.mark.parametrize('rate', [211.222, 29.97, 12.5, 23.976, 120.0])
@pytest.mark.parametrize('suffix', sorted(video_writing.VIDEO_CODECS))
def test_every_rate_can_be_written(tmp_path, library, rate, suffix):
    path = tmp_path / f'out{suffix}'
    check_video_sink(path, rate)
    assert list(tmp_path.iterdir()) == []
    with video_sink(path, rate) as write:
        for value in range(6):
            write(grey(40 * value))
    with Video(path) as video:
        frames = list(video.frames())
    assert len(frames) == 6
    assert frames[-1].time == pytest.approx(5 / rate, rel=0.02)


def test_browsers_play_what_is_written(tmp_path, av):
    if 'libx264' not in av.codecs_available:
        pytest.skip('this FFmpeg has no encoder of H.264')
    with video_sink(tmp_path / 'out.mp4', 25) as write:
        write(grey(100))
    with av.open(str(tmp_path / 'out.mp4')) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ('h264', 'yuv420p')


@pytest.mark.parametrize(('suffix', 'kept'), [('.mp4', True), ('.mkv', True), ('.avi', False)])
def test_sound_is_kept_where_the_container_takes_it(tmp_path, av, suffix, kept):
    source = encode(av, tmp_path / 'in.mp4', UNEVEN, sound=True)
    segment(source, tmp_path / f'out{suffix}')
    with av.open(str(tmp_path / f'out{suffix}')) as container:
        assert len(container.streams.audio) == kept
        if kept:
            packets = [packet for packet in container.demux(container.streams.audio[0])
                       if packet.dts is not None]
            end = float(packets[-1].dts * packets[-1].time_base)
            assert end == pytest.approx(UNEVEN[-1], abs=0.2)


@pytest.mark.parametrize(('suffix', 'kept'), [('.mov', False), ('.mkv', True)])
def test_sound_that_the_container_refuses_does_not_cost_the_pictures(tmp_path, av, suffix, kept):
    with av.open(str(tmp_path / 'in.mkv'), 'w') as container:
        stream = container.add_stream('mpeg4', rate=10)
        stream.width, stream.height, stream.pix_fmt = W, H, 'yuv420p'
        audio = container.add_stream('flac', rate=16000, layout='mono')
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(grey(90), format='rgb24')
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.int16), format='s16',
                                             layout='mono')
        silence.sample_rate, silence.pts = 16000, 0
        container.mux(audio.encode(silence))
        container.mux(audio.encode(None))
    assert segment(tmp_path / 'in.mkv', tmp_path / f'out{suffix}') == 3
    with av.open(str(tmp_path / f'out{suffix}')) as container:
        assert len(container.streams.audio) == kept


@pytest.mark.parametrize('suffix', ['.avi', '.mkv', '.mp4'])
def test_frames_of_another_size_are_scaled_to_the_first(tmp_path, library, suffix):
    with video_sink(tmp_path / f'out{suffix}', 10) as write:
        for height, width in ((H, W), (2 * H, W), (H, W // 2 + 1)):
            write(grey(120, height, width))
    with Video(tmp_path / f'out{suffix}') as video:
        frames = list(video)
    assert [frame.shape for frame in frames] == [(H, W, 3)] * 3
    assert all(abs(frame.mean() - 120) < 5 for frame in frames)


@pytest.mark.parametrize('name', ['frames.v1', 'new.folder/', 'out.mp4/'])
def test_a_folder_with_a_dot_in_its_name_takes_numbered_images(tmp_path, name):
    with video_sink(tmp_path / 'in.avi', 10) as write:
        for value in (50, 100):
            write(grey(value))
    (tmp_path / 'frames.v1').mkdir()
    assert segment(tmp_path / 'in.avi', f'{tmp_path}/{name}') == 2
    assert sorted(path.name for path in (tmp_path / name).iterdir()) == [
        'frame_000000.jpg', 'frame_000001.jpg']


def test_a_video_that_is_turned_comes_upright(tmp_path, av):
    source = encode(av, tmp_path / 'in.mp4', (0.0, 0.1))
    data = bytearray(source.read_bytes())
    # The matrix in the track's header: a turn by 90 degrees instead of none.
    at = data.index(b'tkhd') + 4 + 40
    one, zero = (1 << 16).to_bytes(4, 'big', signed=True), bytes(4)
    data[at:at + 20] = zero + one + zero + (-(1 << 16)).to_bytes(4, 'big', signed=True) + zero
    source.write_bytes(data)
    with Video(source) as video:
        assert next(iter(video)).shape == (W, H, 3)


def test_a_video_cut_short_is_reported(tmp_path, library):
    source = tmp_path / 'in.avi'
    with video_sink(source, 25) as write:
        for value in range(40):
            write(np.random.default_rng(value).integers(0, 256, (H, W, 3), dtype=np.uint8))
    source.write_bytes(source.read_bytes()[:source.stat().st_size // 2])
    reports = []
    count = segment(source, tmp_path / 'out.avi', reports)
    assert 5 < count < 35 and len(reports) == 1
    assert f'breaks off: {count} of 40 frames' in reports[0]


def test_music_with_a_cover_is_no_video(tmp_path, av):
    with av.open(str(tmp_path / 'in.mka'), 'w', format='matroska') as container:
        audio = container.add_stream('aac', rate=16000, layout='mono')
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format='fltp',
                                             layout='mono')
        silence.sample_rate, silence.pts = 16000, 0
        container.mux(audio.encode(silence))
        container.mux(audio.encode(None))
    with pytest.raises(MediaError, match='no stream of pictures'):
        Video(tmp_path / 'in.mka')


def test_a_codec_that_opencv_cannot_decode_is_named(tmp_path, monkeypatch):
    source = tmp_path / 'in.avi'
    with video_sink(source, 25) as write:
        write(grey(100))
    monkeypatch.setattr(video_reading, 'find_spec', lambda name: None)

    class NoFrames:
        def __init__(self, *arguments):
            self._capture = capture(*arguments)

        def __getattr__(self, name):
            return getattr(self._capture, name)

        def read(self):
            return False, None

    capture = cv2.VideoCapture
    monkeypatch.setattr(cv2, 'VideoCapture', NoFrames)
    with Video(source) as video, pytest.raises(MediaError, match="does not decode 'MJPG'.*av"):
        list(video)


def test_a_file_named_like_an_address_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with video_sink('concat:a.avi', 25) as write:
        write(grey(100))
    with Video('concat:a.avi') as video:
        assert len(list(video)) == 1


def test_without_pyav_nothing_of_it_is_imported(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'av', None)
    for module in (video_reading, video_writing):
        monkeypatch.setattr(module, 'find_spec', lambda name: None)
    with video_sink(tmp_path / 'a.mp4', 25) as write:
        write(grey(100))
    assert times_of(tmp_path / 'a.mp4') == [0.0]


def test_a_recording_without_its_index_is_named(tmp_path, library):
    path = tmp_path / 'a.mp4'
    with video_sink(path, 25) as write:
        for value in range(10):
            write(grey(20 * value))
    whole = path.read_bytes()
    assert whole.index(b'mdat') < whole.index(b'moov')
    path.write_bytes(whole[:whole.index(b'moov') + 30])
    with pytest.raises(MediaError, match=r'its index \(moov\) is missing'):
        Video(path)
    path.write_bytes(b'')
    with pytest.raises(MediaError, match='it is empty'):
        Video(path)
    path.write_bytes(b'nonsense' * 20)
    with pytest.raises(MediaError, match='as an image or a video$'):
        Video(path)


@pytest.mark.parametrize(('pixels', 'color_range'), [
    ('yuv420p', 1), ('yuv420p', 2), ('yuv444p', 2), ('yuv420p10le', 1)])
def test_ranges_and_depths_of_colours_are_obeyed(tmp_path, av, pixels, color_range):
    if 'libx264' not in av.codecs_available:
        pytest.skip('this FFmpeg has no encoder of H.264')
    with av.open(str(tmp_path / 'in.mp4'), 'w') as container:
        stream = container.add_stream('libx264', rate=25)
        stream.width, stream.height, stream.pix_fmt = W, H, pixels
        stream.codec_context.color_range = color_range
        frame = av.VideoFrame.from_ndarray(grey((30, 120, 240)), format='rgb24')
        frame = frame.reformat(format=pixels, dst_color_range=color_range)
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with Video(tmp_path / 'in.mp4') as video:
        seen = next(iter(video)).reshape(-1, 3).mean(0)
    assert seen == pytest.approx((30, 120, 240), abs=6)
