"""YAML that is malformed or made to hurt."""

from fcn_seg_ros.errors import RegistryError
from fcn_seg_ros.support.safe_yaml import load_yaml, MAX_BYTES, MAX_DEPTH
import pytest


def read(tmp_path, data):
    path = tmp_path / 'file.yaml'
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return load_yaml(path)


def test_plain_data(tmp_path):
    assert read(tmp_path, 'a: [1, 2.5, x, null, true]\nb: {c: ä}') == {
        'a': [1, 2.5, 'x', None, True], 'b': {'c': 'ä'}}


def billion_laughs():
    lines = ['l0: &l0 [lol, lol]']
    lines += [f'l{i}: &l{i} [' + ', '.join([f'*l{i - 1}'] * 10) + ']' for i in range(1, 12)]
    return '\n'.join(lines)


BAD = {
    'aliases': (billion_laughs(), r'line 2: aliases \(\*name\) are not allowed'),
    'merge keys': ('a: &a {x: 1}\nb: {<<: *a}', 'aliases'),
    # Newer versions of libyaml have a limit of their own and look ahead.
    'depth': ('[' * 100_000, f'nested deeper than {MAX_DEPTH}|maximum nesting depth'),
    'deep mappings': ('{a: ' * 50 + '1' + '}' * 50, 'nested deeper'),
    'size': (b'#' * (MAX_BYTES + 1), 'larger than 256 KiB'),
    'python tags': ('a: !!python/object/apply:os.system [true]', 'could not determine a constr'),
    'repeated keys': ('a: 1\nb: 2\na: 3', "the key 'a' is given twice"),
    'two documents': ('a: 1\n---\nb: 2', 'line 2'),
    'syntax': ('a: [1, 2', 'file.yaml line'),
    'tab': ('a:\n\t- b', 'line 2'),
    'control characters': (b'a: \x00', 'file.yaml'),
    'not UTF-8': (b'a: \xff\xfe', 'is not YAML'),
    'impossible date': ('a: 2024-13-45', 'is not YAML'),
    'giant number': ('a: ' + '9' * 100_000, 'is not YAML'),
    'unhashable key': ('{[1]: 2}', 'unhashable'),
}


@pytest.mark.parametrize('case', BAD)
def test_malformed(tmp_path, case):
    data, message = BAD[case]
    with pytest.raises(RegistryError, match=message) as caught:
        read(tmp_path, data)
    assert 'file.yaml' in str(caught.value)
    assert '\n' not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_missing(tmp_path):
    with pytest.raises(RegistryError, match='cannot read .*: No such file'):
        load_yaml(tmp_path / 'none.yaml')
    with pytest.raises(RegistryError, match='directory'):
        load_yaml(tmp_path)
