"""Repairing a failing engine."""

from types import SimpleNamespace

from fcn_seg_ros.errors import DeviceError, ImageError
from fcn_seg_ros.inference.recovery import (
    EngineDownError, EngineLostError, Guard, is_out_of_memory, LoadStoppedError)
import numpy as np
import pytest
import torch

PICTURE = np.full((4, 4, 3), 9, np.uint8)
OUT_OF_MEMORY = torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 1 GiB')


class Log:
    def __init__(self):
        self.lines = []

    def info(self, text):
        self.lines.append(text)

    warning = error = info


class FakeSegmenter:
    """Fails as a script says: one entry a call, an exception or None; then it works."""

    input_size = (8, 8)

    def __init__(self, script=(), device='cuda:0'):
        self.script = list(script)
        self.device = torch.device(device)
        self.configured = []

    def configure(self, **configuration):
        self.configured.append(configuration)

    def segment(self, images, mask_size, want_confidence=True):
        failure = self.script.pop(0) if self.script else None
        if failure is not None:
            raise failure
        return [(images[0].shape, self.device.type)]


class Bench:
    def __init__(self, *segmenters, device='auto'):
        self.segmenters = list(segmenters)
        self.settings = SimpleNamespace(device=device, mask_size=None, ignore_classes=['void'],
                                        min_confidence=0.0)
        self.now = 0.0
        self.log = Log()
        self.loads = []
        self.steps = 0
        self.guard = Guard(self.segmenters.pop(0), self.settings, self.load, self.log,
                           on_step=self.step, clock=lambda: self.now)

    def step(self):
        self.steps += 1

    def load(self, settings, on_wait, **changes):
        self.loads.append((self.now, changes))
        before = self.steps
        on_wait()  # as while an engine is built: the watchdog hears of it
        assert self.steps == before + 1
        segmenter = self.segmenters.pop(0)
        if isinstance(segmenter, Exception):
            raise segmenter
        return segmenter

    def segment(self):
        return self.guard.segment(PICTURE, self.settings)

    def fail(self, times, error=RuntimeError):
        for _ in range(times):
            with pytest.raises(error):
                self.segment()


def broken(calls=100):
    return FakeSegmenter([RuntimeError('the driver is gone')] * calls)


def test_a_picture_that_fails_is_an_error_of_its_own():
    bench = Bench(FakeSegmenter([None, RuntimeError('x'), None]))
    assert bench.segment()
    bench.fail(1)
    assert bench.segment()
    assert not bench.loads


def test_a_broken_picture_is_never_the_engine_s_fault():
    bench = Bench(FakeSegmenter([ImageError('size', 'x')] * 20))
    bench.fail(20, ImageError)
    assert not bench.loads


def test_odd_pictures_are_told_from_a_broken_engine():
    # After three failures an empty picture is tried, which works.
    bench = Bench(FakeSegmenter(([RuntimeError('x')] * 3 + [None]) * 5))
    bench.fail(15)
    assert not bench.loads
    assert 'the pictures must be odd' in bench.log.lines[-1]


def test_a_broken_engine_is_loaded_again_at_once():
    bench = Bench(broken(), FakeSegmenter())
    bench.fail(3)
    assert not bench.loads
    assert bench.segment()
    assert bench.guard.reloads == 1
    assert len(bench.loads) == 1


def test_a_load_that_is_broken_off_is_no_attempt_and_begins_anew():
    stops = [LoadStoppedError('broken off')] * 9  # more than there are attempts
    bench = Bench(broken(), *stops, FakeSegmenter())
    bench.fail(3)
    bench.fail(9, LoadStoppedError)
    assert bench.segment()
    assert bench.guard.reloads == 1
    assert bench.log.lines.count('broken off') == 9
    assert not any('attempt 2' in line for line in bench.log.lines)


def test_a_move_to_the_cpu_that_is_broken_off_begins_anew():
    bench = Bench(FakeSegmenter([OUT_OF_MEMORY] * 2), LoadStoppedError('broken off'),
                  FakeSegmenter(device='cpu'))
    bench.fail(1, LoadStoppedError)
    assert bench.segment()
    assert [line for line in bench.log.lines if 'attempt' in line] == []


def test_pauses_grow_between_attempts_and_the_last_failure_is_final():
    bench = Bench(*[broken() for _ in range(5)])
    bench.fail(3)
    with pytest.raises(EngineLostError, match='4 attempts .* the driver is gone'):
        while bench.now < 100:
            with pytest.raises(EngineDownError):
                bench.segment()
            bench.now += 0.25
    assert [time for time, _ in bench.loads] == [0, 1, 3, 7]


def test_a_working_frame_makes_up_for_earlier_attempts():
    bench = Bench(broken(), FakeSegmenter([None, None] + [RuntimeError('x')] * 9),
                  FakeSegmenter())
    bench.fail(3)
    assert bench.segment()
    bench.fail(3)
    assert bench.segment()  # again without a pause
    assert [time for time, _ in bench.loads] == [0, 0]


def test_a_load_that_fails_is_tried_again():
    bench = Bench(broken(), DeviceError('busy'), FakeSegmenter())
    bench.fail(3)
    bench.fail(1, EngineDownError)
    assert bench.guard.segmenter is None
    bench.now += 1.0
    assert bench.segment()


