#!/usr/bin/env python3
"""
Write down which distributions of ROS 2 have what the package uses of rclpy.

    tools/rclpy_names.py humble=DIR jazzy=DIR kilted=DIR ...

Each DIR is the folder ``rclpy`` of that distribution, of its sources or as installed.
``test/node/test_distributions.py`` checks the code against the table,
``test/node/rclpy_names.yaml``.  Run this again when that test says that something has no row.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
import sys

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / 'test' / 'node' / 'rclpy_names.yaml'
PLACES = ('fcn_seg_ros', 'launch', 'demo')
"""Folders whose code runs on a robot."""
_HEAD = """\
# What the package uses of rclpy, and which distributions have it; written by
# tools/rclpy_names.py.  "module.Name": a name to import; "Name()" and "Name(keyword)": something
# to call by that name, a method or a class, and an argument of it.
"""
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def _trees(folders: list[Path]) -> Iterator[tuple[Path, ast.Module]]:
    for folder in folders:
        for path in sorted(folder.rglob('*.py')):
            yield path, ast.parse(path.read_text(encoding='utf-8'))


def names_of(package: Path) -> set[str]:
    """
    Return what a distribution has.

    :param package: its folder ``rclpy``.
    :returns: 'module.Name', 'callable()' and 'callable(argument)'.
    """
    names = set()
    for path, tree in _trees([package]):
        parts = path.relative_to(package.parent).with_suffix('').parts
        module = '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)
        names.add(module)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | _Function):
                names.add(f'{module}.{node.name}')
            elif isinstance(node, ast.Import | ast.ImportFrom):
                names |= {f'{module}.{alias.asname or alias.name}' for alias in node.names}
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(f'{module}.{node.id}')
            if isinstance(node, ast.ClassDef):
                names |= _of_class(node)
            elif isinstance(node, _Function):
                names |= _callable(node.name, [node])
    return names


def _of_class(node: ast.ClassDef) -> set[str]:
    functions = [function for function in node.body
                 if isinstance(function, _Function) and function.name == '__init__']
    names = _callable(node.name, functions)
    if any(function.args.kwarg for function in functions):
        # Older ones take **kwargs, each to a slot with an underscore before its name.
        names |= {f"{node.name}({slot.removeprefix('_')})"
                  for statement in node.body if isinstance(statement, ast.Assign)
                  and ast.unparse(statement.targets[0]) == '__slots__'
                  for slot in ast.literal_eval(statement.value)}
    return names


def _callable(name: str, functions: list[_Function]) -> set[str]:
    arguments = {argument.arg for function in functions
                 for argument in (*function.args.posonlyargs, *function.args.args,
                                  *function.args.kwonlyargs)}
    return {f'{name}()'} | {f'{name}({argument})' for argument in arguments}


def uses_of(folders: list[Path], known: set[str]) -> dict[str, set[str]]:
    """
    Return what some code uses of rclpy.

    A method counts by its name, since code does not say whose it is: one that no version of
    rclpy has is taken for the package's own.

    :param folders: of the code.
    :param known: what there is in any distribution, as of :func:`names_of`.
    :returns: {name as of :func:`names_of`: files that use it}.
    """
    found = defaultdict(set)
    for path, tree in _trees(folders):
        imported, calls = _imported(tree), _calls(tree)
        if not imported:
            continue
        for name in imported | {call for call in calls if call in known}:
            found[name].add(path.name)
    return dict(found)


def _imported(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module \
                and node.module.partition('.')[0] == 'rclpy':
            names |= {f'{node.module}.{alias.name}' for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names
                      if alias.name.partition('.')[0] == 'rclpy'}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) \
                and node.value.id == 'rclpy':
            names.add(f'rclpy.{node.attr}')
    return names


def _calls(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = (node.func.attr if isinstance(node.func, ast.Attribute)
                    else node.func.id if isinstance(node.func, ast.Name) else '')
            yield f'{name}()'
            for keyword in node.keywords:
                yield f'{name}({keyword.arg})'


def main(arguments: list[str]) -> None:
    """
    Write the table.

    :param arguments: NAME=DIR for each distribution.
    """
    if not arguments or not all(Path(argument.partition('=')[2]).is_dir()
                                for argument in arguments):
        raise SystemExit(__doc__)
    distributions = {name: names_of(Path(folder)) for name, _, folder in
                     (argument.partition('=') for argument in arguments)}
    uses = uses_of([ROOT / place for place in PLACES], set().union(*distributions.values()))
    rows = [f"{use}: [{', '.join(name for name, has in distributions.items() if use in has)}]\n"
            for use in sorted(uses)]
    TABLE.write_text(_HEAD + ''.join(rows), encoding='utf-8')


if __name__ == '__main__':
    main(sys.argv[1:])
