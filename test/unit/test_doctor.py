"""``fcn-seg doctor`` on a good machine, and on broken ones that each lack one thing."""

from dataclasses import replace
import json
import mmap
import os
from pathlib import Path
import shutil
import subprocess
import sys
from types import SimpleNamespace

from fcn_seg_ros import Segmenter
from fcn_seg_ros.cli.main import main
from fcn_seg_ros.doctor import examine, finding, graph, libraries, network, ros, system
from fcn_seg_ros.doctor.driver import check_driver
from fcn_seg_ros.doctor.finding import Level
from fcn_seg_ros.doctor.probe import Probe, probe
from fcn_seg_ros.errors import FcnSegError
from fcn_seg_ros.inference import tuning
from fcn_seg_ros.networks.registry import Registry
import pytest

ROOT = Path(__file__).parents[2]
NETWORK = 'fcn-resnet18-street'


@pytest.fixture
def doctor(tmp_path):
    """
    Return a function that runs the command on a machine and returns status and findings.

    The machine may be the one at hand with a change to it, Python code.
    """
    def run(*first, change='', **variables):
        done = subprocess.run(
            [sys.executable, '-c', f'{change}\nimport sys; from fcn_seg_ros.cli.main import main; '
             'sys.exit(main())', 'doctor', '--json'], cwd=tmp_path, text=True, check=False,
            capture_output=True, timeout=300, env={
                **os.environ, 'XDG_CACHE_HOME': str(tmp_path / 'cache'),
                'PYTHONPATH': ':'.join([*map(str, first), *filter(None, sys.path)]), **variables})
        assert done.stdout.startswith('['), done.stderr
        return done.returncode, json.loads(done.stdout)
    return run


def bad(findings, subject):
    """Return a subject's finding that is no ok."""
    found, = (one for one in findings if one['subject'] == subject and one['level'] != 'ok')
    assert found['remedy']
    return found


@pytest.fixture
def other_module(tmp_path, monkeypatch):
    """Return a function that puts another module in front of those that are installed."""
    def write(name, text):
        (tmp_path / 'other').mkdir()
        (tmp_path / 'other' / f'{name}.py').write_text(text)
        monkeypatch.syspath_prepend(tmp_path / 'other')
        monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.setenv('PYTHONPATH', ':'.join(filter(None, sys.path)))
    return write


def test_a_good_machine(doctor):
    status, findings = doctor()
    known, = (one for one in findings if one['subject'] == NETWORK)
    assert known['level'] == 'ok' and 'sees what it should' in known['text']
    assert status == max(['ok', 'warning', 'fault'].index(one['level']) for one in findings)
    assert not [one for one in findings if one['level'] == 'fault']


def test_no_shared_memory(tmp_path):
    found, = system.check_shared_memory(tmp_path / 'none')
    assert found.level == Level.WARNING and 'there is no' in found.text
    assert '--ipc=host' in found.remedy


def test_little_shared_memory(tmp_path, monkeypatch):
    """Docker's default."""
    monkeypatch.setattr('os.statvfs', lambda path: SimpleNamespace(
        f_frsize=4096, f_blocks=16384, f_bavail=16000))
    found, = system.check_shared_memory(tmp_path)
    assert found.level == Level.WARNING
    assert '64 MiB, 62 free: too little for pictures' in found.text


def test_memory_that_dead_processes_have_left(tmp_path):
    (tmp_path / 'fastdds_dead').write_bytes(bytes(4096))
    (tmp_path / 'fastdds_dead_el').touch()
    with (tmp_path / 'fastdds_alive').open('w+b') as alive:
        alive.write(bytes(2 << 20))
        alive.flush()
        with mmap.mmap(alive.fileno(), 0):
            found, = system.check_leftovers(tmp_path)
    assert found.level == Level.WARNING and found.text.startswith('1 files of dead processes')


def test_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / 'file').touch()
    found = system.check_cache(tmp_path / 'file' / 'cache')
    assert found.level == Level.WARNING and 'cannot be written' in found.text
    assert system.check_cache(tmp_path / 'cache').level == Level.OK


def test_a_library_made_for_another_numpy(other_module):
    """Such a module makes NumPy 2 write this to stderr, and imports or crashes."""
    other_module('cv_bridge', 'import sys\nsys.stderr.write("A module that was compiled using '
                 'NumPy 1.x cannot be run in NumPy 2.4\\n")\n')
    found = libraries.check_import('cv_bridge')
    assert found.level == Level.WARNING
    assert found.text == 'was compiled using NumPy 1.x and this is NumPy 2'
    assert found.remedy == "pip install 'numpy<2'"


def test_a_library_that_crashes(other_module):
    """It takes its own process down and not the doctor's."""
    other_module('cv_bridge', 'import os\nos.kill(os.getpid(), 11)\n')
    assert libraries.check_import('cv_bridge').text == 'it crashed (SIGSEGV)'


