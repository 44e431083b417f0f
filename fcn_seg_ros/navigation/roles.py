"""
What each class means to a ground robot, as arrays for looking up whole masks.

The roles and costs come with the class set (see ``classes``) and can be overridden per
robot.  Grids hold 100 for obstacles and keep 99 free, which Nav2 reads as "inscribed".
"""

from dataclasses import dataclass
from difflib import get_close_matches
import os
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ..errors import RegistryError
from ..networks.classes import ClassSet, MAX_COST, ROLES
from ..support.arrays import BoolArray, Float32Array
from ..support.safe_yaml import Fields, load_yaml

Override: TypeAlias = tuple[str | None, int | None]
"""A role and a cost; None leaves what the class set says."""

Overrides: TypeAlias = dict[str, Override]
"""What classes mean to this robot, by label."""


@dataclass(frozen=True, eq=False)
class RoleTable:
    """
    Roles by class id, arrays of 256; ids without a class (255 among them) have none.

    :param ground: bool array, True for the classes of that role.
    :param obstacle: likewise.
    :param overhead: likewise.
    :param cost: float32 array, 0 to 98, 0 where the role is not ground.
    """

    ground: BoolArray
    obstacle: BoolArray
    overhead: BoolArray
    cost: Float32Array

    @classmethod
    def from_classes(cls, classes: ClassSet, overrides: Overrides | None = None) -> 'RoleTable':
        """
        Build the table of a class set.

        :param classes: the network's classes.
        :param overrides: {label: (role or None, cost or None)} from :func:`load_overrides`.
        :raises RegistryError: when an override names a class that the set lacks, or gives a
            cost to a class whose role is not ground.
        """
        overrides = overrides or {}
        for label in overrides:
            if label not in classes.labels:
                known = get_close_matches(label, classes.labels, 3) or classes.labels
                raise RegistryError(f"roles are given for '{label}', which the network does "
                                    f'not know; it knows {", ".join(known)}')
        tables = {role: np.zeros(256, bool) for role in ROLES}
        costs = np.zeros(256, np.float32)
        for index, label in enumerate(classes.labels):
            role, own_cost = classes.roles[index], classes.costs[index]
            new_role, new_cost = overrides.get(label, (None, None))
            if new_role not in (None, role):
                role, own_cost = new_role, 0
            if new_cost is not None and role != 'ground':
                raise RegistryError(f"roles give '{label}' a cost, but its role is {role}: "
                                    'set role: ground as well, or leave the cost out')
            tables[role][index] = True
            costs[index] = own_cost if new_cost is None else new_cost
        for array in (*tables.values(), costs):
            array.flags.writeable = False
        return cls(tables['ground'], tables['obstacle'], tables['overhead'], costs)


def load_overrides(path: str | os.PathLike[str]) -> Overrides:
    """
    Read a robot's own roles, a YAML file of ``label: {role: ..., cost: ...}``.

    A new role without a cost costs 0; a cost alone keeps the role, which has to be ground.

    :param path: of the file.
    :returns: {label: (role or None, cost or None)}.
    :raises RegistryError: for a missing or malformed file.
    """
    path = Path(path).expanduser()
    content = load_yaml(path)
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise RegistryError(f'{path}: expected a mapping of class names to roles, as in '
                            "'grass: {role: ground, cost: 30}'")
    return {label: _read_entry(Fields(entry, f'{path}: {label}', ('role', 'cost')))
            for label, entry in content.items()}


def _read_entry(fields: Fields) -> Override:
    role = fields.text('role', '|'.join(ROLES), f'one of {", ".join(ROLES)}', None)
    cost = fields.integer('cost', 0, MAX_COST, None)
    if cost is not None and role not in (None, 'ground'):
        fields.fail('cost', f'only goes with the role ground, not with {role}')
    return role, cost
