"""
Old import paths, which go on for one minor version after a module has moved.

``import fcn_seg_ros.image`` gives the module that is ``fcn_seg_ros.images.raw`` now, and a
DeprecationWarning that names it.  CONTRIBUTING.md says how long such paths are kept.
"""

from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
import sys
from types import ModuleType
import warnings

PACKAGE = __package__

MOVED = {
    'calibration': 'geometry.calibration',
    'classes': 'networks.classes',
    'compressed': 'images.compressed',
    'dds': 'ros.dds',
    'engines': 'inference.engines',
    'fetch': 'networks.fetch',
    'image': 'images.raw',
    'model': 'networks.model',
    'navigation.camera': 'geometry.camera',
    'navigation.pose': 'geometry.pose',
    'navigation.regions': 'fractions',
    'paths': 'support.paths',
    'postprocess': 'inference.postprocess',
    'preprocess': 'inference.preprocess',
    'registry': 'networks.registry',
    'rviz': 'ros.rviz',
    'visualize': 'images.drawing',
    'weights': 'networks.weights',
}
"""Old module -> where it is now, below the package."""


class _MovedLoader(Loader):
    """Hand out the module at its new place under its old name as well."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Import the module from its new place."""
        module = import_module(self._target)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back, which importlib has just replaced."""
        module.__spec__ = self._spec


class MovedFinder(MetaPathFinder):
    """Find modules by the paths of :data:`MOVED`."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None,
                  target: ModuleType | None = None) -> ModuleSpec | None:
        """
        Return how to load a module that has moved, or None for every other name.

        :param fullname: the dotted name that is imported.
        :param path: where its package looks for modules; not needed here.
        :param target: the module that is loaded again, if any; not needed here.
        """
        package, _, name = fullname.partition('.')
        if package != PACKAGE or name not in MOVED:
            return None
        new = f'{PACKAGE}.{MOVED[name]}'
        warnings.warn(f'{fullname} is {new} now; the old name goes in the next minor version',
                      DeprecationWarning, stacklevel=2)
        return ModuleSpec(fullname, _MovedLoader(new))


def install() -> None:
    """Let the old paths be found, once for the process."""
    if not any(isinstance(finder, MovedFinder) for finder in sys.meta_path):
        sys.meta_path.append(MovedFinder())
