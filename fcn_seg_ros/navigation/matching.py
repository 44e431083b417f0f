"""Finding, for an image, the depth image of the same time."""

from collections import deque
import threading


class StampBuffer:
    """
    The last few messages of a topic by their stamps; any thread may add and look up.

    Nobody waits in here: whoever needs depth that has not come does without, or asks again.

    :param length: how many messages are kept; the oldest arrival goes first.
    """

    def __init__(self, length=8):
        self._items = deque(maxlen=length)
        self._lock = threading.Lock()

    def add(self, stamp_ns, item):
        """Keep a message with its stamp in nanoseconds."""
        with self._lock:
            self._items.append((stamp_ns, item))

    def nearest(self, stamp_ns, slop):
        """
        Return the message nearest in time, of equals the latest arrival, or None.

        :param slop: largest difference of stamps, s.
        """
        with self._lock:
            items = list(self._items)
        if not items:
            return None
        stamp, item = min(reversed(items), key=lambda pair: abs(pair[0] - stamp_ns))
        return item if abs(stamp - stamp_ns) <= round(slop * 1e9) else None

    def clear(self):
        """Forget all messages."""
        with self._lock:
            self._items.clear()
