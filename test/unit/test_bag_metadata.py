"""Which of a recording's topics a camera's node would be started on."""

from fcn_seg_ros.errors import MediaError
from fcn_seg_ros.offline.bag_metadata import image_topics, only_image_topic
import pytest
import yaml

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'


@pytest.fixture
def bag(tmp_path):
    """Return a function that writes the metadata of a bag with these (topic, type) pairs."""
    def write(*topics, counts=None):
        (tmp_path / 'metadata.yaml').write_text(yaml.safe_dump({'rosbag2_bagfile_information': {
            'version': 9, 'storage_identifier': 'mcap', 'topics_with_message_count': [
                {'topic_metadata': {'name': name, 'type': kind, 'serialization_format': 'cdr'},
                 'message_count': (counts or {}).get(name, 3)} for name, kind in topics]}}))
        return tmp_path
    return write


def test_the_raw_images_of_a_camera_win_over_its_compressed_ones(bag):
    folder = bag(('/rear/image/compressed', COMPRESSED), ('/cam/image/compressed', COMPRESSED),
                 ('/cam/image', IMAGE), ('/tf', 'tf2_msgs/msg/TFMessage'))
    assert image_topics(folder) == {'/cam/image': 'raw', '/rear/image': 'compressed'}


def test_depth_and_masks_are_no_camera(bag):
    folder = bag(('/cam/depth/image_raw', IMAGE), ('/segmentation/class_mask', IMAGE),
                 ('/cam/image_raw', IMAGE),
                 ('/cam/depth/image_raw/compressedDepth', COMPRESSED))
    assert only_image_topic(folder) == ('/cam/image_raw', 'raw')


@pytest.mark.parametrize(('camera', 'depth'), [
    ('/r200_depth/image_raw', '/r200_depth/depth/image_raw'),
    ('/depth_camera/image_raw', '/depth_camera/depth_image'),
    ('/cam/color/image_raw', '/cam/aligned_depth_to_color/image_raw'),
    ('/rgb/image_rect_color', '/depth_to_rgb/image_raw'),
    ('/masked_cam/image', '/segmentation/class_mask')])
def test_the_last_word_of_a_name_says_what_it_holds(bag, camera, depth):
    assert only_image_topic(bag((depth, IMAGE), (camera, IMAGE))) == (camera, 'raw')


def test_topics_without_messages_are_left_out(bag):
    topics = ('/cam/image', IMAGE), ('/cam/image/compressed', COMPRESSED)
    assert only_image_topic(bag(*topics, counts={'/cam/image': 0})) == ('/cam/image', 'compressed')
    assert only_image_topic(bag(*topics, counts={'/cam/image/compressed': 0})) == (
        '/cam/image', 'raw')
    # Where nothing is known of the numbers, the types are left.
    assert only_image_topic(bag(topics[0], counts={'/cam/image': 0})) == ('/cam/image', 'raw')


def test_no_topic_is_guessed(bag):
    with pytest.raises(MediaError, match='/a/image, /b/image'):
        only_image_topic(bag(('/b/image', IMAGE), ('/a/image', IMAGE)))
    with pytest.raises(MediaError, match='no topic with camera images'):
        only_image_topic(bag(('/tf', 'tf2_msgs/msg/TFMessage')))


@pytest.mark.parametrize('text', ['[]', 'rosbag2_bagfile_information: 3', '{a: &x 1, b: *x}'])
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / 'metadata.yaml').write_text(text)
    with pytest.raises(MediaError, match='metadata.yaml'):
        image_topics(tmp_path)


def test_a_folder_without_metadata_is_refused(tmp_path):
    with pytest.raises(MediaError, match='cannot read'):
        image_topics(tmp_path)
