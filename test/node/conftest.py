"""Fixtures of the tests with node processes over DDS."""

import os
from pathlib import Path

from fcn_seg_ros.ros.dds import closed, profile_environment, PROFILE_NAMES
from graph import Domain, Graph, NodeProcess
from networks import ENGINE, OTHER, TINY, write_network
import pytest

# Before any node is: those of other machines and of other users must not interfere.
_environment = {name: value for name, value in closed(os.environ).items()
                if name not in PROFILE_NAMES}
os.environ.clear()
os.environ.update(_environment)
os.environ.update(profile_environment())


@pytest.fixture(scope='session')
def models_dir(tmp_path_factory):
    """Return a models folder with two tiny networks."""
    folder = tmp_path_factory.mktemp('models')
    write_network(folder, TINY)
    write_network(folder, OTHER, seed=1)
    return folder


class Nodes:
    """Start node processes on one domain, with the tiny network unless told otherwise."""

    def __init__(self, folder, models_dir):
        self._domain = Domain()
        self._folder: Path = folder
        self._models_dir = models_dir
        self._started = []
        self.graph = Graph(self._domain.number)

    def start(self, *, remap=None, prelude='', name='', **params):
        """Start a node; parameters with a dot in their name as ``a__b``."""
        defaults = {'network': 'tiny', 'models_dir': str(self._models_dir), 'device': 'cpu',
                    'threads': 1, **ENGINE}
        params = {key.replace('__', '.'): value for key, value in params.items()}
        node = NodeProcess(
            self._domain.number, self._folder / f'node{len(self._started)}',
            defaults | params, remap=remap, prelude=prelude, name=name)
        self._started.append(node)
        return node

    def another_graph(self, name):
        """Return another participant on the same domain."""
        return Graph(self._domain.number, name)

    @property
    def domain(self):
        """Return the domain's number."""
        return self._domain.number

    def close(self):
        """End what is left."""
        for node in self._started:
            node.close()
        self.graph.close()
        self._domain.release()


@pytest.fixture
def nodes(tmp_path, models_dir):
    """Start node processes for one test."""
    nodes = Nodes(tmp_path, models_dir)
    yield nodes
    nodes.close()


@pytest.fixture(scope='module')
def shared_nodes(tmp_path_factory, models_dir):
    """Start node processes for the tests of a module that leave them as they were."""
    nodes = Nodes(tmp_path_factory.mktemp('nodes'), models_dir)
    yield nodes
    nodes.close()
