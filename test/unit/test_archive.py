"""Archives that must not get out of their folder."""

import gzip
import io
import tarfile

from fcn_seg_ros.errors import FetchError
from fcn_seg_ros.networks import archive as archive_module
from fcn_seg_ros.networks.archive import MAX_MEMBERS, unpack
from published import tar_gz
import pytest


@pytest.fixture
def try_unpack(tmp_path):
    """Return a function that unpacks bytes and gives the folder."""
    def run(data):
        (tmp_path / 'a.tar.gz').write_bytes(data)
        unpack(tmp_path / 'a.tar.gz', tmp_path / 'out')
        return tmp_path / 'out'
    return run


def special(name, kind, target=''):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return {name: info}


def test_files_and_folders(try_unpack):
    folder = try_unpack(tar_gz({'a.txt': b'1', 'sub/b.bin': bytes(3_000_000),
                                **special('./d/empty', tarfile.DIRTYPE)}, folder='./d'))
    files = {str(p.relative_to(folder)): p for p in folder.rglob('*')}
    assert files.keys() == {'d', 'd/a.txt', 'd/sub', 'd/sub/b.bin', 'd/empty'}
    assert files['d/a.txt'].read_bytes() == b'1'
    assert files['d/sub/b.bin'].stat().st_size == 3_000_000
    assert files['d/a.txt'].stat().st_mode & 0o7111 == 0  # whatever the archive says


def test_mode_and_owner_of_the_archive_are_not_taken_over(try_unpack):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w:gz') as tar:
        info = tarfile.TarInfo('a')
        info.mode, info.uid, info.size = 0o6777, 12345, 1
        tar.addfile(info, io.BytesIO(b'1'))
    status = (try_unpack(buffer.getvalue()) / 'a').stat()
    assert status.st_mode & 0o7111 == 0
    assert status.st_uid != 12345


def pax(headers):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w:gz', format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo('a')
        info.pax_headers = headers
        tar.addfile(info, io.BytesIO(b''))
    return buffer.getvalue()


def sparse():
    # An old GNU sparse file: 0 bytes stored that stand for 1 GiB.
    info = tarfile.TarInfo('hole')
    info.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b'10000000000\0'  # real size, octal
    header[148:156] = b' ' * 8
    header[148:156] = b'%06o\0 ' % sum(header)
    return gzip.compress(bytes(header) + bytes(1024))


WHOLE = tar_gz({'a': bytes(range(256)) * 100})
UNSAFE = {
    'parent': (tar_gz({'../evil': b'x'}, folder=''), "path '../evil' is not allowed"),
    'hidden parent': (tar_gz({'a/../../evil': b'x'}, folder=''), 'not allowed'),
    'absolute': (tar_gz({'/tmp/evil': b'x'}, folder=''), 'not allowed'),
    'absolute in pax': (pax({'path': '/tmp/evil'}), 'not allowed'),
    'backslash': (tar_gz({'..\\evil': b'x'}, folder=''), 'not allowed'),
    'newline': (tar_gz({'a\nb': b'x'}, folder=''), 'not allowed'),
    'deep': (tar_gz({'a/b/c/d/e': b'x'}, folder=''), 'not allowed'),
    'long name': (tar_gz({'a' * 250: b'x'}, folder=''), 'not allowed'),
    'symlink': (tar_gz(special('l', tarfile.SYMTYPE, '/etc')), "'l' is a link or a special"),
    'hard link': (tar_gz({'a': b'', **special('l', tarfile.LNKTYPE, 'd/a')}, folder='d'), 'link'),
    'device': (tar_gz(special('l', tarfile.CHRTYPE)), 'special file'),
    'fifo': (tar_gz(special('l', tarfile.FIFOTYPE)), 'special file'),
    'sparse file': (sparse(), 'special file'),
    'file twice': (tar_gz({'a': b'1', './a': b'2'}, folder=''), "'./a' twice"),
    'file as folder': (tar_gz({'a': b'1', 'a/b': b'2'}, folder=''), 'twice'),
    'folder as file': (tar_gz({'a/b': b'1', 'a': b'2'}, folder=''), 'twice'),
    'many files': (tar_gz({str(i): b'' for i in range(MAX_MEMBERS + 1)}), 'more than 200 files'),
    'truncated': (WHOLE[:-200], 'damaged'),
    'cut to its first bytes': (WHOLE[:20], 'damaged'),
    'damaged in the middle': (WHOLE[:80] + b'????' + WHOLE[84:], 'damaged'),
    'wrong checksum': (WHOLE[:-8] + bytes(4) + WHOLE[-4:], 'damaged'),
    'not gzip': (b'<html>Please log in</html>', 'damaged or not a .tar.gz'),
    'not tar': (gzip.compress(b'hello' * 1000), 'damaged or not a .tar.gz'),
    'tar cut off': (gzip.compress(gzip.decompress(WHOLE)[:2000]), 'damaged'),
    'empty': (b'', 'damaged'),
}


@pytest.mark.parametrize('case', UNSAFE)
def test_unsafe_or_damaged(try_unpack, tmp_path, case):
    data, message = UNSAFE[case]
    before = set(tmp_path.parent.rglob('*'))
    with pytest.raises(FetchError, match=message) as caught:
        try_unpack(data)
    assert '\n' not in str(caught.value)
    assert set(tmp_path.parent.rglob('*')) - before == {tmp_path / 'a.tar.gz'}


@pytest.mark.parametrize('data', [tar_gz({'a': bytes(5_000_000)}),
                                  pax({'comment': 'x' * 5_000_000}),
                                  gzip.compress(gzip.decompress(WHOLE) + bytes(5_000_000))],
                         ids=['file', 'header', 'padding'])
def test_archive_that_grows_too_large(try_unpack, monkeypatch, tmp_path, data):
    assert len(data) < 100_000
    monkeypatch.setattr(archive_module, 'MAX_BYTES', 1 << 20)
    with pytest.raises(FetchError, match='unpacks to more than 1 MiB'):
        try_unpack(data)
    assert not (tmp_path / 'out').exists()


def test_existing_folder_is_not_touched(try_unpack, tmp_path):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'mine').write_text('x')
    with pytest.raises(FileExistsError):
        try_unpack(WHOLE)
    assert (tmp_path / 'out' / 'mine').exists()
