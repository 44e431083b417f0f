"""
Node processes and their counterparts on a ROS graph, for tests.

Everything waits for conditions with deadlines: discovery takes a second on an idle
machine and many on a busy one.
"""

from array import array
import fcntl
import math
import os
from pathlib import Path
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

from builtin_interfaces.msg import Time
import numpy as np
from rcl_interfaces.srv import SetParametersAtomically
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header

DEADLINE = 300.0
"""Seconds after which a condition counts as never coming true; only a failure takes so long."""
ASK_AGAIN = 20.0
"""Seconds after which the answer of a service counts as lost; loading a network takes less."""
RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT


class Domain:
    """
    A ROS domain that no other test on this machine uses while this object holds it.

    Not one of those from 60 on, of which the demo and the benchmark take one by chance.
    """

    def __init__(self):
        numbers = list(range(1, 60))
        random.SystemRandom().shuffle(numbers)
        for number in numbers:
            path = Path(tempfile.gettempdir(), f'fcn_seg_ros_test_domain_{number}.lock')
            try:
                self._file = open(path, 'w')  # noqa: SIM115 (held open: it is the lock)
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # in use, or another user's
                continue
            self.number = number
            return
        raise RuntimeError('no free ROS domain')

    def release(self):
        """Let others have the domain."""
        self._file.close()


def segments(pid):
    """Return the shared-memory segments of Fast DDS that a process has mapped, but ports."""
    return set(re.findall(r'/dev/shm/fast(?:rtps|dds)_[0-9a-f]{16}\b',
                          Path(f'/proc/{pid}/maps').read_text()))


def kill(process):
    """
    End a process as the kernel would.

    It leaves its segments behind, 64 MiB each with the package's profile, and RAM is what
    they lie in.  They are removed; those of other processes that it had opened go on as
    an unlinked file does for all who have opened them.
    """
    if process.poll() is None:
        process.send_signal(signal.SIGSTOP)
        files = segments(process.pid)
        process.kill()
        process.wait()
        for file in files:
            _remove_unlocked(file)


def _remove_unlocked(file):
    """Remove a segment unless its owner lives, who holds a lock of its `_el` file."""
    try:
        with open(f'{file}_el') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in (file, f'{file}_el'):
                Path(path).unlink(missing_ok=True)
    except OSError:
        pass


