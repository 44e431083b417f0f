"""Quality of service of the node's topics."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

RELIABLE = ReliabilityPolicy.RELIABLE
BEST_EFFORT = ReliabilityPolicy.BEST_EFFORT


def newest(reliability=RELIABLE):
    """Return volatile, keep last 1: only the newest message counts."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=reliability,
                      durability=DurabilityPolicy.VOLATILE)


def latched():
    """Return reliable, transient local, keep last 1: late subscribers get the last message."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=RELIABLE,
                      durability=DurabilityPolicy.TRANSIENT_LOCAL)


def offered_reliability(node, topic):
    """
    Return what a subscription to ``topic`` should ask for.

    Reliable where every publisher offers it, else best effort: a reliable subscription
    to a best-effort publisher gets nothing, a best-effort one to a reliable publisher
    loses large messages.
    """
    publishers = node.get_publishers_info_by_topic(topic)
    reliable = all(info.qos_profile.reliability == RELIABLE for info in publishers)
    return RELIABLE if reliable else BEST_EFFORT
