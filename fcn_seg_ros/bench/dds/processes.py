"""The benchmark's processes on a ROS domain of their own."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
import json
import os
from pathlib import Path
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

from ...errors import FcnSegError
from ...ros.dds import closed, profile_environment, PROFILE_NAMES
from ...support.arrays import UInt8Array

TIMEOUT = 120.0
"""Seconds in which any part of the benchmark must come to its end, plus its own time."""
_STOP_TIMEOUT = 10.0
_POLL = 0.05


class Process:
    """
    A running module of the package; its output goes to a file.

    :param module: its name within the package.
    :param arguments: of its command line.
    :param environment: the process's.
    :param log: file for what it prints.
    :param folder: a checkout to take the package from, instead of this one.

    :ivar began: when it was started, seconds by :func:`time.monotonic`.
    """

    def __init__(self, module: str, arguments: tuple[object, ...],
                 environment: Mapping[str, str], log: Path, folder: str | None = None) -> None:
        self._log, self._name = log, module.rpartition('.')[2]
        package = __package__.partition('.')[0]
        self.began = time.monotonic()
        with open(log, 'wb') as file:
            # Python looks for modules where it is started, first of all.
            self._process = subprocess.Popen(
                [sys.executable, '-m', f'{package}.{module}', *map(str, arguments)],
                env=environment, cwd=folder, stdout=file, stderr=subprocess.STDOUT)

    @property
    def log(self) -> str:
        """Return what the process has printed so far."""
        return self._log.read_text(errors='replace')

    @property
    def running(self) -> bool:
        """Tell whether the process runs."""
        return self._process.poll() is None

    def wait(self, seconds: float = 0.0) -> Any:
        """
        Wait for the last line of the output and return it as JSON.

        The process need not have ended: the graph's end can take its time.

        :param seconds: that the work takes by itself.
        :raises FcnSegError: when it takes longer, or ends without one.
        """
        deadline = time.monotonic() + TIMEOUT + seconds
        while True:
            ended = not self.running
            with suppress(ValueError, IndexError):
                return json.loads(self.log.splitlines()[-1])
            if ended or time.monotonic() > deadline:
                raise FcnSegError(f'{self._name} has measured nothing: {self._last_words()}')
            time.sleep(_POLL)

    def wait_for_log(self, text: str, timeout: float = TIMEOUT) -> None:
        """
        Wait until the process has printed something.

        :param text: what to wait for.
        :param timeout: seconds that it may take.
        :raises FcnSegError: when it ends before, or takes longer.
        """
        end = time.monotonic() + timeout
        while text not in self.log:
            if not self.running or time.monotonic() > end:
                raise FcnSegError(f'{self._name} does not start: {self._last_words()}')
            time.sleep(_POLL)

    def cpu_seconds(self) -> float:
        """Return the processor time used so far."""
        stat = Path(f'/proc/{self._process.pid}/stat').read_text().rpartition(') ')[2].split()
        return sum(map(int, stat[11:13])) / os.sysconf('SC_CLK_TCK')

    def memory(self, kind: str = 'RssAnon') -> int:
        """
        Return resident memory of the process, bytes.

        :param kind: RssAnon, its own, or VmRSS, libraries and shared memory as well.
        :raises FcnSegError: when this kernel does not tell.
        """
        status = Path(f'/proc/{self._process.pid}/status').read_text()
        match = re.search(rf'{kind}:\s+(\d+) kB', status)
        if match is None:
            raise FcnSegError(f"this kernel does not tell a process's memory ({kind})")
        return int(match[1]) << 10

    def stop(self) -> None:
        """End the process as Ctrl-C does; killing leaves shared memory behind."""
        if self.running:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _last_words(self) -> str:
        lines = [line for line in self.log.splitlines() if line.strip()]
        return lines[-1] if lines else 'it printed nothing'


class ProcessGroup:
    """
    Where the processes of a benchmark meet.

    :param picture: uint8 array H x W x 3, what cameras see.

    :ivar picture: the same.
    """

    def __init__(self, picture: UInt8Array) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix='fcn_seg_bench_')
        self._pictures: dict[tuple[int, ...], Path] = {}
        self._started: list[Process] = []
        self.picture = picture
        # Not the user's domain: no robot must see this, and none may disturb it.
        self._environment = closed(os.environ) | {
            'ROS_DOMAIN_ID': str(random.randint(60, 100)), 'PYTHONUNBUFFERED': '1'}
        # The package's node sets it for itself; the usual one would not.
        self._environment.pop('OMP_WAIT_POLICY', None)

    def start(self, module: str, *arguments: object, profile: bool = True,
              folder: str | None = None) -> Process:
        """
        Start a module of the package as a process.

        :param module: its name within the package.
        :param arguments: of its command line.
        :param profile: with the package's Fast DDS profile (unless the user has set one),
            or with none.
        :param folder: a checkout to take the package from, instead of this one.
        """
        environment = dict(self._environment)
        if profile:
            environment.update(profile_environment(environment))
        else:
            for name in PROFILE_NAMES:
                environment.pop(name, None)
        log = Path(self._folder.name) / f'{len(self._started)}.log'
        process = Process(module, arguments, environment, log, folder)
        self._started.append(process)
        return process

    def start_camera(self, *topics: str, rate: float = 0.0, picture: UInt8Array | None = None,
                     profile: bool = True, options: Sequence[str] = ()) -> Process:
        """
        Start a camera process, see ``camera.py``.

        :param topics: to publish on.
        :param rate: rounds a second, 0: one for each answer of the listener.
        :param picture: uint8 array H x W x 3, None for the group's own.
        :param profile: as for :meth:`start`.
        :param options: further ones of the process.
        """
        picture = self.picture if picture is None else picture
        if picture.shape not in self._pictures:
            path = Path(self._folder.name) / f'{len(self._pictures)}.npy'
            np.save(path, picture)
            self._pictures[picture.shape] = path
        return self.start('bench.dds.camera', '--topics', ','.join(topics), '--rate', rate,
                          '--picture', self._pictures[picture.shape], *options, profile=profile)

    @contextmanager
    def running(self, *processes: Process) -> Iterator[None]:
        """
        Stop some processes at the end of a block.

        :param processes: the last one last.
        """
        try:
            yield
        finally:
            for process in processes:
                process.stop()

    def close(self) -> None:
        """Stop every process that is left, and forget the files."""
        for process in reversed(self._started):
            process.stop()
        self._folder.cleanup()
