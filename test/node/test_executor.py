"""The node's executor: services beside everything else."""

import threading
import time

from fcn_seg_ros.ros.executor import ServiceThreadExecutor
from graph import Domain, Graph
from lifecycle_msgs.srv import ChangeState
import pytest
import rclpy
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup

_DEADLINE = 20.0


class Bench:
    """A node on the executor under test, and another that calls its services."""

    def __init__(self):
        self.domain = Domain()
        self.caller = Graph(self.domain.number, 'caller')
        self.node = rclpy.create_node('server', context=self.caller.context)
        self.executor = ServiceThreadExecutor(context=self.caller.context)
        self.executor.add_node(self.node)

    def timer(self, callback):
        """Call back every few milliseconds."""
        return self.node.create_timer(
            0.005, callback, callback_group=MutuallyExclusiveCallbackGroup())

    def call(self, name):
        """Call a service; return its future."""
        client = self.caller.node.create_client(ChangeState, name)
        assert client.wait_for_service(_DEADLINE)
        return client.call_async(ChangeState.Request())

    def spin_until(self, condition):
        """Spin both until something is true."""
        self.caller.wait_until(
            lambda: condition() or self.executor.spin_once(timeout_sec=0.01), 'a callback',
            _DEADLINE)

    def close(self):
        """Leave ROS."""
        self.executor.shutdown(timeout_sec=0)
        self.node.destroy_node()
        self.caller.close()
        self.domain.release()


@pytest.fixture
def bench():
    """Return a :class:`Bench`."""
    bench = Bench()
    yield bench
    bench.close()


def test_other_callbacks_go_on_while_a_service_works(bench):
    ticks, threads, end = [], set(), threading.Event()

    def tick():
        ticks.append(threading.current_thread())

    def work(request, response):
        threads.add(threading.current_thread())
        response.success = end.wait(_DEADLINE)
        return response

    bench.timer(tick)
    bench.node.create_service(ChangeState, 'work', work)
    answer = bench.call('work')
    bench.spin_until(lambda: threads)
    before = len(ticks)
    bench.spin_until(lambda: len(ticks) > before + 10)
    assert not answer.done()
    assert set(ticks) == {threading.current_thread()}
    assert threading.current_thread() not in threads
    end.set()
    bench.spin_until(answer.done)
    assert answer.result().success


def test_services_come_one_after_the_other(bench):
    running, most, done = [], [], []

    def work(request, response):
        running.append(None)
        most.append(len(running))
        threading.Event().wait(0.05)  # for another one to come
        running.pop()
        done.append(None)
        return response

    for name in ('one', 'two', 'three'):
        bench.node.create_service(ChangeState, name, work)
    answers = [bench.call(name) for name in ('one', 'two', 'three')]
    bench.spin_until(lambda: all(answer.done() for answer in answers))
    assert len(done) == 3 and max(most) == 1


def test_what_a_callback_raises_comes_out(bench):
    def fail(request, response):
        raise OverflowError('of a service')

    bench.node.create_service(ChangeState, 'fail', fail)
    bench.call('fail')
    with pytest.raises(OverflowError, match='of a service'):
        bench.spin_until(lambda: False)

    def fail_too():
        raise OverflowError('of a timer')

    bench.timer(fail_too)
    with pytest.raises(OverflowError, match='of a timer'):
        bench.spin_until(lambda: False)


def test_a_callback_is_handed_out_once(bench):
    """A callback that waits for its thread must not be handed out again: rclpy issue 1452."""
    handed_out = []
    wait, run = bench.executor.wait_for_ready_callbacks, bench.executor._run

    def run_late(handler):
        time.sleep(0.5)  # some turns of the executor
        run(handler)

    def count(*args):
        result = wait(*args)
        handed_out.append(result[0])
        return result

    bench.executor.wait_for_ready_callbacks, bench.executor._run = count, run_late
    bench.node.create_service(ChangeState, 'work', lambda request, response: response)
    bench.spin_until(bench.call('work').done)
    assert len(handed_out) == len(set(handed_out))
