"""What the documentation says of files and messages is so."""

from importlib import import_module
from pathlib import Path
import re

from fcn_seg_ros.images.raw import SUPPORTED
from PIL import Image
import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob('*.md'), *(ROOT / 'docs').glob('*.md'), *ROOT.glob('*/*/README.md'),
                *ROOT.glob('*/README.md')])


def anchors(text):
    """Return the anchors that GitHub gives the headings of a page."""
    titles = re.findall(r'^#+ (.+)$', re.sub(r'```.*?```', '', text, flags=re.S), re.M)
    return {re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-') for title in titles}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    text = re.sub(r'```.*?```', '', page.read_text(), flags=re.S)
    for target in re.findall(r'\]\(([^)\s]+)\)', text):
        if re.match(r'https?:|mailto:', target):
            continue
        path, _, anchor = target.partition('#')
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f'{target} does not exist'
        assert file.is_relative_to(ROOT), f'{target} is outside the repository'
        if anchor:
            assert anchor in anchors(file.read_text()), f'{target}: no such heading'


def test_the_readme_lists_every_output():
    """As the SROS 2 policy does, which is compared with a running node."""
    policy = (ROOT / 'config' / 'sros2' / 'policy.xml').read_text()
    published = {name for name in re.findall(r'<topic>/segmentation/(.+)</topic>', policy)
                 if not name.endswith('/compressed') and name != 'transition_event'}
    rows = re.findall(r'^\| (`~/.+?) \|', (ROOT / 'README.md').read_text(), re.M)
    assert {name for row in rows for name in re.findall('`~/([a-z_]+)`', row)} == published


def test_the_readme_lists_every_encoding():
    text, = re.findall(r'^Encodings: (.+?) with any `step`', (ROOT / 'README.md').read_text(),
                       re.M | re.S)
    patterns = ('rggb', 'bggr', 'gbrg', 'grbg')
    listed = {name.replace('*', pattern) for name in re.split(r',\s*', text.strip(', \n'))
              for pattern in (patterns if '*' in name else ('',))}
    assert listed == set(SUPPORTED)


def test_the_tests_that_back_promises_are_there():
    rows = [line for line in (ROOT / 'docs' / 'robustness.md').read_text().splitlines()
            if '`test_' in line and 'test/' in line]
    assert len(rows) > 30
    named = r'((?:`test_\w+`, )*`test_\w+`) in `(test/\S+\.py)`'
    for row in rows:
        assert '`test_' not in re.sub(named, '', row)  # none without its file
        for names, path in re.findall(named, row):
            text = (ROOT / path).read_text()
            for name in re.findall(r'\w+', names):
                assert f'def {name}(' in text, f'{path} has no {name}'


def test_the_architecture_names_files_that_are_there():
    text = (ROOT / 'docs' / 'architecture.md').read_text()
    names = set(re.findall(r'\b(?:[a-z_]+/)*[a-z_]+\.(?:py|cpp)\b', text))
    assert len(names) > 15
    missing = {name for name in names if not any(
        (base / name).is_file() for base in (ROOT, ROOT / 'fcn_seg_ros'))}
    assert not missing


def test_every_package_is_in_the_architecture():
    text = (ROOT / 'docs' / 'architecture.md').read_text()
    packages = {path.parent.name for path in (ROOT / 'fcn_seg_ros').glob('*/__init__.py')}
    assert {name for name in packages if f'{name}/' not in text} == set()


def definition(path):
    """Return [(field, type)] of a message's file."""
    lines = (line.partition('#')[0].split() for line in path.read_text().splitlines())
    return [(name, kind) for kind, name in filter(None, lines)]


def test_every_message_is_described_field_by_field():
    text = (ROOT / 'docs' / 'messages.md').read_text()
    sections = dict(re.findall(r'^## (\w+)\n(.*?)(?=^## |\Z)', text, re.M | re.S))
    described = {name: re.findall(r'^\| `(\w+)` \| (\S+) \| .+ \|$', section, re.M)
                 for name, section in sections.items()}
    assert described == {
        path.stem: definition(path) for path in (ROOT / 'msg').glob('*.msg')}


def test_the_legends_are_those_of_the_class_sets(monkeypatch):
    folder = ROOT / 'docs' / 'images'
    monkeypatch.syspath_prepend(folder)
    module = import_module('how_it_works')
    with Image.open(folder / 'legends.png') as picture:
        assert picture.info['made_from'] == module.digest(), 'python docs/images/how_it_works.py'
