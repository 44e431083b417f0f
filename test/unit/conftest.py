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


# So do those of fetched networks.


@pytest.fixture
def get(tmp_path):
    """Return a function that fetches a network from a server of the given routes."""
    from fcn_seg_ros.networks.fetch import fetch
    from fcn_seg_ros.networks.registry import Registry
    from local_server import running
    import published

    def run(*routes, name=published.NETWORK, **options):
        served = {f'/{i}': route for i, route in enumerate(routes)}
        with running(served) as server:
            run.requests = server.requests
            network = Registry.load(tmp_path).get(name)
            return fetch(network, tmp_path, urls=[server.url(path) for path in served], **options)
    return run


@pytest.fixture
def light(monkeypatch):
    """Let small files pass for weights, where a test is not about weights."""
    from fcn_seg_ros.networks import fetch as fetch_module
    import published
    monkeypatch.setattr(fetch_module, '_check_loads', lambda network, weights: None)
    return published.tar_gz({'model.onnx': b'weights', 'classes.txt': b'trail\n'})
