"""
Sphinx: these pages, the README, and the API from the docstrings.

The root of the sources is the repository, so that the pages' links to files work:
    sphinx-build -W -c docs . build/docs
"""

from pathlib import Path
from pkgutil import walk_packages
import shutil
from xml.etree import ElementTree

import fcn_seg_ros
from pygments.lexers.special import TextLexer

ROOT = Path(__file__).resolve().parents[1]
API = ROOT / 'docs' / 'api'
MANIFEST = ElementTree.parse(ROOT / 'package.xml')

project = MANIFEST.findtext('name')
author = MANIFEST.findtext('author')
version = release = MANIFEST.findtext('version')

extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.viewcode']
root_doc = 'docs/index'
include_patterns = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.rst', 'docs/**', '*/README.md',
                    '*/*/README.md']
exclude_patterns = ['build', 'install', 'log', '.*', '**/.*', 'test/**']
html_theme = 'alabaster'
html_theme_options = {'description': MANIFEST.findtext('description').strip()}

myst_heading_anchors = 4
suppress_warnings = [
    'myst.xref_missing',  # links to folders; test/unit/test_docs.py checks all links
    'ref.python',  # a class's short name that two modules have, for who reads the source
]

autodoc_member_order = 'bysource'
autodoc_default_options = {'members': True, 'undoc-members': True, 'show-inheritance': True}
autodoc_class_signature = 'separated'

# rosidl generates these; docs/messages.md describes them.
GENERATED = f'{fcn_seg_ros.__name__}.msg'


def write_api_pages(app):
    """Write a page for each package of modules, and one that lists them."""
    shutil.rmtree(API, ignore_errors=True)
    API.mkdir()
    packages = {fcn_seg_ros.__name__: []}
    for module in walk_packages(fcn_seg_ros.__path__, f'{fcn_seg_ros.__name__}.'):
        if module.name.startswith(GENERATED) or '._' in module.name:
            continue
        if module.ispkg:
            packages[module.name] = []
        else:
            packages[module.name.rpartition('.')[0]].append(module.name)
    for package, modules in packages.items():
        write_page(API / f'{package}.rst', package, ''.join(
            f'\n{heading(name, "-")}\n.. automodule:: {name}\n' for name in sorted(modules)),
            f'.. automodule:: {package}\n')
    names = '\n'.join(f'   {package}' for package in sorted(packages))
    write_page(API / 'index.rst', 'API', f'.. toctree::\n   :maxdepth: 2\n\n{names}\n')


def write_page(path, title, body, introduction=''):
    """Write a page in reStructuredText."""
    path.write_text(f'{heading(title, "=")}\n{introduction}\n{body}')


def heading(title, line):
    """Return a heading in reStructuredText."""
    return f'{title}\n{line * len(title)}\n'


def setup(app):
    """Make the API pages before Sphinx looks for pages."""
    app.add_lexer('mermaid', TextLexer)  # GitHub draws these diagrams, here one reads them
    app.connect('builder-inited', write_api_pages)