def close(process, deadline=10):
    """End a process as Ctrl-C does, or by force if that does not help in so many seconds."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(deadline)
        except subprocess.TimeoutExpired:
            kill(process)


class NodeProcess:
    """
    A segmentation node in a process of its own.

    :param domain: number of the ROS domain.
    :param folder: for its log, its HOME and its cache.
    :param params: parameters by name.
    :param remap: {from: to}.
    :param prelude: Python code to run in the process before the node's main(), such as a
        replacement of the engine by one that fails.
    """

    def __init__(self, domain, folder, params=None, *, remap=None, prelude='', name=''):
        folder.mkdir(parents=True, exist_ok=True)
        self.log_path = folder / 'node.log'
        arguments = ['--ros-args']
        for key, value in (params or {}).items():
            arguments += ['-p', f'{key}:={_yaml(value)}']
        for key, value in (remap or {}).items():
            arguments += ['-r', f'{key}:={value}']
        if name:
            arguments += ['-r', f'__node:={name}']
        environment = dict(
            os.environ, ROS_DOMAIN_ID=str(domain), HOME=str(folder),
            XDG_CACHE_HOME=str(folder / 'cache'), ROS_LOG_DIR=str(folder / 'ros_log'))
        code = f'{prelude}\nfrom fcn_seg_ros.ros.main import main\nmain()'
        with open(self.log_path, 'wb') as log:
            self.process = subprocess.Popen(
                [sys.executable, '-c', code, *arguments], env=environment, cwd=folder,
                stdout=log, stderr=subprocess.STDOUT)

    @property
    def log(self):
        """Everything the process has printed so far."""
        return self.log_path.read_text(errors='replace')

    def lines(self, start=0):
        """
        Return the lines of the log from a character on.

        Without those of Fast DDS, which complains of shared-memory ports that other
        processes on the machine have just used.
        """
        return [line for line in self.log[start:].splitlines() if 'RTPS_' not in line]

    def wait_for_log(self, pattern, deadline=DEADLINE):
        """Return the match of a regular expression once the log has one."""
        end = time.monotonic() + deadline
        while True:
            match = re.search(pattern, self.log)
            if match:
                return match
            running = self.process.poll() is None
            if not running or time.monotonic() > end:
                raise AssertionError(
                    f'no {pattern!r} in the log (running: {running}):\n{self.log}')
            time.sleep(0.02)

    def wait_for_exit(self, deadline=DEADLINE):
        """Return the exit status."""
        return self.process.wait(deadline)

    def stop(self, number=signal.SIGINT, deadline=DEADLINE):
        """Send a signal and return (exit status, seconds that the end took)."""
        began = time.monotonic()
        self.process.send_signal(number)
        status = self.wait_for_exit(deadline)
        return status, time.monotonic() - began

    def kill(self):
        """End the process as the kernel would."""
        kill(self.process)

    def close(self):
        """End the process if it is still there, with force only if it must be."""
        close(self.process)

    def cpu_seconds(self):
        """Return the processor time that the process has used."""
        fields = Path(f'/proc/{self.process.pid}/stat').read_text().rpartition(') ')[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf('SC_CLK_TCK')

    def memory(self, kind='RssAnon'):
        """
        Return resident memory of the process, bytes.

        :param kind: RssAnon, its own; RssShmem, shared, such as the segments of its cameras.
        """
        status = Path(f'/proc/{self.process.pid}/status').read_text()
        return int(re.search(rf'{kind}:\s+(\d+) kB', status).group(1)) << 10


def _yaml(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_yaml, value))}]"
    return f"'{value}'" if isinstance(value, str) else repr(value)


class Listener:
    """What arrives on a topic."""

    def __init__(self, graph, message_type, topic, qos):
        self.graph = graph
        self.messages = []
        self.times = []
        self.subscription = graph.node.create_subscription(
            message_type, topic, self._on_message, qos)

    def _on_message(self, message):
        self.messages.append(message)
        self.times.append(time.monotonic())

    def clear(self):
        """Forget what has arrived."""
        self.messages.clear()
        self.times.clear()

    def wait_for(self, condition=lambda message: True, deadline=DEADLINE):
        """Return the first message that meets a condition, also one from before."""
        def find():
            return next((m for m in self.messages if condition(m)), None)

        what = self.subscription.topic_name
        self.graph.wait_until(lambda: find() is not None, f'a message on {what}', deadline)
        return find()

    def wait_for_stamp(self, stamp, deadline=DEADLINE):
        """Return the message with this stamp."""
        return self.wait_for(lambda message: message.header.stamp == stamp, deadline)

    def close(self):
        """Stop to listen."""
        self.graph.node.destroy_subscription(self.subscription)


class Graph:
    """The test's own node on a domain: cameras, listeners, service clients."""

    def __init__(self, domain, name='test_graph'):
        self.context = Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node(name, context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self._clients = {}

    def wait_until(self, condition, what, deadline=DEADLINE):
        """Run callbacks until a condition is true."""
        end = time.monotonic() + deadline
        while not condition():
            assert time.monotonic() < end, f'waited {deadline} s in vain for {what}'
            self.executor.spin_once(timeout_sec=0.05)

    def spin_for(self, seconds):
        """
        Run callbacks for some time: for what must not happen, and between two pictures.

        For no longer: a test that published the next picture late would be the slowest part of
        what it tests.
        """
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=min(0.05, left))

    def send_until_answered(self, camera, message, *listeners):
        """
        Publish a message until each listener has what is made of it.

        A best-effort message may meet nobody, and so may a reliable one where one side has only
        just discovered the other.
        """
        self.wait_until(lambda: camera.publish(message) or self.spin_for(0.1) or all(
            any(m.header == message.header for m in listener.messages)
            for listener in listeners), 'an answer')

    def camera(self, topic='image', message_type=Image, *, reliability=RELIABLE, depth=1):
        """Return a publisher."""
        return self.node.create_publisher(
            message_type, topic, QoSProfile(depth=depth, reliability=reliability))

    def listen(self, message_type, topic, *, reliability=RELIABLE, depth=10, latched=False):
        """Return a :class:`Listener`."""
        durability = (DurabilityPolicy.TRANSIENT_LOCAL if latched
                      else DurabilityPolicy.VOLATILE)
        return Listener(self, message_type, topic, QoSProfile(
            depth=depth, reliability=reliability, durability=durability))

    def wait_for_subscribers(self, publisher, count=1, deadline=DEADLINE):
        """Wait until a publisher has exactly so many subscribers."""
        self.wait_until(lambda: publisher.get_subscription_count() == count,
                        f'{count} subscribers of {publisher.topic_name}', deadline)

    def call(self, service_type, name, request, deadline=DEADLINE):
        """Call a service and return its response."""
        answer = self.ask(service_type, name, request, deadline)
        self.wait_until(answer, f'the answer of {name}', deadline)
        return answer()

    def ask(self, service_type, name, request, deadline=DEADLINE):
        """
        Return a function that returns a service's response, or None as long as there is none.

        It asks again now and then: rmw_fastrtps drops the answer to a client that the server has
        not discovered within 0.1 s, which a busy machine may take.
        """
        if name not in self._clients:
            self._clients[name] = self.node.create_client(service_type, name)
        client = self._clients[name]
        self.wait_until(client.service_is_ready, f'the service {name}', deadline)
        futures, asked = [], -math.inf

        def answer():
            nonlocal asked
            response = next((future.result() for future in futures if future.done()), None)
            if response is None and time.monotonic() - asked > ASK_AGAIN:
                futures.append(client.call_async(request))
                asked = time.monotonic()
            return response

        return answer

    def set_atomically(self, **values):
        """Set the segmentation node's parameters at once; return (successful, reason)."""
        result = self.call(
            SetParametersAtomically, '/segmentation/set_parameters_atomically',
            SetParametersAtomically.Request(parameters=parameter_messages(values))).result
        return result.successful, result.reason

    def forget_services(self):
        """Make the clients anew: for a server that is another process now."""
        for client in self._clients.values():
            self.node.destroy_client(client)
        self._clients.clear()

    def close(self):
        """Leave the graph."""
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


