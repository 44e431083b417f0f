"""
What this machine has of what the package needs, and what to do about what it lacks.

Each check is a function that returns findings.  Whatever may crash or take a process down, ROS
included, is tried in a process of its own: :mod:`.probe`.
"""

from collections.abc import Callable, Iterator

from .driver import check_driver
from .finding import Finding, Level
from .libraries import check_libraries
from .probe import probe
from .ros import check_ros
from .system import check_system


def check_networks() -> list[Finding]:
    """Look at the networks, unless the libraries that run them would take the doctor down."""
    tried = probe('import fcn_seg_ros.doctor.network')
    if not tried.works:
        return [Finding(Level.FAULT, 'networks', f'not looked at: {tried.reason}',
                        'mend what is said of the libraries above')]
    from . import network
    return network.check_networks()


CHECKS: tuple[Callable[[], list[Finding]], ...] = (
    check_system, check_driver, check_libraries, check_ros, check_networks)


def examine(*more: Callable[[], list[Finding]]) -> Iterator[Finding]:
    """
    Run all checks and yield what they find; a check that breaks is a finding, too.

    :param more: checks to run after :data:`CHECKS`.
    """
    for check in (*CHECKS, *more):
        try:
            yield from check()
        except Exception as error:
            yield Finding(Level.FAULT, check.__name__.removeprefix('check_'),
                          f'{type(error).__name__}: {error}', 'report this as a bug')