def test_an_onnxruntime_that_does_not_start(other_module):
    other_module('onnxruntime',
                 'raise ImportError("libcudnn.so.9: cannot open shared object file")\n')
    found = libraries.check_onnxruntime()
    assert found.level == Level.WARNING and 'libcudnn.so.9' in found.text


def test_a_provider_that_is_offered_and_does_not_start(monkeypatch):
    monkeypatch.setattr(libraries, '_ONNXRUNTIME', libraries._ONNXRUNTIME.replace(
        'onnxruntime.get_available_providers()',
        '["CPUExecutionProvider", "CUDAExecutionProvider"]'))
    if 'CUDAExecutionProvider' in pytest.importorskip('onnxruntime').get_available_providers():
        pytest.skip('this machine has it')
    found = libraries.check_onnxruntime()
    assert found.level == Level.WARNING
    assert 'CPUExecutionProvider start, CUDAExecutionProvider not' in found.text


def test_two_packages_of_onnxruntime(monkeypatch):
    pytest.importorskip('onnxruntime')
    monkeypatch.setattr(libraries, 'packages_distributions', lambda: {
        'onnxruntime': ['onnxruntime', 'onnxruntime-gpu', 'onnxruntime']})
    found = libraries.check_onnxruntime()
    assert found.level == Level.WARNING and 'onnxruntime and onnxruntime-gpu' in found.text
    assert found.remedy.startswith('pip uninstall onnxruntime onnxruntime-gpu')


def test_an_onnxruntime_of_which_nothing_starts(monkeypatch):
    pytest.importorskip('onnxruntime')
    monkeypatch.setattr(libraries, '_ONNXRUNTIME', libraries._ONNXRUNTIME.replace(
        'onnxruntime.get_available_providers()', '["CUDAExecutionProvider"]'))
    if 'CUDAExecutionProvider' in pytest.importorskip('onnxruntime').get_available_providers():
        pytest.skip('this machine has it')
    found = libraries.check_onnxruntime()
    assert found.level == Level.WARNING and 'no provider starts (CUDA' in found.text


def test_an_opencv_that_does_not_import(doctor, other_module, tmp_path):
    """The doctor starts all the same, and names it; the other commands say whom to ask."""
    other_module('cv2', 'raise ImportError("numpy.core.multiarray failed to import")\n')
    status, findings = doctor(tmp_path / 'other')
    assert status == 2
    assert 'numpy.core.multiarray' in bad(findings, 'cv2')['text']
    assert 'above' in bad(findings, 'networks')['remedy']
    done = subprocess.run([sys.executable, '-m', 'fcn_seg_ros.cli.main', 'networks'], text=True,
                          capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "fcn-seg: numpy.core.multiarray failed to import: 'fcn-seg doctor' says what to do"]


@pytest.mark.parametrize(('set_to', 'reason', 'text', 'remedy'), [
    ({'ROS_DISTRO': 'humble'}, '', 'ROS_DISTRO is humble, and rclpy is that of kilted',
     'one distribution alone'),
    ({'RMW_IMPLEMENTATION': 'rmw_cyclonedx_cpp'},
     "[ERROR] [17.5] [rcl]: Expected RMW implementation identifier of 'rmw_cyclonedx_cpp'"
     ', at /src/check.c:154', "set: Expected RMW implementation identifier of 'rmw_cyclonedx_cpp'",
     'unset RMW_IMPLEMENTATION, or install rmw_cyclonedx_cpp'),
    ({}, "Failed to create log directory '/none/.ros/log': 13", 'log directory', 'ROS_LOG_DIR'),
    ({}, "No module named 'yaml'", "set: No module named 'yaml'", 'setup.bash')])
def test_a_ros_that_does_not_start(monkeypatch, set_to, reason, text, remedy):
    for name in ('ROS_DISTRO', 'RMW_IMPLEMENTATION'):
        monkeypatch.delenv(name, raising=False)
    for name, value in set_to.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(ros, '_distribution', lambda: 'kilted')
    monkeypatch.setattr(ros, 'probe', lambda code: Probe(not reason, 'rmw_x', reason, ''))
    found = ros.check_rclpy()
    assert found.level == Level.FAULT
    assert found.text.endswith(text) if 'log' not in text else text in found.text
    assert remedy in found.remedy


@pytest.mark.parametrize(('origin', 'name'), [
    ('/opt/ros/jazzy/lib/python3.12/site-packages/rclpy/__init__.py', 'jazzy'),
    ('/home/me/rclpy/__init__.py', 'humble')])
