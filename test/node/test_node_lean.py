"""The bundled network in int8 on a CPU: a node that never imports PyTorch."""

from fcn_seg_ros import Segmenter
from fcn_seg_ros.inference import kernels
from graph import image_message, mask_of, picture
import numpy as np
import pytest
from sensor_msgs.msg import Image
from without_torch import BLOCK


def test_masks_and_the_end_without_torch(nodes):
    pytest.importorskip('onnxruntime')
    if kernels.load() is None:
        pytest.skip('the compiled kernels are not built here')
    node = nodes.start(prelude=BLOCK, network='fcn-resnet18-street', engine='auto',
                       precision='int8')
    camera = nodes.graph.camera('image')
    masks = nodes.graph.listen(Image, '/segmentation/class_mask')
    nodes.graph.wait_for_subscribers(camera)
    pixels = picture(360, 640)

    def answered():
        camera.publish(image_message(pixels))
        return bool(masks.messages)

    nodes.graph.wait_until(answered, 'a mask')
    expected = Segmenter(device='cpu', precision='int8')(pixels).class_mask
    assert np.array_equal(mask_of(masks.messages[0]), expected)
    status, _ = node.stop()
    assert status == 0, node.log
