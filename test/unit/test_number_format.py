"""A recipe's number format is followed where the device computes in it, elsewhere fp32 is."""

from fcn_seg_ros.training import number_format
from fcn_seg_ros.training.number_format import recipe_autocast
from fcn_seg_ros.training.recipe import parse_recipe
import pytest
from small_trainings import plain_recipe, train
import torch

CPU = torch.device('cpu')


@pytest.mark.parametrize(('amp', 'computes', 'expected', 'why'), [
    ('bf16', True, torch.bfloat16, ''),
    ('bf16', False, torch.float32, 'not in bf16 as the recipe says: this CPU does not compute'),
    ('fp16', True, torch.float32, 'not in fp16 as the recipe says: fp16 is for GPUs'),
    ('none', False, torch.float32, '')])
def test_what_a_convolution_computes_in(data, monkeypatch, caplog, amp, computes, expected, why):
    monkeypatch.setattr(number_format, 'computes_bf16', lambda: computes)
    recipe = parse_recipe(plain_recipe(data, amp=amp))
    with caplog.at_level('INFO'):
        number_format.say_if_fp32(recipe, CPU)
    with recipe_autocast(recipe, CPU):
        assert torch.nn.Conv2d(1, 1, 1)(torch.zeros(1, 1, 1, 1)).dtype == expected
    assert len(caplog.records) == bool(why)
    assert why in caplog.text


def test_a_run_in_bf16_goes_on_in_fp32_on_another_cpu(data, thin, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(number_format, 'computes_bf16', lambda: True)
    train(data, tmp_path, amp='bf16', epochs=1)
    monkeypatch.setattr(number_format, 'computes_bf16', lambda: False)
    with caplog.at_level('INFO'):
        assert train(data, tmp_path, resume=True, amp='bf16', epochs=2).epoch == 2
    assert caplog.text.count('training in fp32') == 1
