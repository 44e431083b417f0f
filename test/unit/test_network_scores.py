"""What README and pages say of the bundled network's accuracy is measured, of these weights."""

from pathlib import Path
import re

from fcn_seg_ros.support.digests import file_sha256
import pytest
import yaml

ROOT = Path(__file__).parents[2]
NETWORK = ROOT / 'models' / 'fcn-resnet18-street'
SCORES = yaml.safe_load((NETWORK / 'scores.yaml').read_text())
RUNS = SCORES['runs']
SIZES = ('360x270', '448x256', '480x360')
CARD = 'models/fcn-resnet18-street/README.md'
NUMBER = re.compile(r'(?<![\d.])0\.\d{3,4}(?!\d)')
"""A score: three or four decimals."""


def of(run, *keys):
    """Return some scores of a run."""
    return [RUNS[run][key] for key in keys]


PLACES = {
    ('README.md', '## How good is the bundled network'): [
        *of('fp32', 'accuracy', 'mean_iou', 'calibration_error'),
        *(score for run in ('stride32, grid', 'stride32', 'grid', 'fp32')
          for score in of(run, 'mean_iou', 'boundary_f'))],
    (CARD, '## Scores'): [
        *of('fp32', 'accuracy', 'class_accuracy', 'mean_iou', 'boundary_f', 'calibration_error'),
        *SCORES['iou'].values(),
        *of('int8', 'accuracy', 'mean_iou', 'boundary_f', 'calibration_error'),
        *(RUNS[size]['mean_iou'] for size in SIZES),
        *SCORES['disturbed_mean_iou'].values()],
    ('docs/performance.md', '### What the formats cost in accuracy'): [
        score for run in ('fp32', 'bf16', 'int8')
        for score in of(run, 'mean_iou', 'accuracy', 'boundary_f', 'calibration_error')],
    ('models/fcn-resnet18-street/network.yaml', ''): of('fp32', 'accuracy', 'mean_iou'),
}
"""The scores that each section states, in this order: (file, heading): scores."""


def section(text, heading):
    """Return the part of a page below a heading, down to the next one of its level or above."""
    if not heading:
        return text
    _, found, rest = text.partition(f'\n{heading}')
    assert found, heading
    level = len(heading.split()[0])
    return re.split(rf'^#{{1,{level}}} ', rest, maxsplit=1, flags=re.MULTILINE)[0]


def test_the_scores_are_of_these_weights():
    assert file_sha256(NETWORK / 'model.safetensors') == SCORES['weights_sha256'], (
        'measure the network anew: tools/network_scores.py CAMVID')


@pytest.mark.parametrize(('name', 'heading'), PLACES)
def test_what_is_said_is_what_was_measured(name, heading):
    said = NUMBER.findall(section((ROOT / name).read_text(), heading))
    measured = PLACES[name, heading]
    assert len(said) == len(measured)
    # Both are rounded: the score to four decimals, what is said to as many as it has.
    wrong = {f'{number} of {score}' for number, score in zip(said, measured)
             if abs(float(number) - score) > 0.5 * 10.0 ** (2 - len(number)) + 0.5e-4}
    assert not wrong


def test_no_other_page_states_scores_of_it():
    """Elsewhere they would go stale unseen; docs/training.md tells of its predecessors."""
    values = {f'{RUNS[run]["mean_iou"]:.3f}' for run in ('fp32', 'int8')}
    checked = {name for name, _ in PLACES} | {'docs/networks.md', 'docs/training.md'}
    stating = {path.relative_to(ROOT).as_posix() for path in (ROOT / 'docs').glob('*.md')
               if values & set(NUMBER.findall(path.read_text()))}
    assert stating <= checked
