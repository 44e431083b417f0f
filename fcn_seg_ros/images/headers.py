"""
The sizes of JPEG, PNG and WebP files, read from their own headers and checked for their ends.

Nothing is decoded here.  A file that was cut short is refused: decoders would fill the rest of
a JPEG with grey, which a network then takes for the world.  So is a file of a few bytes that
claims a large picture.  What follows a picture's end (phones append a video) is no part of it.
"""

from collections.abc import Callable
import re
import struct
from typing import NamedTuple, NoReturn

from .raw import check_size
from ..errors import ImageError
from ..support.arrays import Size

MAX_SCANS = 64
"""Most scans of a progressive JPEG; cameras send 1, encoders about 10, attackers thousands."""

_PNG_MAGIC = b'\x89PNG\r\n\x1a\n'
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE = frozenset((0x01, *range(0xD0, 0xD8)))
_FIRST_ARITHMETIC = 0xC9  # frames from here on use arithmetic instead of Huffman codes
_END_OF_IMAGE, _START_OF_SCAN = 0xD9, 0xDA
# In coded data FF is always followed by 00 or by a restart marker: anything else ends a scan.
_END_OF_SCAN = re.compile(rb'\xff+[^\x00\xff\xd0-\xd7]')
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEFLATE_RATIO = 1032  # the most that deflate can compress


class Header(NamedTuple):
    """
    What a file says of its picture.

    :ivar codec: 'JPEG', 'PNG' or 'WebP'.
    :ivar size: the picture's, as it is stored.
    :ivar end: number of the file's bytes that belong to the picture.
    """

    codec: str
    size: Size
    end: int


def read_header(data: bytes) -> Header | None:
    """
    Return what the header of a JPEG, PNG or WebP says, or None for any other content.

    :param data: the file's bytes.
    :raises ImageError: of kind 'too_large' (by the header), or 'compressed' (truncated or
        damaged).
    """
    reader = next((reader for magic, reader in _READERS if magic.match(data)), None)
    return reader(data) if reader else None


def _fail(problem: str) -> NoReturn:
    raise ImageError('compressed', problem)


def _checked_size(height: int, width: int) -> Size:
    if height < 1 or width < 1:
        _fail(f'compressed image has a size of {width}x{height}')
    check_size(height, width)
    return Size(height, width)


def _check_coded_bytes(coded: int, least: int, size: Size) -> None:
    """Refuse a file of a few bytes that claims a large picture, or has lost most of it."""
    if coded < least:
        _fail(f'compressed image is damaged: {coded} bytes cannot hold {size} pixels')


def _read_png(data: bytes) -> Header:
    """Check that a PNG's chunks are all there."""
    try:
        length, kind, width, height, bits, color = struct.unpack_from(
            '>I4sIIBB', data, len(_PNG_MAGIC))
        if length != 13 or kind != b'IHDR' or color not in _PNG_CHANNELS:
            _fail('PNG image is damaged: it does not begin with IHDR')
        size = _checked_size(height, width)
        position, coded = len(_PNG_MAGIC), 0
        while kind != b'IEND':
            length, kind = struct.unpack_from('>I4s', data, position)
            position += 12 + length  # length, kind, data, CRC
            coded += length if kind == b'IDAT' else 0
    except struct.error:
        position = len(data) + 1
    if position > len(data):
        _fail(f'PNG image is truncated after {len(data)} bytes')
    raw = height * width * _PNG_CHANNELS[color] * bits // 8
    _check_coded_bytes(coded, raw // _DEFLATE_RATIO, size)
    return Header('PNG', size, position)


def _read_webp(data: bytes) -> Header:
    """Check a WebP's size by its first chunk (RFC 9649), and that its chunks are all there."""
    end = 8 + int.from_bytes(data[4:8], 'little')
    if end > len(data) or end < 30:
        _fail(f'WebP image is truncated after {len(data)} bytes')
    kind = data[12:16]
    if kind == b'VP8X':
        width, height = (1 + int.from_bytes(data[i:i + 3], 'little') for i in (24, 27))
    elif kind == b'VP8L':
        bits = int.from_bytes(data[21:25], 'little')
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b'VP8 ':
        width, height = (int.from_bytes(data[i:i + 2], 'little') & 0x3FFF for i in (26, 28))
    else:
        _fail('WebP image is damaged: it does not begin with a picture')
    return Header('WebP', _checked_size(height, width), end)


def _read_jpeg(data: bytes) -> Header:
    """Follow a JPEG's segments and scans to its end (ITU-T T.81, B)."""
    size, frame, scans, first_scan, position = None, 0, 0, 0, 2
    try:
        while True:
            if data[position] != 0xFF:
                _fail('JPEG image is damaged: no marker where one is due')
            while data[position] == 0xFF:  # markers may be preceded by fill bytes
                position += 1
            marker = data[position]
            position += 1
            if marker in _STANDALONE:
                continue
            if marker == _END_OF_IMAGE:
                break
            if marker in _START_OF_FRAME and not scans:
                frame = marker
                size = _checked_size(*struct.unpack_from('>HH', data, position + 3))
            if marker == _START_OF_SCAN and size is None:
                _fail('JPEG image is damaged: no frame header')
            position += struct.unpack_from('>H', data, position)[0]
            if marker == _START_OF_SCAN:
                scans += 1
                first_scan = first_scan or position
                if scans > MAX_SCANS:
                    _fail(f'JPEG image has more than {MAX_SCANS} scans')
                following = _END_OF_SCAN.search(data, position)
                position = following.start() if following else len(data)
    except (IndexError, struct.error):
        where = '' if scans else ' in its header,'
        _fail(f'JPEG image is truncated{where} after {len(data)} bytes')
    if size is None or not scans:
        _fail('JPEG image is damaged: no frame header')
    if frame < _FIRST_ARITHMETIC:  # a Huffman code has a bit or more for each 8 x 8 block
        _check_coded_bytes(position - first_scan, size.height * size.width // (64 * 8), size)
    return Header('JPEG', size, position)


_READERS: tuple[tuple[re.Pattern[bytes], Callable[[bytes], Header]], ...] = (
    (re.compile(b'\xff\xd8\xff'), _read_jpeg),
    (re.compile(re.escape(_PNG_MAGIC)), _read_png),
    (re.compile(rb'RIFF....WEBP', re.DOTALL), _read_webp),
)
