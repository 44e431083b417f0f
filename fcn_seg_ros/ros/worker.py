"""A thread that works when it is told to, apart from the executor's callbacks."""

from collections.abc import Callable
import threading


class Worker:
    """
    Run a function in a thread of its own, again after every :meth:`wake`.

    Wakes that come while it works count as one.

    :param work: the function, which must not raise; it returns True when there may be more to
        do at once.
    :param name: of the thread.
    """

    def __init__(self, work: Callable[[], bool], name: str) -> None:
        self._work = work
        self._wake = threading.Event()
        self._stop = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something to do; callable from any thread."""
        self._wake.set()

    def close(self, timeout: float | None = None) -> bool:
        """
        Let the current work end and stop the thread.

        :param timeout: seconds to wait for it, None = as long as it takes.
        :returns: whether it has stopped.
        """
        self._stop = True
        self._wake.set()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._stop:
                return
            if self._work():
                self._wake.set()