def test_the_distribution_that_rclpy_is_of(monkeypatch, origin, name):
    monkeypatch.setattr(ros, 'find_spec', lambda module: SimpleNamespace(origin=origin))
    monkeypatch.setattr(ros, 'version', lambda package: '3.3.15')
    monkeypatch.setenv('ROS_DISTRO', 'kilted')
    assert ros._distribution() == name
    monkeypatch.setenv('ROS_DISTRO', 'rolling')
    assert ros._distribution() == ('jazzy' if name == 'jazzy' else '')


def test_messages_that_are_there_twice(tmp_path, monkeypatch):
    for name in ('pip', 'workspace'):
        (tmp_path / name / 'msg').mkdir(parents=True)
        (tmp_path / name / 'msg' / '__init__.py').touch()
    import fcn_seg_ros
    monkeypatch.setattr(fcn_seg_ros, '__path__', [str(tmp_path / 'pip'),
                                                  str(tmp_path / 'workspace')])
    found = ros.check_messages()
    assert found.level == Level.FAULT and 'found more than once' in found.text
    assert str(tmp_path / 'pip') in found.text and str(tmp_path / 'workspace') in found.text
    monkeypatch.setattr(fcn_seg_ros, '__path__', [str(tmp_path)])
    assert 'not installed' in ros.check_messages().text


def test_a_profile_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', str(tmp_path / 'none.xml'))
    found = ros.check_profile()
    assert found.level == Level.FAULT and 'none.xml does not exist' in found.text


def test_weights_that_cannot_be_read(doctor, tmp_path):
    name = 'fcn-resnet18-deepscene-576x320'
    folder = tmp_path / 'cache' / 'fcn_seg_ros' / name
    folder.mkdir(parents=True)
    (folder / 'model.safetensors').write_bytes(b'nonsense' * 20)
    status, findings = doctor()
    assert status == 2
    found = bad(findings, name)
    assert found['level'] == 'fault' and 'model.safetensors' in found['text']
    assert found['remedy'].endswith(f'fcn-seg fetch {name}')


def test_a_bundled_network_that_is_damaged(doctor, tmp_path):
    """It loads and answers, and what it sees is not what it should see."""
    safetensors = pytest.importorskip('safetensors.torch')
    tree = tmp_path / 'tree'
    for name in ('config', 'models', 'demo', 'fcn_seg_ros'):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns('__pycache__'))
    shutil.copy(ROOT / 'package.xml', tree)
    folder = tree / 'models' / NETWORK
    (folder / 'model.int8.onnx').unlink()
    weights = safetensors.load_file(folder / 'model.safetensors')
    safetensors.save_file({name: tensor.flip(0).contiguous() if tensor.dim() == 4 else tensor
                           for name, tensor in weights.items()}, folder / 'model.safetensors')
    status, findings = doctor(tree)
    assert status == 2
    assert 'does not see what it should' in bad(findings, NETWORK)['text']


def test_a_graph_in_int8_that_is_damaged(doctor, tmp_path):
    """ONNX Runtime is not to blame, and PyTorch runs the network without the graph."""
    pytest.importorskip('onnxruntime')
    pytest.importorskip('torch')
    tree = tmp_path / 'tree'
    for name in ('config', 'models', 'demo', 'fcn_seg_ros'):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns('__pycache__'))
    shutil.copy(ROOT / 'package.xml', tree)
    graph = tree / 'models' / NETWORK / 'model.int8.onnx'
    graph.write_bytes(graph.read_bytes()[:100_000])
    # On a CPU that does not compute in int8 nothing but a request for int8 looks at the graph.
    status, findings = doctor(tree, change='from fcn_seg_ros.inference import engines; '
                                           'engines.computes_int8 = lambda: True')
    found = bad(findings, NETWORK)
    assert found['level'] == 'warning' and status == 1
    assert 'model.int8.onnx' in found['text'] and 'falling back' in found['text']
    assert [one['level'] for one in findings if one['subject'] == 'ONNX Runtime'] == ['ok']


@pytest.mark.parametrize(('name', 'error', 'remedy'), [
    (NETWORK, FcnSegError('not a whole file'), 'install the package again'),
    ('fcn-resnet18-voc-320x320', PermissionError(13, 'Permission denied'), 'readable'),
    ('mine', FcnSegError('not a whole file'), 'copy its folder')])