_serial = iter(range(1, 1 << 30))


def new_header(frame_id='camera_optical'):
    """Return a header whose stamp no other has, and all of whose digits count."""
    serial = next(_serial)
    return Header(frame_id=frame_id, stamp=Time(sec=1_700_000_000 + serial,
                                                nanosec=987_654_321 - serial))


def parameter_messages(values):
    """Return the messages of {parameter: value}; names may have ``__`` for a dot."""
    return [Parameter(name.replace('__', '.'), value=value).to_parameter_msg()
            for name, value in values.items()]


def image_message(pixels, encoding='rgb8', header=None):
    """Return an Image of a uint8 array H x W or H x W x 3."""
    message = Image(header=header or new_header(), height=pixels.shape[0],
                    width=pixels.shape[1], encoding=encoding, step=pixels.strides[0])
    message.data = to_array(pixels)
    return message


def to_array(data):
    """Return bytes as what a message's data takes without a check of each element."""
    values = array('B')
    values.frombytes(memoryview(np.ascontiguousarray(data)).cast('B')
                     if isinstance(data, np.ndarray) else data)
    return values


def picture(height=48, width=64, seed=0):
    """Return a picture of coloured blobs, uint8 H x W x 3."""
    import cv2
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def mask_of(message):
    """Return an Image's pixels."""
    shape = (message.height, message.width) + ((3,) if message.encoding == 'rgb8' else ())
    return np.frombuffer(message.data, np.uint8).reshape(shape)
