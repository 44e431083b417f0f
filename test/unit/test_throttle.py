import logging

from fcn_seg_ros.ros.throttle import RosLogHandler, Throttle
import pytest


class Log:
    def __init__(self):
        self.lines = []

    def info(self, text):
        self.lines.append(('info', text))

    def warning(self, text):
        self.lines.append(('warning', text))

    def error(self, text):
        self.lines.append(('error', text))


@pytest.fixture
def log():
    return Log()


def test_a_key_has_one_line_in_a_while(log):
    now = [0.0]
    throttle = Throttle(log, period=5.0, clock=lambda: now[0])
    for _ in range(4):
        throttle.warning('a', 'first')
    throttle.warning('b', 'second')
    assert [text for _, text in log.lines] == ['first', 'second']
    now[0] = 5.0
    throttle.warning('a', 'first')
    assert log.lines[-1] == ('warning', 'first (3 more like it since the last line)')
    now[0] = 10.0
    throttle.warning('a', 'first')
    assert log.lines[-1] == ('warning', 'first')


def test_exceptions_come_with_their_traceback(log):
    def fail():
        raise ValueError('why')

    try:
        fail()
    except ValueError as error:
        Throttle(log).exception('key', 'frame failed', error)
    (level, text), = log.lines
    assert level == 'error'
    assert text.startswith("frame failed: ValueError('why')\nTraceback")
    assert 'in fail' in text


def test_the_core_s_log_keeps_its_levels(log):
    logger = logging.Logger('core')
    logger.addHandler(RosLogHandler(log))
    logger.debug('not this')
    logger.info('loaded %s', 'x')
    logger.warning('slow')
    logger.critical('lost')
    assert log.lines == [('info', 'loaded x'), ('warning', 'slow'), ('error', 'lost')]
