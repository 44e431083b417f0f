"""What small trainings share; where PyTorch is not installed what needs it is skipped."""

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


# The modules of trainings import PyTorch: not before a test asks for one.


@pytest.fixture(scope='module')
def one_thread():
    """Let PyTorch compute with one thread, see :func:`small_trainings.one_thread`."""
    import small_trainings
    with small_trainings.one_thread():
        yield


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Return the folder of the small trainings' data set."""
    import small_trainings
    return small_trainings.write_data(tmp_path_factory.mktemp('data'))


@pytest.fixture
def thin(monkeypatch):
    """Let networks be thin, as :mod:`thin_fcn` makes them."""
    import thin_fcn
    thin_fcn.use(monkeypatch)


@pytest.fixture(scope='module')
def uninterrupted(one_thread, data, tmp_path_factory):
    """Return the folder of a whole run of the thin network."""
    import small_trainings
    return small_trainings.whole_run(data, tmp_path_factory.mktemp('whole'))
