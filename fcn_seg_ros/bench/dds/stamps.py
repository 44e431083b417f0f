"""
The stamp of a serialised message that begins with a header.

In CDR four bytes come first, of which the second tells the byte order, then the stamp.
"""

import struct

_OFFSET = 4


def read_stamp(data: bytes | bytearray) -> float:
    """
    Return the stamp in seconds.

    :param data: the message.
    """
    sec, nanosec = struct.unpack_from(_layout(data), data, _OFFSET)
    return float(sec + nanosec * 1e-9)


def write_stamp(data: bytearray, nanoseconds: int) -> None:
    """
    Set the stamp of a message.

    :param data: the message, which is changed.
    :param nanoseconds: the stamp.
    """
    struct.pack_into(_layout(data), data, _OFFSET, *divmod(nanoseconds, 10**9))


def _layout(data: bytes | bytearray) -> str:
    return '<iI' if data[1] else '>iI'
