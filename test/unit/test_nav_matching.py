"""Depth images found by their stamps."""

from fcn_seg_ros.navigation.matching import StampBuffer


SLOP = 0.02


def filled(*stamps, length=8):
    """Return a buffer of messages that are called by their stamps in milliseconds."""
    buffer = StampBuffer(length)
    for number, stamp in enumerate(stamps):
        buffer.add(stamp * 1_000_000, (stamp, number))
    return buffer


def test_the_nearest_stamp_is_found_whatever_came_last():
    buffer = filled(100, 133, 166)
    assert buffer.nearest(133_000_000, SLOP) == (133, 1)
    assert buffer.nearest(140_000_000, SLOP) == (133, 1)
    assert buffer.nearest(165_999_999, SLOP) == (166, 2)


def test_slop_is_bounded_and_inclusive():
    buffer = filled(100)
    assert buffer.nearest(120_000_000, SLOP) == (100, 0)
    assert buffer.nearest(120_000_001, SLOP) is None
    assert buffer.nearest(79_999_999, SLOP) is None


def test_an_empty_buffer_has_nothing():
    buffer = filled(100)
    buffer.clear()
    assert buffer.nearest(100_000_000, SLOP) is None


def test_only_the_last_few_are_kept():
    buffer = filled(0, 100, 200, 300, length=2)
    assert buffer.nearest(100_000_000, SLOP) is None
    assert buffer.nearest(200_000_000, SLOP) == (200, 2)


def test_of_equal_stamps_the_latest_arrival_counts():
    # a camera without a clock stamps everything 0; a bag that starts over repeats itself
    assert filled(0, 0, 0).nearest(0, SLOP) == (0, 2)


def test_time_set_back_needs_no_care():
    buffer = filled(900_000, 900_033, 0, 33)
    assert buffer.nearest(33_000_000, SLOP) == (33, 3)