def test_the_remedy_fits_the_network(name, error, remedy, tmp_path, monkeypatch):
    folder = tmp_path / 'fcn_seg_ros' / 'mine'
    folder.mkdir(parents=True)
    shutil.copy(ROOT / 'models' / NETWORK / 'network.yaml', folder)
    text = (folder / 'network.yaml').read_text()
    (folder / 'network.yaml').write_text(text.replace(f'name: {NETWORK}', 'name: mine'))
    (folder / 'model.safetensors').touch()
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    registry = Registry.load()

    def fails(*_):
        raise error

    monkeypatch.setattr(network, 'check_known_answer', fails)
    monkeypatch.setattr(network, 'check_network', fails)
    monkeypatch.setattr(Registry, 'find_weights', lambda *_: folder)
    found, = (one for one in network.check_networks() if one.subject == name)
    assert name in registry.networks and found.level == Level.FAULT
    assert remedy in found.remedy


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    def check_nothing():
        raise RuntimeError('what nobody thought of')

    monkeypatch.setattr('fcn_seg_ros.doctor.CHECKS', (check_nothing,))
    found, = examine()
    assert found == finding.Finding(Level.FAULT, 'nothing', 'RuntimeError: what nobody thought of',
                                    'report this as a bug')


@pytest.mark.parametrize(('levels', 'status'), [
    ([Level.OK], 0), ([Level.WARNING, Level.OK], 1), ([Level.FAULT, Level.WARNING], 2)])
def test_the_worst_finding_is_the_status(levels, status, monkeypatch, capsys):
    found = [finding.Finding(level, 'thing', 'is so', 'mend it' if level else '')
             for level in levels]
    monkeypatch.setattr('fcn_seg_ros.doctor.CHECKS', (lambda: found,))
    monkeypatch.setattr(graph, 'find_spec', lambda name: None)  # no ROS
    assert main(['doctor']) == status
    out = capsys.readouterr().out
    assert out.count('thing: is so') == len(levels)
    assert out.count('-> mend it') == sum(level > 0 for level in levels)


def test_a_probe_says_how_it_ended():
    assert probe('print(6 * 7)')[:2] == (True, '42')
    assert probe('import no_such_module').reason.endswith("No module named 'no_such_module'")


def test_the_known_answer_is_the_bundled_networks():
    """Whoever changes the network or the picture changes the answer."""
    assert network.check_known_answer().level == Level.OK


def test_the_driver_of_a_pc(tmp_path, monkeypatch):
    module, tegra = tmp_path / 'version', tmp_path / 'nv_tegra_release'
    assert check_driver(module, tegra)[0].text == 'none: networks run on the CPU'
    module.write_text('NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar 5\n'
                      'GCC version:  gcc version 12.2.0\n')
    monkeypatch.setenv('PATH', str(tmp_path))
    found, = check_driver(module, tegra)
    assert found[:3] == (Level.OK, 'NVIDIA driver', '550.54.15')
    smi = tmp_path / 'nvidia-smi'
    smi.write_text('#!/bin/sh\necho "550.54.15, NVIDIA L4"\n')
    smi.chmod(0o755)
    assert check_driver(module, tegra)[0].text == '550.54.15, NVIDIA L4'
    smi.write_text('#!/bin/sh\necho "Failed to initialize NVML: Driver/library version mismatch"\n'
                   'exit 18\n')
    found, = check_driver(module, tegra)
    assert found.level == Level.WARNING and 'version mismatch' in found.text
    assert 'restart' in found.remedy


def test_the_open_kernel_module_and_a_jetson(tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    module, tegra = tmp_path / 'version', tmp_path / 'nv_tegra_release'
    module.write_text('NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  540.4.0  '
                      'Release Build\n')
    tegra.write_text('# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic\n')
    assert [found.text for found in check_driver(module, tegra)] == ['L4T 36.4.3', '540.4.0']


def test_since_when_the_engine_is_known_to_be_the_fastest(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    segmenter = Segmenter()
    assert network.measured(segmenter) == "taken by rule: 'fcn-seg tune' measures"
    where = tuning.situation_of(segmenter.weights, segmenter.input_size, segmenter.device)
    choice = tuning.Choice(segmenter.engine.name, segmenter.engine.precision, 20.0, 0.999, True,
                           '2026-02-03')
    tuning.remember(where, choice)
    assert network.measured(segmenter) == 'the fastest of those measured on 2026-02-03'
    tuning.remember(where, replace(choice, engine='tensorrt'))
    assert network.measured(segmenter).startswith('tensorrt in')
    assert "'fcn-seg tune'" in network.measured(segmenter)


def test_a_graph_that_cannot_be_looked_at_is_a_finding(monkeypatch):
    monkeypatch.setattr(graph, '_CODE', 'raise RuntimeError("no middleware")')
    monkeypatch.setattr(graph, 'find_spec', lambda name: 'there')
    found, = graph.check_graph()
    assert found.level == Level.FAULT and 'no middleware' in found.text
    monkeypatch.setattr(graph, 'find_spec', lambda name: None)
    assert not graph.check_graph()


@pytest.mark.parametrize('text', ['0', '21', 'nan', 'soon'])
def test_a_patience_that_is_none(text, capsys):
    with pytest.raises(SystemExit):
        main(['doctor', '--patience', text])
    assert 'from 0.1 to 20' in capsys.readouterr().err
