"""The same frames give the same masks, also when a bag is replayed under simulated time."""

from array import array
from importlib.util import find_spec

from builtin_interfaces.msg import Time
from graph import image_message, picture
import numpy as np
import pytest
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import Header

if find_spec('rosbags'):
    from rosbags.rosbag2 import Reader, StoragePlugin, Writer
    from rosbags.typesys import get_typestore, Stores
    STORE = get_typestore(Stores.ROS2_HUMBLE)
START = 1_500_000_000
"""When the bag was recorded, seconds: long ago."""


def write_bag(path):
    """Write a bag of ten images."""
    types = STORE.types
    with Writer(path, version=9, storage_plugin=StoragePlugin.SQLITE3) as bag:
        connection = bag.add_connection('/image', 'sensor_msgs/msg/Image', typestore=STORE)
        for i in range(10):
            nanoseconds = START * 10**9 + i * 33_333_333
            stamp = types['builtin_interfaces/msg/Time'](
                sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)
            message = types['sensor_msgs/msg/Image'](
                header=types['std_msgs/msg/Header'](stamp=stamp, frame_id='recorded'),
                height=48, width=64, encoding='rgb8', is_bigendian=0, step=192,
                data=picture(seed=i).reshape(-1))
            bag.write(connection, nanoseconds,
                      STORE.serialize_cdr(message, 'sensor_msgs/msg/Image'))


def read_bag(path):
    """Yield (nanoseconds, Image) of a bag."""
    with Reader(path) as bag:
        for connection, nanoseconds, data in bag.messages():
            m = STORE.deserialize_cdr(data, connection.msgtype)
            message = Image(
                header=Header(frame_id=m.header.frame_id, stamp=Time(
                    sec=m.header.stamp.sec, nanosec=m.header.stamp.nanosec)),
                height=m.height, width=m.width, encoding=m.encoding, step=m.step)
            message.data = array('B', m.data.tobytes())
            yield nanoseconds, message


def replay(graph, path, camera, clock, masks, confidences):
    """Publish a bag's images and time; return what came out, by the images' stamps."""
    outputs = []
    for nanoseconds, message in read_bag(path):
        clock.publish(Clock(clock=Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)))
        masks.clear()
        confidences.clear()
        # Once: the listeners have had both outputs, so that all have discovered each other and
        # what is reliable arrives.
        camera.publish(message)
        pair = [listener.wait_for_stamp(message.header.stamp)
                for listener in (masks, confidences)]
        assert all(out.header == message.header for out in pair)
        outputs.append([out.data for out in pair])
    return outputs


@pytest.mark.skipif(not find_spec('rosbags'), reason='rosbags is not installed')
def test_a_bag_replayed_twice_gives_equal_masks(nodes, tmp_path):
    write_bag(tmp_path / 'bag')
    nodes.start(deterministic=True, use_sim_time=True)
    graph = nodes.graph
    camera, clock = graph.camera(), graph.camera('/clock', Clock)
    masks = graph.listen(Image, '/segmentation/class_mask')
    confidences = graph.listen(Image, '/segmentation/confidence')
    graph.wait_for_subscribers(camera)
    graph.wait_for_subscribers(clock)
    warm_up = image_message(picture())
    graph.wait_until(lambda: camera.publish(warm_up) or graph.spin_for(0.1)
                     or (masks.messages and confidences.messages), 'both outputs')
    first = replay(graph, tmp_path / 'bag', camera, clock, masks, confidences)
    again = replay(graph, tmp_path / 'bag', camera, clock, masks, confidences)
    assert first == again
    assert len({bytes(mask) for mask, _ in first}) > 5, 'the pictures test nothing'


def test_another_process_gives_equal_masks(nodes):
    results = []
    for _ in range(2):
        node = nodes.start(deterministic=True)
        graph = nodes.graph
        camera = graph.camera()
        masks = graph.listen(Image, '/segmentation/class_mask')
        graph.wait_for_subscribers(camera)
        graph.send_until_answered(camera, image_message(picture(97, 131, seed=7)), masks)
        results.append(np.array(masks.messages[0].data))
        assert node.stop()[0] == 0
        graph.node.destroy_publisher(camera)
        masks.close()
    np.testing.assert_array_equal(*results)
