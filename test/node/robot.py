"""A robot in the synthetic world: its camera's topics, and what the node makes of them."""

from array import array
import time

from diagnostic_msgs.msg import DiagnosticArray
from graph import DEADLINE, image_message, new_header, to_array
import numpy as np
from sensor_msgs.msg import CameraInfo, Image, PointField

READERS = {PointField.FLOAT32: '<f4', PointField.UINT8: 'u1'}


class Robot:
    """
    A node and one of its cameras.

    :param nodes: starts the node.
    :param camera: the camera's name, '' for the only one.
    :param node: the node if it runs already.
    :param params: the node's parameters.
    """

    def __init__(self, nodes, camera='', node=None, **params):
        self.graph = nodes.graph
        self.node = node or nodes.start(**params)
        self._prefix = f'{camera}/' if camera else ''
        self._status = f'segmentation: {camera} navigation'.replace(':  ', ': ')
        self.image = self.graph.camera(f'{self._prefix}image')
        self.info = self.graph.camera(f'{self._prefix}camera_info', CameraInfo)
        self.depth = None
        self._diagnostics = self.graph.listen(DiagnosticArray, '/diagnostics')
        self._listeners = {}

    def listen(self, message_type, *names, latched=False):
        """Listen to outputs of the node from now on."""
        for name in names:
            topic = f"/segmentation/{'' if name == 'costmap' else self._prefix}{name}"
            self._listeners[name] = self.graph.listen(message_type, topic, latched=latched)
        self.graph.wait_for_subscribers(self.image)

    def close(self, name):
        """Listen to an output no more."""
        self._listeners.pop(name).close()

    def film(self, picture, info, *names, depth=None, header=None, until=lambda: True):
        """
        Send a picture, again and again, until the outputs of its stamp are there.

        :param picture: uint8 array H x W x 3.
        :param info: CameraInfo, or None to send none.
        :param names: of the outputs to wait for.
        :param depth: depth Image to send as well.
        :param header: of the picture, by default one with a stamp of its own.
        :param until: what has to be true besides.
        :returns: the outputs.
        """
        header = header or new_header()
        image = image_message(picture, header=header)
        end = time.monotonic() + DEADLINE

        def answers():
            return [next((m for m in reversed(self._listeners[name].messages)
                          if m.header.stamp == header.stamp), None) for name in names]

        while None in answers() or not until():
            assert time.monotonic() < end, f'no {names} of {header.stamp}, or not {until}'
            self.send(image, info, depth)
            self.graph.spin_for(0.3)
        return answers()

    def send(self, image, info=None, depth=None):
        """Publish an Image once, after what belongs to it."""
        if info is not None:
            info.header = image.header
            self.info.publish(info)
        if depth is not None:
            self.depth.publish(depth)
        self.image.publish(image)

    def received(self, name):
        """Return the messages that have arrived of an output."""
        return self._listeners[name].messages

    def wait_for_stamp(self, name, stamp):
        """Return the message of an output with this stamp."""
        return self._listeners[name].wait_for_stamp(stamp)

    def arrived(self, name):
        """Return the stamps of what has arrived of an output."""
        return [message.header.stamp for message in self.received(name)]

    def offer_depth(self):
        """Become a publisher of depth images."""
        self.depth = self.graph.camera(f'{self._prefix}depth')
        self.graph.wait_for_subscribers(self.depth)

    def status(self):
        """Return the newest diagnostics of clouds and grid, or None."""
        for message in reversed(self._diagnostics.messages):
            for status in message.status:
                if status.name == self._status:
                    return status
        return None

    def values(self):
        """Return the values of :meth:`status`."""
        status = self.status()
        return {value.key: value.value for value in status.values} if status else {}

    def problems(self, kind):
        """Return how often a kind of problem has been counted."""
        return int(self.values().get(f'problems: {kind}', 0))

    def reports(self, kind, word, before):
        """
        Tell whether a problem has come up again, and its newest text has a word.

        :param before: how often it had been counted.  What was counted since may still be an
            earlier frame's, which is why the word is waited for as well.
        """
        return (self.problems(kind) > before
                and word in self.values().get(f'last problem: {kind}', ''))

    def request(self, **values):
        """Set parameters in one request, see :meth:`.Graph.set_atomically`."""
        return self.graph.set_atomically(**values)


def calibration(camera):
    """Return the CameraInfo of a synthetic camera."""
    return CameraInfo(width=camera.width, height=camera.height, k=camera.k,
                      d=camera.d or [0.0] * 5, distortion_model='plumb_bob')


def depth_message(depth, header):
    """Return a depth image in metres."""
    height, width = depth.shape
    message = Image(header=header, height=height, width=width, encoding='32FC1', step=4 * width)
    message.data = to_array(np.ascontiguousarray(depth, '<f4'))
    return message


def read_cloud(message):
    """Read a cloud by its own description, as any reader of PointCloud2 does."""
    assert not message.is_bigendian
    assert all(field.count == 1 for field in message.fields)
    assert message.row_step == message.point_step * message.width
    assert len(message.data) == message.row_step * message.height
    layout = np.dtype({'names': [field.name for field in message.fields],
                       'formats': [READERS[field.datatype] for field in message.fields],
                       'offsets': [field.offset for field in message.fields],
                       'itemsize': message.point_step})
    return np.frombuffer(message.data, layout).reshape(message.height, message.width)


def places(cloud):
    """Return a cloud's x, y, z, float64 ... x 3."""
    return np.stack([cloud[axis] for axis in 'xyz'], axis=-1).astype(np.float64)


def grid_values(message):
    """Return (int array rows x columns of a grid's values, x and y of the cells' centres)."""
    info = message.info
    values = np.array(array('b', message.data)).reshape(info.height, info.width)
    x, y = (start + (np.arange(count) + 0.5) * info.resolution for start, count in (
        (info.origin.position.x, info.width), (info.origin.position.y, info.height)))
    return values, np.stack(np.meshgrid(x, y), axis=-1)
