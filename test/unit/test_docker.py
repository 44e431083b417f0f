"""The images' files agree with each other and with the tree; building them takes a network."""

from fnmatch import fnmatch
from pathlib import Path
import re
import shlex

from packaging.requirements import Requirement
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BASES = {'nvcr.io/nvidia/pytorch:24.06-py3-igpu': 'jammy',
         'nvcr.io/nvidia/pytorch:25.08-py3': 'noble'}
"""The Ubuntu that images of NVIDIA's are made of."""
UBUNTUS = {'humble': 'jammy', 'jazzy': 'noble'}
"""What a distribution of ROS 2 has packages for, and so the Ubuntu of the image ros:NAME."""
PYTHONS = {'jammy': '3.10', 'noble': '3.12'}
DOCKERFILES = sorted((ROOT / 'docker').glob('Dockerfile.*'))
each_dockerfile = pytest.mark.parametrize('path', DOCKERFILES, ids=lambda path: path.name)


def instructions(path):
    """Return ``[(word, rest)]`` of a Dockerfile, continued lines joined."""
    lines = (line for line in path.read_text().splitlines() if not line.startswith('#'))
    text = '\n'.join(lines).replace('\\\n', ' ')
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def stages(path):
    """Return ``{stage: [(word, rest)]}`` in the order of the file."""
    found = {}
    for word, rest in instructions(path):
        if word == 'FROM':
            current = found.setdefault(rest.split(' AS ')[1], [])
        elif found:
            current.append((word, rest))
    return found


def copied(path):
    """Return the paths of the repository that an image is made of."""
    return {source for word, rest in instructions(path)
            if word == 'COPY' and '--from' not in rest
            for source in rest.split()[:-1] if not source.startswith('--')}


def is_sent(source):
    """Return whether .dockerignore lets a path into the build."""
    rules = (ROOT / '.dockerignore').read_text().splitlines()
    sent = True
    for rule in (rule for rule in rules if rule and not rule.startswith('#')):
        if fnmatch(source, rule.lstrip('!')):
            sent = rule.startswith('!')
    return sent


def test_there_is_one_for_a_pc_and_one_for_a_jetson():
    assert [path.name for path in DOCKERFILES] == ['Dockerfile.cuda', 'Dockerfile.jetson']


@each_dockerfile
def test_what_is_copied_exists_and_is_sent(path):
    assert copied(path)
    for source in copied(path):
        assert (ROOT / source).exists(), f'{source} does not exist'
        assert is_sent(source), f'.dockerignore keeps {source} out'


@each_dockerfile
def test_requirements_that_pip_installs_are_copied(path):
    text = ' '.join(rest for word, rest in instructions(path) if word == 'RUN')
    files = re.findall(r'pip install[^&]* -r (\S+)', text)
    assert files
    assert set(files) <= {Path(source).name for source in copied(path)}


def commands(path):
    """Return the arguments of each docker build that a Dockerfile's first comment says."""
    comment = path.read_text().split('\n\n')[0]
    lines = [line.lstrip('# ') for line in comment.splitlines() if line.startswith('#')]
    text = '\n'.join(lines).replace('\\\n', ' ')
    return [shlex.split(line)[2:] for line in text.splitlines() if line.startswith('docker ')]


def arguments(path, command):
    """Return {name: value} of what a docker build sets, or the Dockerfile."""
    given = dict(word.split('=', 1) for before, word in zip(command, command[1:])
                 if before == '--build-arg')
    defaults = dict(rest.split('=', 1) for word, rest in instructions(path) if word == 'ARG')
    assert set(given) <= set(defaults)
    return defaults | given


@each_dockerfile
def test_what_an_image_stands_on_has_the_packages_of_its_ros(path):
    assert commands(path)
    for command in commands(path):
        values = arguments(path, command)
        ubuntu = UBUNTUS[values['ROS_DISTRO']]
        if 'BASE' in values:
            assert BASES[values['BASE']] == ubuntu == values['UBUNTU']


def test_a_jetson_has_two_systems():
    path = ROOT / 'docker' / 'Dockerfile.jetson'
    found = [arguments(path, command)['ROS_DISTRO'] for command in commands(path)]
    assert found == ['humble', 'jazzy']


@pytest.mark.parametrize('python', PYTHONS.values())
def test_apts_opencv_gets_its_numpy(python):
    """Ubuntu's cv2 and cv_bridge, of either system, are compiled for NumPy 1."""
    lines = (ROOT / 'requirements' / 'robot.txt').read_text().splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith('#')]
    numpy, = (one for one in wanted if one.name == 'numpy')
    assert numpy.marker is None or numpy.marker.evaluate({'python_version': python})
    assert '1.26.4' in numpy.specifier
    assert '2.0' not in numpy.specifier


@each_dockerfile
def test_everything_that_is_installed_is_copied(path):
    cmake = (ROOT / 'CMakeLists.txt').read_text()
    folders = re.search(r'install\(DIRECTORY ([\w ]+)\n', cmake)[1].split()
    assert {*folders, 'CMakeLists.txt', 'fcn_seg_ros', 'msg', 'package.xml', 'scripts',
            'src'} <= copied(path)


@each_dockerfile
def test_stages_build_on_each_other_and_the_last_is_no_root(path):
    names = list(stages(path))
    assert names == ['dependencies', 'build', 'node']
    for word, rest in instructions(path):
        for stage in re.findall(r'--from=(\w+)', rest):
            assert word == 'COPY' and stage in names
    last = dict(stages(path)['node'])
    assert last['USER'] == '$UID'
    assert last['ARG'] == 'UID=1000'
    assert last['ENTRYPOINT'] == '["/entrypoint.sh"]'
    assert last['STOPSIGNAL'] == 'SIGINT'  # the one at which ros2 launch ends what it started
    assert ROOT.joinpath('docker/entrypoint.sh').stat().st_mode & 0o111


def test_both_images_differ_only_in_what_they_stand_on():
    built = [{name: stage for name, stage in stages(path).items() if name != 'dependencies'}
             for path in DOCKERFILES]
    assert built[0] == built[1]


@each_dockerfile
def test_no_profile_of_fast_dds_is_set(path):
    """It would count as the user's own, and open a host that is closed (ros/dds.py chooses)."""
    assert 'PROFILES_FILE' not in path.read_text()


@pytest.fixture(scope='module')
def compose():
    """Return the compose file, parsed."""
    return yaml.safe_load((ROOT / 'docker' / 'compose.yaml').read_text())


@pytest.mark.parametrize('service', ['pc', 'jetson'])
def test_services_share_network_and_memory_with_the_host(compose, service):
    service = compose['services'][service]
    build = service['build']
    assert (ROOT / 'docker' / build['context'] / build['dockerfile']).is_file()
    assert service['network_mode'] == service['ipc'] == 'host'
    assert service['cap_drop'] == ['ALL']
    assert service['stop_signal'] == 'SIGINT'
    for volume in service['volumes']:
        assert volume.split(':')[0] in compose['volumes']
    for name in ('ROS_LOCALHOST_ONLY', 'ROS_AUTOMATIC_DISCOVERY_RANGE', 'ROS_STATIC_PEERS'):
        assert service['environment'][name] is None  # as in the user's shell


def test_services_get_the_gpu(compose):
    pc, jetson = compose['services']['pc'], compose['services']['jetson']
    device, = pc['deploy']['resources']['reservations']['devices']
    assert device['driver'] == 'nvidia'
    assert device['capabilities'] == ['gpu']
    assert jetson['runtime'] == 'nvidia'
