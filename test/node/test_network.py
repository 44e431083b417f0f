"""The package's Fast DDS profile does not open to the network what the user has closed."""

import os
from pathlib import Path
import subprocess
import sys
import time

from fcn_seg_ros.ros.dds import closed, profile_environment, PROFILE_NAMES
from fcn_seg_ros.support.paths import share_dir
from graph import DEADLINE, Domain, NodeProcess, segments
import pytest

PROBE = Path(__file__).with_name('network_probe.py')
PEER = '10.77.0.2'
OPEN, LOCAL, OFF = ({'ROS_AUTOMATIC_DISCOVERY_RANGE': word}
                    for word in ('SUBNET', 'LOCALHOST', 'OFF'))
CASES = {
    'nothing': {}, 'subnet': OPEN, 'localhost': LOCAL, 'off': OFF,
    'humble': {'ROS_LOCALHOST_ONLY': '1'},
    'subnet, peer': {**OPEN, 'ROS_STATIC_PEERS': PEER},
    'localhost, peer': {**LOCAL, 'ROS_STATIC_PEERS': PEER},
}
KNOWS_RANGE = 'ROS_AUTOMATIC_DISCOVERY_RANGE' in closed({})
"""Whether ROS 2 here knows it, and peers; Humble does not."""
VARIABLES = {*PROFILE_NAMES, *(name for case in CASES.values() for name in case)}


def _unshare():
    """Return the command that gives a process a network of its own."""
    return ['unshare', '--net', *([] if os.geteuid() == 0 else ['--map-root-user'])]


@pytest.fixture(scope='module')
def sent():
    """Return {(case, with the profile): (packets, multicasts)} that leave the host."""
    allowed = subprocess.run(
        [*_unshare(), 'ip', 'link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far'],
        capture_output=True, text=True)
    if allowed.returncode:
        pytest.skip(f'no network of its own may be made here: {allowed.stderr.strip()}')
    domain = Domain()
    clean = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    processes = {
        (case, profile): subprocess.Popen(
            [*_unshare(), sys.executable, PROBE, *(['profile'] if profile else [])],
            env={**clean, **variables, 'ROS_DOMAIN_ID': str(domain.number)},
            stdout=subprocess.PIPE, text=True)
        for case, variables in CASES.items() for profile in (False, True)}
    try:
        outputs = {key: process.communicate(timeout=DEADLINE)[0]
                   for key, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
        domain.release()
    return {key: tuple(map(int, output.split()[-2:])) for key, output in outputs.items()}


def test_packets_are_seen_where_the_host_is_open(sent):
    """Else the tests below could not fail."""
    for case in ('nothing', 'subnet', 'subnet, peer'):
        for profile in (False, True):
            assert sent[case, profile][1] > 0, (case, profile)


def test_a_host_that_is_closed_sends_nothing_with_the_profile(sent):
    for case in ('localhost', 'off', 'humble'):
        assert sent[case, True] == (0, 0), case


@pytest.mark.skipif(not KNOWS_RANGE, reason='Humble knows no peers')
def test_peers_that_the_user_names_are_talked_to_and_nobody_else(sent):
    for profile in (False, True):
        packets, multicasts = sent['localhost, peer', profile]
        assert packets > 0
        assert multicasts == 0
    assert sent['subnet, peer', True][0] > sent['subnet, peer', True][1]


@pytest.mark.parametrize(('variables', 'name'), [
    ({}, 'fastdds.xml'),
    (OPEN, 'fastdds.xml'),
    ({'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SYSTEM_DEFAULT'}, 'fastdds.xml'),
    ({'ROS_LOCALHOST_ONLY': '0'}, 'fastdds.xml'),
    ({'ROS_LOCALHOST_ONLY': '1'}, 'fastdds_local.xml'),
    ({'ROS_LOCALHOST_ONLY': '1', **OPEN}, 'fastdds_local.xml'),
    (LOCAL, 'fastdds_local.xml'),
    (OFF, 'fastdds_local.xml'),
    ({'ROS_AUTOMATIC_DISCOVERY_RANGE': 'nonsense'}, 'fastdds_local.xml'),
    ({PROFILE_NAMES[0]: 'mine.xml'}, None),
    ({PROFILE_NAMES[1]: 'mine.xml', **LOCAL}, None),
])
def test_the_profile_is_chosen_by_what_the_user_has_closed(variables, name):
    files = {Path(path) for path in profile_environment(variables).values()}
    assert {file.name for file in files} == ({name} if name else set())
    assert all(file.is_file() for file in files)


def _wait_for_segment(folder, profiles, mebibytes):
    """
    Return the sizes of a node's shared memory once one is as large, MiB.

    :param profiles: variables of the shell that it is started from.
    """
    domain = Domain()  # of nobody else, whose memory it would have open, too
    prelude = (f'import os\nfor name in {PROFILE_NAMES}: os.environ.pop(name, None)\n'
               f'os.environ.update({profiles})')
    node = NodeProcess(domain.number, folder, {'autostart': False}, prelude=prelude)
    sizes = []
    end = time.monotonic() + DEADLINE
    try:
        while not any(size >= mebibytes for size in sizes):
            assert node.process.poll() is None and time.monotonic() < end, (sizes, node.log)
            time.sleep(0.05)
            sizes = [Path(file).stat().st_size >> 20 for file in segments(node.process.pid)]
        return sizes
    finally:
        node.close()
        domain.release()


def test_the_node_chooses_the_profile_itself_where_no_launch_file_does(tmp_path):
    assert _wait_for_segment(tmp_path, {}, 64)


def test_the_users_profile_wins_in_the_node(tmp_path):
    mine = tmp_path / 'mine.xml'
    text = (share_dir() / 'config' / 'fastdds.xml').read_text()
    mine.write_text(text.replace(str(64 << 20), str(8 << 20)))
    sizes = _wait_for_segment(tmp_path, dict.fromkeys(PROFILE_NAMES, str(mine)), 8)
    assert max(sizes) < 16


@pytest.mark.parametrize(('version', 'expected'), [
    ('3.3.15', {'ROS_LOCALHOST_ONLY': '1'}),
    ('7.1.4', LOCAL), ('9.1.2', LOCAL)])
def test_tests_and_benchmark_close_the_host_on_every_distribution(monkeypatch, version, expected):
    monkeypatch.setattr('fcn_seg_ros.ros.dds.version', lambda name: version)
    given = {'ROS_LOCALHOST_ONLY': '0', 'ROS_STATIC_PEERS': PEER, **OPEN}
    assert closed({**given, 'HOME': '/root'}) == {'HOME': '/root', **expected}
