"""Finding, for an image, the depth image of the same time."""

from collections import deque
import threading
from typing import Generic, TypeVar

Message = TypeVar('Message')


class StampBuffer(Generic[Message]):
    """
    The last few messages of a topic by their stamps; any thread may add and look up.

    Nobody waits in here: whoever needs depth that has not come does without, or asks again.

    :param length: how many messages are kept; the oldest arrival goes first.
    """

    def __init__(self, length: int = 8) -> None:
        self._items: deque[tuple[int, Message]] = deque(maxlen=length)
        self._lock = threading.Lock()

    def add(self, stamp_ns: int, item: Message) -> None:
        """
        Keep a message.

        :param stamp_ns: its stamp, ns.
        :param item: the message.
        """
        with self._lock:
            self._items.append((stamp_ns, item))

    def nearest(self, stamp_ns: int, slop: float) -> Message | None:
        """
        Return the message nearest in time, of equals the latest arrival, or None.

        :param stamp_ns: the time that is looked for, ns.
        :param slop: largest difference of stamps, s.
        """
        with self._lock:
            items = list(self._items)
        if not items:
            return None
        stamp, item = min(reversed(items), key=lambda pair: abs(pair[0] - stamp_ns))
        return item if abs(stamp - stamp_ns) <= round(slop * 1e9) else None

    def clear(self) -> None:
        """Forget all messages."""
        with self._lock:
            self._items.clear()
