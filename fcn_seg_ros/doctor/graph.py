"""The ROS graph, looked at by a process of its own: the core imports no ROS."""

from importlib.util import find_spec
import json

from .finding import Finding, Level
from .probe import probe

_CODE = 'from fcn_seg_ros.ros.doctor.report import main; main()'


def check_graph(topic: str = '', namespace: str = '', node: str = '', patience: float = 5.0
                ) -> list[Finding]:
    """
    Look at cameras, segmentation nodes and TF.

    :param topic: of the images; '' for what a running node says, else ``image``.
    :param namespace: of node and camera; '' for any.
    :param node: name of the node; '' for any.
    :param patience: seconds that something is waited for which may not be there.
    """
    if find_spec('rclpy') is None:
        return []  # check_ros says so
    tried = probe(_CODE, json.dumps({'topic': topic, 'namespace': namespace, 'node': node,
                                     'patience': patience}))
    if not tried.works:
        return [Finding(Level.FAULT, 'ROS graph', tried.reason,
                        'mend what is said above, or report this as a bug')]
    # Fast DDS and tf2 may have printed lines of their own before.
    return [Finding(Level(one['level']), one['subject'], one['text'], one['remedy'])
            for one in json.loads(tried.output.splitlines()[-1])]
