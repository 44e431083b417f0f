"""What comes out of the node for what goes in, over DDS."""

import cv2
from fcn_seg_ros.images.compressed import decode
from fcn_seg_ros.images.raw import SUPPORTED
from fcn_seg_ros.msg import ClassFractions
from fcn_seg_ros.segmenter import Segmenter
from graph import image_message, mask_of, new_header, picture, to_array
from networks import ENGINE, LABELS, TINY
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest

REGIONS = {'left': (0.0, 0.0, 0.5, 1.0), 'right': (0.5, 0.0, 1.0, 1.0),
           'dot': (0.5, 0.5, 0.51, 0.51)}
WIDTH, HEIGHT = 62, 46


class Bench:
    """A running node, its camera, and listeners that come when they are needed."""

    def __init__(self, nodes):
        self.graph = nodes.graph
        nodes.start(regions=list(REGIONS),
                    **{f'regions__{name}': list(map(float, box))
                       for name, box in REGIONS.items()})
        self.camera = self.graph.camera('image')
        self.info = self.graph.camera('camera_info', CameraInfo)
        self._listeners = {}
        self.listen('class_mask', Image)
        self.graph.wait_for_subscribers(self.camera)

    def listen(self, name, message_type):
        """Return the listener of an output; it is matched with the node."""
        if name not in self._listeners:
            listener = self.graph.listen(message_type, f'/segmentation/{name}')
            self._listeners[name] = listener
            self.graph.wait_until(
                lambda: self.graph.node.count_publishers(f'/segmentation/{name}') == 1, name)
        return self._listeners[name]

    def send(self, message, **outputs):
        """
        Publish an image and return the outputs of the same stamp, by name.

        :param outputs: {name with __ for /: message type}.
        """
        listeners = {name: self.listen(name.replace('__', '/'), message_type)
                     for name, message_type in outputs.items()}
        stamp = message.header.stamp
        for listener in listeners.values():
            # The node may see a new listener after the first picture.
            while not any(m.header.stamp == stamp for m in listener.messages):
                self.camera.publish(message)
                try:
                    listener.wait_for_stamp(stamp, deadline=2.0)
                except AssertionError:
                    self._patience -= 1
                    assert self._patience, 'the node does not answer'
        return {name: listener.wait_for_stamp(stamp) for name, listener in listeners.items()}

    _patience = 30


@pytest.fixture(scope='module')
def bench(shared_nodes):
    return Bench(shared_nodes)


@pytest.fixture(scope='module')
def reference(models_dir):
    """Return the same network in this process."""
    return Segmenter(TINY, models_dir=str(models_dir), device='cpu', threads=1,
                     **ENGINE)


ALL = {'class_mask': Image, 'color_mask': Image, 'overlay': Image, 'confidence': Image,
       'class_fractions': ClassFractions}


def test_outputs_are_those_of_the_library(bench, reference):
    pixels = picture(HEIGHT, WIDTH)
    out = bench.send(image_message(pixels), **ALL)
    expected = reference(pixels)
    assert len(np.unique(expected.class_mask)) > 1, 'the picture tests nothing'
    np.testing.assert_array_equal(mask_of(out['class_mask']), expected.class_mask)
    np.testing.assert_array_equal(mask_of(out['confidence']), expected.confidence)
    np.testing.assert_array_equal(mask_of(out['color_mask']), expected.color_mask)
    np.testing.assert_array_equal(mask_of(out['overlay']), expected.overlay(0.5))


def test_headers_are_the_inputs_bit_for_bit(bench):
    header = new_header('ä frame/with: odd name')
    out = bench.send(image_message(picture(HEIGHT, WIDTH), header=header), **ALL)
    for name, message in out.items():
        assert message.header == header, name


def test_layout_has_no_padding(bench):
    pixels = picture(HEIGHT, WIDTH)
    padded = np.zeros((HEIGHT, WIDTH * 3 + 25), np.uint8)
    padded[:, :WIDTH * 3] = pixels.reshape(HEIGHT, -1)
    message = Image(header=new_header(), height=HEIGHT, width=WIDTH, encoding='rgb8',
                    step=padded.shape[1])
    message.data = to_array(padded)
    out = bench.send(message, **ALL)
    for name, channels in (('class_mask', 1), ('color_mask', 3), ('overlay', 3),
                           ('confidence', 1)):
        got = out[name]
        assert (got.height, got.width) == (HEIGHT, WIDTH), name
        assert got.step == WIDTH * channels, name
        assert len(got.data) == HEIGHT * got.step, name
        assert got.encoding == ('mono8' if channels == 1 else 'rgb8'), name
        assert got.is_bigendian == 0, name
    plain = bench.send(image_message(pixels), class_mask=Image)
    assert plain['class_mask'].data == out['class_mask'].data


@pytest.mark.parametrize('encoding', SUPPORTED)
def test_every_encoding_gives_a_mask_of_its_size_and_header(bench, encoding):
    row_bytes = {'1': 1, '3': 3, '4': 4}.get(encoding[-1]) if encoding.startswith('8UC') else (
        {'rgb': 3, 'bgr': 3, 'rgba': 4, 'bgra': 4}.get(encoding.rstrip('0123456789'), 1)
        * (2 if encoding.endswith('16') else 1))
    if encoding in ('yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv'):
        row_bytes = 2
    rows = HEIGHT * {'nv12': 3, 'nv21': 3, 'nv24': 6}.get(encoding, 2) // 2
    step = WIDTH * row_bytes
    message = Image(header=new_header(), height=HEIGHT, width=WIDTH, encoding=encoding, step=step)
    message.data = to_array(np.random.default_rng(5).integers(0, 256, rows * step, np.uint8))
    got = bench.send(message, class_mask=Image)['class_mask']
    assert (got.height, got.width) == (HEIGHT, WIDTH)
    assert got.header == message.header


