"""What ``tools/bootstrap.sh`` says when the machine lacks something."""

from pathlib import Path
import shutil
import subprocess

import pytest

REPOSITORY = Path(__file__).parents[2]
TOOLS = ('cat', 'cksum', 'cp', 'dirname', 'find', 'ln', 'mkdir', 'mktemp', 'rm', 'sh', 'sort')


def program(path, text):
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\n{text}\n')
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path):
    """Return a folder of programs: a machine with all that is needed but Python."""
    programs = tmp_path / 'programs'
    programs.mkdir()
    for tool in TOOLS:
        (programs / tool).symlink_to(shutil.which(tool))
    program(programs / 'uname', 'case $1 in -s) echo Linux;; -m) echo x86_64;; esac')
    program(programs / 'cc', 'exit 0')
    program(programs / 'c++', 'exit 0')
    return programs


@pytest.fixture
def bootstrap(machine, tmp_path):
    """Return a function that runs the script there and returns its exit status and output."""
    def run(*arguments):
        done = subprocess.run(
            [REPOSITORY / 'tools' / 'bootstrap.sh', tmp_path / 'venv', *arguments],
            env={'PATH': str(machine), 'HOME': str(tmp_path)}, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout
    return run


def python(machine, version='3.11', has_venv=True, include=None):
    """Write a python3 that answers the script's questions."""
    headers = f'[ -f {include}/Python.h ]'
    program(machine / 'python3', f"""
case "$*" in
  *version_info*) echo {version};;
  --version) echo Python {version}.0;;
  *ensurepip*) exit {0 if has_venv else 1};;
  *Python.h*) {headers};;
  *) echo "python3 $*"; exit 1;;
esac""")


def test_no_python(bootstrap):
    status, output = bootstrap()
    assert status
    assert output == ('bootstrap: there is no python3: install Python 3.10 to 3.13, or name one '
                      'with PYTHON=...\n')


@pytest.mark.parametrize('version', ['3.9', '3.14', '2.7'])
def test_wrong_python(bootstrap, machine, version):
    python(machine, version)
    status, output = bootstrap()
    assert status
    assert output.startswith(f'bootstrap: Python {version}.0 will not do: name a Python 3.10')


def test_other_machine(bootstrap, machine):
    python(machine)
    program(machine / 'uname', 'case $1 in -s) echo Linux;; -m) echo aarch64;; esac')
    status, output = bootstrap()
    assert status
    assert 'this is Linux-aarch64: use ROS 2 from apt and colcon' in output


def test_everything_that_is_missing_is_said_at_once(bootstrap, machine, tmp_path):
    python(machine, has_venv=False, include=tmp_path)
    (machine / 'c++').unlink()
    status, output = bootstrap()
    assert status
    assert [line.split('  ')[1] for line in output.splitlines()[1:]] == [
        "- Python's venv module", "- Python's headers, Python.h", '- a C and a C++ compiler']


def test_unknown_distribution(bootstrap, machine):
    python(machine)
    status, output = bootstrap('humble')
    assert status
    assert output == ("bootstrap: there is no ROS 2 'humble' on PyPI: use ROS_DISTRO=kilted or "
                      'jazzy\n')


def test_unknown_choice_of_torch(bootstrap, machine):
    python(machine)
    status, output = bootstrap('kilted', '', 'cpu')
    assert status
    assert output == "bootstrap: TORCH is 'cpu': on or off\n"


@pytest.fixture
def environment(machine, tmp_path):
    """Write an environment whose pip records what it is asked and obeys ``pip-status``."""
    (tmp_path / 'Python.h').touch()
    python(machine, include=tmp_path)
    binaries = tmp_path / 'venv' / 'bin'
    program(binaries / 'pip', 'exit 0')
    program(binaries / 'python', f"""
case "$*" in
  *'-m pip install'*)
    echo "$*, PyTorch: $FCN_SEG_TORCH" >> {tmp_path}/pip.log; exit $(cat {tmp_path}/pip-status);;
  *'-m pip download'*) exit $(cat {tmp_path}/network-status);;
  *) exec {machine}/python3 "$@";;
esac""")
    (tmp_path / 'network-status').write_text('0')
    (tmp_path / 'pip-status').write_text('0')
    return tmp_path


def installed(environment):
    """Return what pip was asked to install, and forget it."""
    log = environment / 'pip.log'
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return lines


def test_it_installs_once(bootstrap, environment):
    status, output = bootstrap()
    assert (status, len(installed(environment))) == (0, 3), output
    (environment / 'venv/lib/python3.11/site-packages/fcn_seg_ros-1.dist-info').mkdir(
        parents=True)
    assert bootstrap() == (0, '')
    assert installed(environment) == []


@pytest.mark.parametrize('torch', ['on', 'off'])
def test_the_package_is_built_with_pytorch_or_without(bootstrap, environment, torch):
    assert bootstrap('jazzy', '', torch)[0] == 0
    assert installed(environment)[-1].endswith(f', PyTorch: {torch}')


def test_an_editable_installation_is_replaced(bootstrap, environment):
    bootstrap()
    site = environment / 'venv/lib/python3.11/site-packages'
    (site / 'fcn_seg_ros-1.dist-info').mkdir(parents=True)
    (site / '__editable__.fcn_seg_ros-1.pth').touch()
    installed(environment)
    assert bootstrap()[0] == 0
    assert len(installed(environment)) == 1


@pytest.mark.parametrize(('network', 'reason'), [
    ('1', 'no package index can be reached (network? proxy? pip config?)'),
    ('0', 'pip says why above')])
def test_a_failing_installation(bootstrap, environment, network, reason):
    (environment / 'pip-status').write_text('1')
    (environment / 'network-status').write_text(network)
    status, output = bootstrap()
    assert status
    assert output.endswith(f'bootstrap: pip could not be installed: {reason}\n')
    assert len(installed(environment)) == 1
    (environment / 'pip-status').write_text('0')
    assert bootstrap()[0] == 0
    assert len(installed(environment)) == 3  # the failure is not remembered as done


def test_two_distributions_do_not_share_an_environment(bootstrap, environment):
    bootstrap()
    status, output = bootstrap('jazzy')
    assert status
    assert 'holds ROS 2 kilted: remove it, or name another folder with VENV=' in output
    status, output = bootstrap('kilted', '', 'off')
    assert status
    assert 'holds ROS 2 kilted: remove it' in output


def test_an_environment_keeps_its_python(bootstrap, environment, machine):
    bootstrap()
    program(machine / 'python3.13', 'echo 3.13')
    status, output = bootstrap('kilted', 'python3.13')
    assert status
    assert 'is one of another Python: remove it, or name another folder with VENV=' in output
