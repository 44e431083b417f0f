"""Where PyTorch is not installed, as on a robot without a GPU, what needs it is skipped."""

from collections.abc import Generator

import pytest
from without_torch import HAS_TORCH

# What these test is a complete installation.
collect_ignore = [] if HAS_TORCH else ['test_collecting.py', 'test_moved.py', 'test_packaging.py']


def pytest_report_header() -> str:
    """Say what is left out."""
    return '' if HAS_TORCH else ('PyTorch is missing: modules that need it are skipped, left out '
                                 f'are {", ".join(collect_ignore)}')


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, None, None]:
    """Skip a module whose import ends for want of PyTorch; any other end of it is an error."""
    outcome = yield
    report = outcome.get_result()
    if report.failed and not HAS_TORCH and "No module named 'torch'" in str(report.longrepr):
        report.outcome = 'skipped'
        report.longrepr = (str(collector.path), None, 'Skipped: needs PyTorch')
