"""Trainings with a teacher, which says what is in pictures that nobody has labelled."""

from fcn_seg_ros.errors import DatasetError, TrainingError
from fcn_seg_ros.networks.classes import class_set_from_labels
from fcn_seg_ros.support.arrays import Size
from fcn_seg_ros.training import checkpoint
from fcn_seg_ros.training.datasets.unlabelled import UnlabelledPictures
from fcn_seg_ros.training.folder import write_network
from fcn_seg_ros.training.recipe import parse_recipe
from fcn_seg_ros.training.teacher import make_teacher
from fcn_seg_ros.training.trainer import Trainer
import numpy as np
from PIL import Image
import pytest
from small_trainings import assert_same_state, Interruption, LABELS, plain_recipe, start
import thin_teacher
import torch

pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture
def teacher(thin, tmp_path, monkeypatch):
    """Return the weights of a stand-in teacher, the last of the classes everywhere."""
    thin_teacher.use(monkeypatch)
    return write_teacher(tmp_path / 'teacher', len(LABELS) - 1)


def write_teacher(folder, answer, labels=LABELS):
    """Write a teacher that is sure of one class, whatever it sees."""
    torch.manual_seed(0)
    model = make_teacher(len(labels))
    torch.nn.init.zeros_(model.score.weight)
    model.score.bias.data = 8.0 * torch.nn.functional.one_hot(
        torch.tensor(answer), len(labels)).float()
    write_network(folder, model, name='tutor', size=Size(64, 64),
                  classes=class_set_from_labels(labels, 'x'))
    return folder / 'model.safetensors'


def distilling(data, weights, imitate=0.0, **run):
    plain = plain_recipe(data, **run)
    plain['loss'].update(distill=1.0, imitate=imitate, teacher=str(weights))
    return plain


@pytest.fixture
def unlabelled(tmp_path):
    """Return a folder of blue pictures, one of them in a subfolder."""
    folder = tmp_path / 'streets'
    (folder / 'more').mkdir(parents=True)
    for name in ('1.png', '2.jpg', 'more/3.png', 'more/4.png'):
        Image.fromarray(np.full((48, 80, 3), (30, 30, 230), np.uint8)).save(folder / name)
    (folder / 'terms.txt').write_text('mine')
    (folder / '._1.png').write_bytes(b'x')
    return folder


@pytest.mark.parametrize('imitate', [0.0, 1.0])
def test_distilling_resumes_bit_exact_and_matters(
        data, teacher, uninterrupted, tmp_path, monkeypatch, imitate):
    plain = distilling(data, teacher, imitate, checkpoint_every=2)
    start(plain, tmp_path / 'whole')
    step = Trainer._train_step

    def crash(self, *args):
        if self.step == 5:
            raise Interruption
        return step(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, '_train_step', crash)
        with pytest.raises(Interruption):
            start(plain, tmp_path / 'cut')
    torch.manual_seed(99)
    start(plain, tmp_path / 'cut', resume=True)
    one, two, without = (checkpoint.load_checkpoint(folder) for folder in (
        tmp_path / 'whole', tmp_path / 'cut', uninterrupted))
    assert_same_state(one, two)
    assert len(one['projections']) == (8 if imitate else 0)
    bias, before = (state['model']['skip8.bias'] for state in (one, without))
    assert bias[-1] - bias[:-1].mean() > before[-1] - before[:-1].mean() + 0.001


def test_a_teacher_of_other_classes_is_refused(data, teacher, tmp_path):
    other = write_teacher(tmp_path / 'other', 0, (*LABELS[1:], LABELS[0]))
    with pytest.raises(TrainingError, match='the teacher .* knows wall, box, floor, the data'):
        Trainer(parse_recipe(distilling(data, other)), tmp_path / 'run', device='cpu')


@pytest.mark.parametrize('answer', [0, 2])
def test_unlabelled_pictures_teach_what_the_teacher_says(
        data, teacher, unlabelled, tmp_path, monkeypatch, answer):
    plain = distilling(data, write_teacher(tmp_path / 'sure', answer), epochs=10)
    plain['data']['unlabelled'] = str(unlabelled)
    plain['augment'] = {'flip': 0.5}
    plain['optimizer']['rate'] = 0.02
    labelled = []
    step = Trainer._train_step

    def watch(self, images, labels):
        labelled.append((labels != 255).flatten(1).any(1))
        return step(self, images, labels)

    monkeypatch.setattr(Trainer, '_train_step', watch)
    trainer = start(plain, tmp_path / 'run')
    assert len(trainer.sampler) == (7 + 4) // 2
    assert 0.5 < torch.cat(labelled).float().mean() < 0.8  # 7 of 11 have labels
    blue = torch.tensor([30, 30, 230.0]).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    with torch.no_grad():
        scores, _ = trainer.averaged.eval().forward_all(blue / 255 / 0.226 - 2)
    assert (scores.argmax(1) == answer).all()
    card = (tmp_path / 'run/best/README.md').read_text()
    assert 'unlabelled: 4 pictures' in card and 'unlabelled: streets' in card
    assert 'sure/model.safetensors' in card and str(tmp_path) not in card


def test_unlabelled_pictures_have_no_class_anywhere(unlabelled, tmp_path):
    pictures = UnlabelledPictures(unlabelled)
    assert [path.name for path in pictures.paths] == ['1.png', '2.jpg', '3.png', '4.png']
    image, labels = pictures[2]
    assert image.shape == (3, 48, 80) and image[:, 0, 0].tolist() == [30, 30, 230]
    assert labels.shape == (48, 80) and labels.unique().tolist() == [255]
    with pytest.raises(DatasetError, match='nowhere is missing'):
        UnlabelledPictures(tmp_path / 'nowhere')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(DatasetError, match='no picture in .*empty'):
        UnlabelledPictures(tmp_path / 'empty')


def test_unlabelled_pictures_that_are_measured_on_are_refused(
        data, teacher, unlabelled, tmp_path):
    (unlabelled / 'copy.png').write_bytes((data / 'val/images/1.png').read_bytes())
    plain = distilling(data, teacher)
    plain['data']['unlabelled'] = str(unlabelled)
    with pytest.raises(TrainingError, match='unlabelled picture .*copy.png is in val, too'):
        Trainer(parse_recipe(plain), tmp_path / 'run', device='cpu', progress=False)


def test_checkpoints_of_before_distillation_go_on_without_it(
        data, teacher, uninterrupted, tmp_path):
    state = checkpoint.load_checkpoint(uninterrupted)
    for key in ('distill', 'imitate', 'teacher', 'temperature', 'unlabelled'):
        del state['recipe'][key]
    del state['projections']
    checkpoint.save_checkpoint(tmp_path / 'run', state)
    with pytest.raises(TrainingError, match="'distill' of the recipe is 1.0, the run had 0.0"):
        start(distilling(data, teacher), tmp_path / 'run', resume=True)
    assert start(plain_recipe(data, epochs=3), tmp_path / 'run', resume=True).epoch == 3
