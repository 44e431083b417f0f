"""What the load test demands of every message that comes out of the node."""

from collections import Counter

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from fcn_seg_ros.msg import ClassFractions
from fcn_seg_ros.navigation.points import POINT
from fcn_seg_ros.networks.registry import Registry
from nav_msgs.msg import OccupancyGrid
import numpy as np
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

ENCODINGS = {'class_mask': 'mono8', 'confidence': 'mono8', 'color_mask': 'rgb8',
             'overlay': 'rgb8'}
CLOUDS = ('points', 'obstacles', 'ground')


class Checks:
    """
    Subscriptions to all outputs, and what was found in them.

    A frame's frame_id tells what its outputs must be like, see ``camera.py``.

    :param node: to subscribe with.
    :param cameras: names of the cameras.
    :param networks: names of the networks that may be in use.
    :param models_dir: where they are.
    :param fault: called with a text for everything that is wrong.
    :param now: returns the time, s.

    :ivar checked: Counter of the messages by what they are.
    :ivar counted: Counter of what the node itself counts, as of /diagnostics.
    :ivar levels: Counter of the statuses by name and level.
    :ivar latency: p95 of each camera and second, ms.
    :ivar expected_size: values of ``mask_size`` that frames on their way may have.
    :ivar last_mask: when the last mask came.
    """

    def __init__(self, node, cameras, networks, models_dir, fault, now):
        registry = Registry.load(str(models_dir))
        self._palettes = {name: _palette(registry.get(name).classes.colors) for name in networks}
        self._fault, self._now = fault, now
        self._newest = dict.fromkeys(cameras, 0)
        self._masks = dict.fromkeys(cameras, (None, None))  # frame_id, pixels
        self._totals = {}  # the node's counters as they were last, by status and key
        self.checked, self.levels, self.counted = Counter(), Counter(), Counter()
        self.latency = []
        self.expected_size = {'input'}
        self.last_mask = now()
        for camera in cameras:
            for name in ENCODINGS:
                self._listen(node, Image, camera, name, self._on_image)
            for name in CLOUDS:
                self._listen(node, PointCloud2, camera, name, self._on_cloud)
            self._listen(node, ClassFractions, camera, 'class_fractions', self._on_fractions)
            self._listen(node, CameraInfo, camera, 'camera_info', self._on_info)
        node.create_subscription(OccupancyGrid, '/segmentation/costmap', self._on_grid, 1)
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 1)

    def _listen(self, node, message_type, camera, name, callback):
        def take(message):
            self.checked[name] += 1
            callback(camera, name, message)

        node.create_subscription(message_type, f'/segmentation/{camera}/{name}', take, 1)

    def _on_image(self, camera, name, message):
        where = f'{camera}: {name}'
        self._check_size(where, message)
        channels = 3 if ENCODINGS[name] == 'rgb8' else 1
        if (message.encoding != ENCODINGS[name] or message.step != channels * message.width
                or len(message.data) != message.step * message.height):
            self._fault(f'{where} in {message.encoding} with {len(message.data)} bytes')
            return
        pixels = np.frombuffer(message.data, np.uint8)
        if name == 'class_mask':
            self._on_mask(camera, message, pixels)
        elif name == 'color_mask':
            frame, mask = self._masks[camera]
            if frame == message.header.frame_id:
                self.checked['color_mask beside its mask'] += 1
                colors = pixels.reshape(-1, 3)
                if not any(np.array_equal(palette[mask], colors)
                           for palette in self._palettes.values()):
                    self._fault(f'{where} has not the colours of its mask')

    def _on_mask(self, camera, message, pixels):
        self.last_mask = self._now()
        serial = int(message.header.frame_id.split('/')[0])
        if serial <= self._newest[camera]:
            self._fault(f'{camera}: frame {serial} after {self._newest[camera]}')
        self._newest[camera] = serial
        self._masks[camera] = message.header.frame_id, pixels

    def _check_size(self, where, message):
        """Compare a size with what the frame_id and the parameters say."""
        if 'network' in self.expected_size:
            return
        _, width, height, _ = message.header.frame_id.split('/')
        allowed = [(int(width), int(height)) if size == 'input'
                   else tuple(map(int, size.split('x'))) for size in self.expected_size]
        if (message.width, message.height) not in allowed:
            self._fault(f'{where} of {message.width}x{message.height}, expected {allowed}')

    def _on_info(self, camera, name, message):
        self._check_size(f'{camera}: {name}', message)
        # The cameras' focal length is their width, whatever that is at the time.
        if abs(message.k[0] - message.width) > 1e-6 * message.width:
            self._fault(f'{camera}: a focal length of {message.k[0]} at {message.width} pixels')

    def _on_fractions(self, camera, name, message):
        shares = [entry.fraction for entry in message.classes]
        if abs(sum(shares) + message.unknown - 1) > 1e-4:
            self._fault(f'{camera}: fractions sum to {sum(shares) + message.unknown}')
        if message.network not in self._palettes:
            self._fault(f'{camera}: network {message.network}')
        frame, mask = self._masks[camera]
        if frame == message.header.frame_id:
            self.checked['class_fractions beside their mask'] += 1
            counts = np.bincount(mask, minlength=256) / mask.size
            if np.abs(counts[:len(shares)] - shares).max() > 1e-4:
                self._fault(f'{camera}: fractions are not those of the mask')

    def _on_cloud(self, camera, name, message):
        where, count = f'{camera}: {name}', message.width * message.height
        if (message.point_step != POINT.itemsize
                or len(message.data) != count * POINT.itemsize
                or message.row_step != message.width * POINT.itemsize):
            self._fault(f'{where} with {len(message.data)} bytes of {count} points')
            return
        points = np.frombuffer(message.data, POINT)
        places = np.stack([points[axis] for axis in 'xyz'])
        known = np.isfinite(places).all(0)
        if name != 'points' and not known.all():
            self._fault(f'{where} with points nowhere')
        if np.abs(places[:, known]).max(initial=0) > 1000:
            self._fault(f'{where} with points a kilometre away')

    def _on_grid(self, message):
        self.checked['costmap'] += 1
        values = np.array(message.data)
        if len(values) != message.info.width * message.info.height:
            self._fault(f'costmap with {len(values)} cells')
        elif values.min() < -1 or values.max() > 100:
            self._fault(f'costmap with values {values.min()} to {values.max()}')

    def _on_diagnostics(self, message):
        for status in message.status:
            name = status.name.split(': ')[1]
            self.levels[f'{name}: {_LEVELS[status.level]}'] += 1
            values = {value.key: value.value for value in status.values}
            for key, value in values.items():
                if key.startswith(('dropped: ', 'errors: ', 'problems: ', 'frames received',
                                   'frames done')):
                    self._count(name, key, int(value))
            if 'latency p95 (ms)' in values:
                self.latency.append(float(values['latency p95 (ms)']))

    def _count(self, name, key, count):
        """Add up a counter of the node, which begins at 0 with each configuration."""
        before = self._totals.get((name, key), 0)
        self.counted[key] += count - before if count >= before else count
        self._totals[name, key] = count


_LEVELS = {DiagnosticStatus.OK: 'OK', DiagnosticStatus.WARN: 'WARN',
           DiagnosticStatus.ERROR: 'ERROR', DiagnosticStatus.STALE: 'STALE'}


def _palette(colors):
    palette = np.zeros((256, 3), np.uint8)
    palette[:len(colors)] = colors
    return palette