def test_an_encoding_that_nobody_knows_costs_only_its_frame(bench):
    message = image_message(picture(HEIGHT, WIDTH), encoding='rgb9')
    bench.camera.publish(message)
    after = image_message(picture(HEIGHT, WIDTH))
    bench.send(after, class_mask=Image)
    stamps = [m.header.stamp for m in bench.listen('class_mask', Image).messages]
    assert after.header.stamp in stamps
    assert message.header.stamp not in stamps


def test_fractions_are_the_histogram_of_the_mask(bench):
    out = bench.send(image_message(picture(HEIGHT, WIDTH, seed=3)), class_mask=Image,
                     class_fractions=ClassFractions)
    mask, shares = mask_of(out['class_mask']), out['class_fractions']
    assert shares.network == TINY
    assert shares.pixels == mask.size
    assert [c.label for c in shares.classes] == list(LABELS[TINY])
    assert [c.class_id for c in shares.classes] == list(range(len(LABELS[TINY])))
    for entry in shares.classes:
        assert entry.fraction == pytest.approx((mask == entry.class_id).mean(), abs=1e-6)
    assert shares.unknown == pytest.approx((mask == 255).mean(), abs=1e-6)
    assert sum(c.fraction for c in shares.classes) + shares.unknown == pytest.approx(1, abs=1e-6)


def test_regions_have_fractions_of_their_own(bench):
    out = bench.send(image_message(picture(HEIGHT, WIDTH, seed=3)), class_mask=Image,
                     class_fractions=ClassFractions)
    mask, regions = mask_of(out['class_mask']), out['class_fractions'].regions
    assert [region.name for region in regions] == list(REGIONS)
    for region in regions:
        roi = region.roi
        part = mask[roi.y_offset:roi.y_offset + roi.height,
                    roi.x_offset:roi.x_offset + roi.width]
        assert part.size == roi.width * roi.height > 0
        np.testing.assert_allclose(
            region.fractions, [(part == i).mean() for i in range(len(LABELS[TINY]))], atol=1e-6)
        assert sum(region.fractions) + region.unknown == pytest.approx(1, abs=1e-6)
    left, right = regions[0].roi, regions[1].roi
    assert left.width + right.width == WIDTH
    assert right.x_offset == left.width


def test_camera_info_is_rescaled_and_stamped_as_the_image(bench):
    # A 124x92 sensor binned by 2: images of 62x46; the mask has their size.
    info = CameraInfo(header=new_header('other frame'), height=92, width=124,
                      distortion_model='plumb_bob', d=[0.1, 0.01, 0.0, 0.0, 0.0],
                      k=[100.0, 0.0, 61.5, 0.0, 101.0, 45.5, 0.0, 0.0, 1.0],
                      p=[90.0, 0.0, 60.5, 0.0, 0.0, 91.0, 44.5, 0.0, 0.0, 0.0, 1.0, 0.0],
                      binning_x=2, binning_y=2, roi=RegionOfInterest())
    listener = bench.listen('camera_info', CameraInfo)
    bench.graph.wait_for_subscribers(bench.info)
    message = image_message(picture(HEIGHT, WIDTH))

    def arrived():
        bench.info.publish(info)
        bench.camera.publish(message)
        bench.graph.spin_for(0.1)
        return any(got.header.stamp == message.header.stamp for got in listener.messages)

    bench.graph.wait_until(arrived, 'camera_info')
    got = listener.wait_for_stamp(message.header.stamp)
    assert got.header == message.header
    assert (got.width, got.height) == (WIDTH, HEIGHT)
    assert got.k[0] == pytest.approx(50.0)
    assert got.k[2] == pytest.approx((61.5 / 2 + 0.5) * 1.0 - 0.5)
    assert got.p[5] == pytest.approx(45.5)
    assert list(got.d) == list(info.d)
    assert (got.binning_x, got.roi.width) == (0, 0)


def test_compressed_outputs_decode_to_the_raw_ones(bench):
    out = bench.send(image_message(picture(HEIGHT, WIDTH)), **ALL,
                     **{f'{name}__compressed': CompressedImage
                        for name in ('class_mask', 'color_mask', 'overlay', 'confidence')})
    for name, stated in (('class_mask', 'mono8; png compressed mono8'),
                         ('confidence', 'mono8; png compressed mono8'),
                         ('color_mask', 'rgb8; png compressed bgr8')):
        got = out[f'{name}__compressed']
        assert got.format == stated
        assert got.header == out[name].header
        pixels = cv2.imdecode(np.frombuffer(got.data, np.uint8), cv2.IMREAD_UNCHANGED)
        pixels = pixels if pixels.ndim == 2 else decode(got.data, got.format)
        np.testing.assert_array_equal(pixels, mask_of(out[name]))
    got = out['overlay__compressed']
    assert got.format == 'rgb8; jpeg compressed bgr8'
    difference = decode(got.data, got.format).astype(int) - mask_of(out['overlay'])
    # A JPEG is not exact; exchanged colours would be far off.
    assert np.abs(difference).mean() < 12
