"""
Fuzz the node's frame path.

As part of the tests with few examples; run with many by
``python test/fuzz/test_fuzz.py --examples 100000``.
"""

import argparse
import os
from pathlib import Path
import tempfile

from harness import Harness
from hypothesis import given, HealthCheck, settings, strategies as st
from messages import calibrations, compressed_images, depth_images, images
import pytest

EXAMPLES = int(os.environ.get('FUZZ_EXAMPLES', '500'))
_PART = 5000


def fuzz(harness, examples, derandomize=False):
    """Send many messages; raise at the first one that the node does not take well."""
    @settings(max_examples=examples, deadline=None, database=None, derandomize=derandomize,
              suppress_health_check=list(HealthCheck))
    @given(image=st.one_of(images(), compressed_images()),
           info=st.one_of(st.none(), calibrations()), depth=st.one_of(st.none(), depth_images()))
    def run(image, info, depth):
        harness.send(image, info, depth)

    run()


@pytest.fixture(scope='module')
def harness(tmp_path_factory):
    harness = Harness(tmp_path_factory.mktemp('fuzz'), 101)
    yield harness
    harness.close()


def test_no_message_disturbs_the_node(harness):
    fuzz(harness, EXAMPLES, derandomize=True)
    outcomes = harness.outcomes
    print(harness.report())
    assert outcomes['done'] > EXAMPLES / 4, 'a fuzzer of headers only'
    assert outcomes['clouds from depth'] > 0
    assert outcomes['clouds from the ground plane'] > 0
    assert outcomes['nav:calibration'] > 0
    assert outcomes['nav:depth'] > 0
    rejected = {name for name in outcomes if name.startswith('error:')}
    assert len(rejected) >= 5, rejected


def main():
    """Fuzz for long, and print what happened."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('--examples', type=int, default=100_000, help='how many (%(default)s)')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        harness = Harness(Path(folder), 101)
        try:
            # In parts: hypothesis remembers every example of a run.
            for first in range(0, args.examples, _PART):
                fuzz(harness, min(_PART, args.examples - first))
                print(harness.report(), flush=True)
        finally:
            harness.close()


if __name__ == '__main__':
    main()
