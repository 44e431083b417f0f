"""Quality of service of the node's topics."""

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

RELIABLE = ReliabilityPolicy.RELIABLE
BEST_EFFORT = ReliabilityPolicy.BEST_EFFORT
VOLATILE = DurabilityPolicy.VOLATILE
TRANSIENT_LOCAL = DurabilityPolicy.TRANSIENT_LOCAL


def newest(reliability: ReliabilityPolicy = RELIABLE,
           durability: DurabilityPolicy = VOLATILE) -> QoSProfile:
    """
    Return keep last 1: only the newest message counts.

    :param reliability: to offer or to ask for.
    :param durability: to offer or to ask for; volatile is nothing from before.
    """
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=reliability,
                      durability=durability)


def latched() -> QoSProfile:
    """Return reliable, transient local, keep last 1: late subscribers get the last message."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=RELIABLE,
                      durability=TRANSIENT_LOCAL)


def offered(node: Node, topic: str) -> tuple[ReliabilityPolicy, DurabilityPolicy]:
    """
    Return the reliability and the durability that a subscription to a topic should ask for.

    Reliable where every publisher offers it, else best effort: a reliable subscription
    to a best-effort publisher gets nothing, a best-effort one to a reliable publisher
    loses large messages.  Transient local where there are publishers and all offer it, so that
    what was published once and for all arrives; else volatile, for the same reason.

    :param node: the node that subscribes.
    :param topic: its name.
    """
    publishers = [info.qos_profile for info in node.get_publishers_info_by_topic(topic)]
    reliable = all(profile.reliability == RELIABLE for profile in publishers)
    kept = publishers and all(profile.durability == TRANSIENT_LOCAL for profile in publishers)
    return RELIABLE if reliable else BEST_EFFORT, TRANSIENT_LOCAL if kept else VOLATILE
