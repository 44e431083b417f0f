"""Who publishes a topic, how, and whether those who subscribe to it get anything."""

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, qos_check_compatible, QoSCompatibility, QoSProfile

from .watch import full_name
from ..qos import newest, offered, RELIABLE
from ...doctor.finding import Finding, Level


def words_of(profile: QoSProfile) -> str:
    """
    Return a quality of service in words.

    :param profile: of a publisher or a subscription.
    """
    reliable = 'reliable' if profile.reliability == RELIABLE else 'best effort'
    kept = profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    return f"{reliable}, {'transient local' if kept else 'volatile'}"


def misfit(publisher: QoSProfile, subscription: QoSProfile) -> str:
    """
    Return why nothing gets from a publisher to a subscription, or ''.

    :param publisher: what it offers.
    :param subscription: what it asks for.
    """
    verdict, reason = qos_check_compatible(publisher, subscription)
    return ' '.join(reason.split()).rstrip(';') if verdict == QoSCompatibility.ERROR else ''


def publishers(node: Node, topic: str) -> list[Finding]:
    """
    Name those who publish a topic that a segmentation node takes, and judge what they offer.

    :param node: whose view of the graph counts.
    :param topic: its full name; somebody publishes it.
    """
    asked = newest(*offered(node, topic))
    found, offers = [], node.get_publishers_info_by_topic(topic)
    for info in offers:
        reason = misfit(info.qos_profile, asked)
        text = (f'{full_name(info)} publishes {info.topic_type}, {words_of(info.qos_profile)}; '
                f'the node asks for {words_of(asked)}')
        if reason:
            found.append(Finding(Level.FAULT, topic, f'{text}: {reason}',
                                 "mend the publisher's quality of service"))
        else:
            found.append(Finding(Level.OK, topic, f'{text}: compatible'))
    if len({full_name(info) for info in offers}) > 1:
        names = ', '.join(sorted({full_name(info) for info in offers}))
        found.append(Finding(Level.WARNING, topic, f'several nodes publish it: {names}',
                             'stop one of them, or remap it: their messages come mixed'))
    elif len({words_of(info.qos_profile) for info in offers}) > 1:
        found.append(Finding(Level.WARNING, topic, 'its publishers offer different qualities of '
                             'service, the node asks for the least', 'let them offer the same'))
    return found


def subscribers_that_get_nothing(node: Node, topic: str) -> list[Finding]:
    """
    Find subscriptions that ask for more than the publishers of a topic offer.

    :param node: whose view of the graph counts.
    :param topic: its full name.
    """
    found = []
    for publisher in node.get_publishers_info_by_topic(topic):
        for subscription in node.get_subscriptions_info_by_topic(topic):
            reason = misfit(publisher.qos_profile, subscription.qos_profile)
            if reason:
                found.append(Finding(
                    Level.WARNING, topic, f'{full_name(subscription)} asks for '
                    f'{words_of(subscription.qos_profile)} and gets nothing of '
                    f'{full_name(publisher)}, which offers {words_of(publisher.qos_profile)}: '
                    f'{reason}', f'let {full_name(subscription)} ask for no more than is offered'))
    return found
