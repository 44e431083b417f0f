"""
Write config/nav2: what ``fcn-seg nav2`` prints for the defaults, and one file per class set.

    python3 tools/nav2_files.py
"""

from pathlib import Path

from fcn_seg_ros.navigation.consumers import CONSUMERS, parameters_for, Robot
from fcn_seg_ros.navigation.roles import RoleTable
from fcn_seg_ros.networks.classes import ClassSet

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / 'config' / 'nav2'
CLASSES = ROOT / 'config' / 'classes'
BY_CLASS = 'semantic_segmentation_layer'


def files() -> dict[str, str]:
    """Return the files' texts by their names."""
    street = ClassSet.from_yaml(CLASSES / 'street.yaml')
    made = {f'{consumer}.yaml': _text(consumer, street) for consumer in CONSUMERS}
    for path in CLASSES.glob('*.yaml'):
        if path.stem != street.name:
            made[f'{BY_CLASS}.{path.stem}.yaml'] = _text(BY_CLASS, ClassSet.from_yaml(path))
    return made


def _text(consumer: str, classes: ClassSet) -> str:
    return parameters_for(consumer, Robot(), classes, RoleTable.from_classes(classes))


if __name__ == '__main__':
    for old in FOLDER.glob('*.yaml'):
        old.unlink()
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding='utf-8')
