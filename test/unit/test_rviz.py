"""What RViz is started with to show a certain node."""

from fcn_seg_ros.ros.rviz import config_path, remappings, topics


def test_the_default_node_needs_no_remapping():
    assert remappings() == []


def test_every_topic_follows_name_and_namespace():
    pairs = dict(remappings(name='seg', namespace='bot', image='camera/image_raw'))
    assert set(pairs) == {topic['Value'] for _, topic in topics(config_path())}
    assert pairs['/image'] == '/bot/camera/image_raw'
    assert pairs['/segmentation/overlay'] == '/bot/seg/overlay'


def test_an_absolute_image_topic_stays():
    assert remappings(image='/camera/image_raw') == [('/image', '/camera/image_raw')]


def test_of_several_cameras_one_is_shown():
    pairs = dict(remappings(camera='front'))
    assert pairs['/image'] == '/front/image'
    assert pairs['/segmentation/obstacles'] == '/segmentation/front/obstacles'
    assert not {'/segmentation/legend', '/segmentation/costmap',
                '/segmentation/costmap_updates'} & set(pairs)
