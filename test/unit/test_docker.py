"""The images' files agree with each other and with the tree; building them takes a network."""

from fnmatch import fnmatch
from pathlib import Path
import re

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
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
def test_the_profile_of_fast_dds_is_where_it_is_installed(path):
    profiles = re.findall(r'(\w+_PROFILES_FILE)=(\S+)', path.read_text())
    assert {name for name, _ in profiles} == {
        'FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'}
    share = '/opt/fcn_seg_ros/share/fcn_seg_ros/'
    for _, file in profiles:
        assert file.startswith(share)
        assert (ROOT / file.removeprefix(share)).is_file()


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


def test_services_get_the_gpu(compose):
    pc, jetson = compose['services']['pc'], compose['services']['jetson']
    device, = pc['deploy']['resources']['reservations']['devices']
    assert device['driver'] == 'nvidia'
    assert device['capabilities'] == ['gpu']
    assert jetson['runtime'] == 'nvidia'
