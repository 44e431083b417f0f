"""
A participant on a network of its own, and how many packets of DDS it sends there.

Run by test_network.py in a new network namespace.  Prints packets and, of these, multicasts.
"""

import os
import socket
import subprocess
import sys
import time

from fcn_seg_ros.ros.dds import profile_environment

SECONDS = 2.0
"""A participant announces itself at once and several times in its first second."""
ETHERTYPES_ALL = 3


def main():
    """Make the network, take part, listen at its other end."""
    for arguments in ('link set lo up', 'link add near type veth peer name far',
                      'addr add 10.77.0.1/24 dev near', 'link set near up', 'link set far up',
                      # Nobody answers there: packets to a peer need its address.
                      'neigh add 10.77.0.2 lladdr 02:00:00:00:00:02 dev near'):
        subprocess.run(['ip', *arguments.split()], check=True)
    far = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(ETHERTYPES_ALL))
    far.bind(('far', 0))
    far.setblocking(False)
    if 'profile' in sys.argv:
        os.environ.update(profile_environment())
    import rclpy
    rclpy.init()
    node = rclpy.create_node('probe')
    packets = multicasts = 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.02)
        try:
            packet = far.recv(65536)
        except BlockingIOError:
            continue
        if b'RTPS' in packet:
            packets += 1
            multicasts += packet[0] & 1
    print(packets, multicasts)


if __name__ == '__main__':
    main()
