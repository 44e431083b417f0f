"""One camera of the node: input, outputs and what happened to its frames."""

from .inputs import CameraInput
from .outputs import CameraOutputs
from ..statistics import Statistics


class Camera:
    """
    Everything the node holds for one camera.

    :param name: '' for the only camera.
    """

    def __init__(self, node, name, transport, on_frame):
        self.name = name
        self.statistics = Statistics()
        self.outputs = CameraOutputs(node, name)
        self.input = CameraInput(node, name, transport, on_frame)

    def note_header(self, header):
        """Count headers that cannot be used for more than being passed on."""
        if not header.frame_id:
            self.statistics.note('empty frame_id')
        if header.stamp.sec == 0 and header.stamp.nanosec == 0:
            self.statistics.note('zero stamp')

    def close(self):
        """Destroy subscriptions and publishers."""
        self.input.close()
        self.outputs.close()
