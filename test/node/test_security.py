"""The SROS 2 policy gives the node what it uses, and nothing else."""

from xml.etree import ElementTree

from fcn_seg_ros.support.paths import share_dir
import pytest
from sensor_msgs.msg import Image

OPTIONAL = {
    'subscribe': {'/image/compressed', '/depth', '/tf', '/tf_static', '/clock'},
    'publish': {f'/segmentation/{name}' for name in (
        'label_info', 'points', 'obstacles', 'ground', 'costmap')} | {'/tf_static'},
    'reply': set(),
}
"""What only some configurations use: transports, depth, clouds, mounts, vision_msgs, /clock."""


@pytest.fixture(scope='module')
def policy():
    return ElementTree.parse(share_dir() / 'config' / 'sros2' / 'policy.xml').getroot()


def rights(policy, action):
    """Return the names that a policy allows an action on."""
    return [entry.text for group in policy.iter() if group.get(action) == 'ALLOW'
            for entry in group]


def test_the_policy_is_built_as_sros2_s_schema_says(policy):
    def children(element, tag, attributes):
        assert len(element)
        for child in element:
            assert child.tag == tag
            assert set(child.attrib) == set(attributes)
        return list(element)

    assert policy.tag == 'policy'
    assert policy.attrib == {'version': '0.2.0'}
    enclaves, = children(policy, 'enclaves', ())
    enclave, = children(enclaves, 'enclave', ('path',))
    profiles, = children(enclave, 'profiles', ())
    profile, = children(profiles, 'profile', ('ns', 'node'))
    assert (profile.get('ns'), profile.get('node')) == ('/', 'segmentation')
    for group in profile:
        (action, qualifier), = group.attrib.items()
        assert qualifier == 'ALLOW'
        assert (group.tag, action) in (('topics', 'subscribe'), ('topics', 'publish'),
                                       ('services', 'reply'), ('services', 'request'))
        for entry in group:
            assert entry.tag == group.tag.removesuffix('s')
            assert entry.text.startswith('/')
            assert '*' not in entry.text


def test_the_rights_are_those_that_the_running_node_uses(policy, shared_nodes):
    shared_nodes.start()
    graph = shared_nodes.graph
    camera = graph.camera()
    graph.listen(Image, '/segmentation/class_mask')
    graph.wait_for_subscribers(camera)
    names = {}

    def discovered():
        node = graph.node
        names['subscribe'] = node.get_subscriber_names_and_types_by_node('segmentation', '/')
        names['publish'] = node.get_publisher_names_and_types_by_node('segmentation', '/')
        names['reply'] = node.get_service_names_and_types_by_node('segmentation', '/')
        names['request'] = node.get_client_names_and_types_by_node('segmentation', '/')
        return {'/image', '/camera_info'} <= {name for name, _ in names['subscribe']} and \
            '/segmentation/set_parameters_atomically' in {name for name, _ in names['reply']}

    graph.wait_until(discovered, 'all that the node offers')
    graph.spin_for(1.0)
    discovered()
    for action, found in names.items():
        used = {name for name, _ in found}
        allowed = rights(policy, action)
        assert len(allowed) == len(set(allowed))
        assert used <= set(allowed), f'{action}: {used - set(allowed)} is not allowed'
        unused = set(allowed) - used - OPTIONAL.get(action, set())
        # Older distributions have fewer services.
        unused -= {'/segmentation/get_type_description', '/segmentation/get_transition_graph'}
        assert not unused, f'{action}: nothing uses {unused}'
