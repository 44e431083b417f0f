"""What the numbers were measured on."""

from importlib.metadata import PackageNotFoundError, version
import os
from pathlib import Path
import platform
import re

import cv2
import numpy as np
import torch

from ..networks.registry import Network

_WHEELS = ('torch', 'torchvision', 'onnxruntime', 'onnxruntime-gpu', 'onnxruntime-openvino',
           'numpy', 'rclpy')
_MODEL_FILE = Path('/proc/device-tree/model')
_JETSONS = {'nano': r'Jetson Nano', 'xavier': r'(AGX Xavier|Jetson-AGX)'}
"""Name in the registry's published frame rates -> pattern in the board's own name."""


def describe_machine() -> dict[str, str | float]:
    """Return {what: text or number} on the hardware and the versions."""
    facts: dict[str, str | float] = {
        'machine': board(), 'cpu': _cpu(), 'cores': len(os.sched_getaffinity(0)),
        'memory_gb': round(os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9, 1),
        'load': round(os.getloadavg()[0], 2),
        'system': f'{platform.system()} {platform.release()}',
        'python': platform.python_version(), 'opencv': cv2.__version__,
        'ros_distro': os.environ.get('ROS_DISTRO', '')}
    for wheel in _WHEELS:
        try:
            facts[wheel] = version(wheel)
        except PackageNotFoundError:
            continue
    facts['numpy'] = np.__version__
    if torch.cuda.is_available():
        facts['gpu'] = torch.cuda.get_device_name()
    return {key: value for key, value in facts.items() if value}


def board(model_file: Path = _MODEL_FILE) -> str:
    """
    Return the name of a board such as a Jetson, or '' on other machines.

    :param model_file: where Linux keeps it.
    """
    try:
        return model_file.read_text(errors='replace').strip('\0 \n')
    except OSError:
        return ''


def published_rate(network: Network, board_name: str) -> tuple[str, float] | None:
    """
    Return (machine, frames a second) that jetson-inference publishes for this board.

    :param network: a :class:`.Network` of the registry.
    :param board_name: as of :func:`board`.
    :returns: None where nothing is published for the network or the board.
    """
    for machine, pattern in _JETSONS.items():
        if re.search(pattern, board_name) and machine in network.fps:
            return machine, network.fps[machine]
    return None


def _cpu() -> str:
    try:
        text = Path('/proc/cpuinfo').read_text()
    except OSError:
        return platform.processor()
    match = re.search(r'^model name\s*:\s*(.+)$', text, re.MULTILINE)
    return match.group(1) if match else platform.machine()
