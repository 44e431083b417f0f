from fcn_seg_ros.ros.statistics import Statistics
import pytest


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def statistics(clock):
    return Statistics(clock)


def run(statistics, clock, event, times):
    for time in times:
        clock.now = 100.0 + time
        statistics.count(event)


def test_nothing_has_happened_yet(statistics):
    assert statistics.total('received') == statistics.total('error:') == 0
    assert statistics.rate('received') == 0
    assert statistics.latency() is None
    assert statistics.age('received') is None


def test_totals_by_name_and_by_prefix(statistics):
    statistics.frame_failed('step', 'too short')
    statistics.frame_failed('step', 'too short')
    statistics.frame_failed('encoding', 'unknown')
    statistics.count('drop:overload')
    assert statistics.total('error:step') == 2
    assert statistics.total('error:') == 3
    assert statistics.by_name('error:') == {'step': 2, 'encoding': 1}
    assert statistics.last_error == 'unknown'


def test_rate_counts_a_sliding_window(statistics, clock):
    run(statistics, clock, 'received', [i / 10 for i in range(101)])
    assert statistics.rate('received', window=5.0) == pytest.approx(10, abs=0.2)
    clock.now += 2.5
    assert statistics.rate('received', window=5.0) == pytest.approx(5, abs=0.2)
    clock.now += 5
    assert statistics.rate('received', window=5.0) == 0


def test_rate_does_not_need_a_whole_window(statistics, clock):
    run(statistics, clock, 'received', [0.0, 0.1, 0.2, 0.3])
    assert statistics.rate('received', window=5.0) == pytest.approx(10)


def test_recent_forgets(statistics, clock):
    run(statistics, clock, 'error:a', [0, 1, 2])
    run(statistics, clock, 'error:b', [3])
    assert statistics.recent('error:', 2.5) == 3
    assert statistics.recent('error:a', 2.5) == 2
    clock.now += 10
    assert statistics.recent('error:', 2.5) == 0
    assert statistics.total('error:') == 4


def test_latency_percentiles(statistics):
    for milliseconds in range(101):
        statistics.frame_done(milliseconds / 1000)
    assert statistics.latency() == pytest.approx((0.050, 0.095, 0.099))
    assert statistics.total('done') == 101


def test_age_grows(statistics, clock):
    run(statistics, clock, 'received', [0, 4])
    clock.now += 3
    assert statistics.age('received') == 3


def test_memory_is_bounded(statistics, clock):
    for _ in range(3000):
        statistics.frame_done(0.1)
    assert statistics.total('done') == 3000
    assert statistics.recent('done', 1e9) <= 512
