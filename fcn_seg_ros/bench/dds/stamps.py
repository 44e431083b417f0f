"""
The stamp of a serialised message that begins with a header.

In CDR four bytes come first, of which the second tells the byte order, then the stamp.
"""

import struct

_OFFSET = 4


def read_stamp(data):
    """Return the stamp in seconds."""
    sec, nanosec = struct.unpack_from(_layout(data), data, _OFFSET)
    return sec + nanosec * 1e-9


def write_stamp(data, nanoseconds):
    """Set the stamp in a bytearray."""
    struct.pack_into(_layout(data), data, _OFFSET, *divmod(nanoseconds, 10**9))


def _layout(data):
    return '<iI' if data[1] else '>iI'