def test_out_of_memory_is_tried_again_with_an_empty_cache():
    bench = Bench(FakeSegmenter([OUT_OF_MEMORY]))
    assert bench.segment() == ((4, 4, 3), 'cuda')
    assert not bench.loads


def test_out_of_memory_moves_to_the_cpu_where_the_device_is_auto():
    bench = Bench(FakeSegmenter([OUT_OF_MEMORY] * 2), FakeSegmenter(device='cpu'))
    assert bench.segment() == ((4, 4, 3), 'cpu')
    assert bench.loads == [(0.0, {'device': 'cpu', 'precision': 'auto'})]
    assert 'on the CPU' in bench.guard.degraded
    assert bench.segment() == ((4, 4, 3), 'cpu')


def test_out_of_memory_costs_the_frame_where_a_device_was_asked_for():
    bench = Bench(FakeSegmenter([OUT_OF_MEMORY] * 2), device='cuda')
    bench.fail(1, torch.cuda.OutOfMemoryError)
    assert not bench.loads
    assert bench.segment()


def test_a_move_to_the_cpu_that_fails_is_repaired():
    bench = Bench(FakeSegmenter([OUT_OF_MEMORY] * 2), DeviceError('no CPU'),
                  FakeSegmenter(device='cpu'))
    bench.fail(1, DeviceError)
    assert bench.segment()


def test_settings_reach_the_segmenter_between_pictures():
    segmenter = FakeSegmenter()
    bench = Bench(segmenter)
    bench.segment()
    assert segmenter.configured == []
    bench.settings = SimpleNamespace(**vars(bench.settings) | {'min_confidence': 0.5})
    bench.segment()
    bench.segment()
    assert segmenter.configured == [{'ignore_classes': ['void'], 'min_confidence': 0.5}]


@pytest.mark.parametrize(('error', 'expected'), [
    (OUT_OF_MEMORY, True),
    (MemoryError(), True),
    (RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate "
                  'memory: you tried to allocate 10 bytes'), True),
    (RuntimeError('CUDA error: out of memory'), True),
    (RuntimeError('CUDA error: an illegal memory access was encountered'), False),
    (ValueError('out of memory'), False),
])
def test_what_counts_as_out_of_memory(error, expected):
    assert is_out_of_memory(error) is expected


class BatchSegmenter(FakeSegmenter):
    """Fails for bad pictures, and counts how many pictures each call has."""

    engine = SimpleNamespace(prefers_batches=True)

    def __init__(self, error=RuntimeError):
        super().__init__()
        self.error = error
        self.calls = []

    def segment(self, images, mask_size, want_confidence=True):
        self.calls.append(len(images))
        if any(image is BAD for image in images):
            raise self.error('odd')
        return [image.shape for image in images]


BAD = np.zeros((4, 4, 3), np.uint8)


def test_pictures_that_wait_together_are_one_call():
    segmenter = BatchSegmenter()
    bench = Bench(segmenter)
    assert bench.guard.try_batch([PICTURE] * 4, bench.settings) == [(4, 4, 3)] * 4
    assert segmenter.calls == [4]


def test_no_batch_of_one_picture_nor_where_it_does_not_pay():
    segmenter = BatchSegmenter()
    bench = Bench(segmenter)
    assert bench.guard.try_batch([PICTURE], bench.settings) is None
    segmenter.engine = SimpleNamespace(prefers_batches=False)
    assert bench.guard.try_batch([PICTURE] * 2, bench.settings) is None
    assert segmenter.calls == []


@pytest.mark.parametrize('error', [RuntimeError, torch.cuda.OutOfMemoryError])
def test_a_failing_batch_costs_the_guilty_picture_only(error):
    segmenter = BatchSegmenter(error)
    bench = Bench(segmenter, device='cuda')
    assert bench.guard.try_batch([PICTURE, BAD, PICTURE], bench.settings) is None
    assert bench.guard.segment(PICTURE, bench.settings) == (4, 4, 3)
    with pytest.raises(error):
        bench.guard.segment(BAD, bench.settings)
    assert bench.guard.segment(PICTURE, bench.settings) == (4, 4, 3)
    assert bench.guard.prefers_batches
    assert not bench.loads


def test_batches_that_keep_failing_are_made_no_more():
    segmenter = BatchSegmenter()
    bench = Bench(segmenter)
    for _ in range(10):
        bench.guard.try_batch([PICTURE, BAD], bench.settings)
    assert segmenter.calls == [2, 2, 2]
    assert [line for line in bench.log.lines if 'cameras take turns' in line]
    assert len(bench.log.lines) == 1
    assert bench.guard.segment(PICTURE, bench.settings) == (4, 4, 3)


def test_no_batch_while_the_engine_is_out_of_order():
    bench = Bench(broken(), DeviceError('busy'), BatchSegmenter())
    bench.fail(3)
    bench.fail(1, EngineDownError)
    assert bench.guard.try_batch([PICTURE] * 2, bench.settings) is None
    bench.now += 1.0
    assert bench.segment()
    assert bench.guard.try_batch([PICTURE] * 2, bench.settings)
