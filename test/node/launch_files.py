"""Load launch files and see what they would start, without starting it."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / 'launch'


def load(name):
    """Return a launch file in Python as a module."""
    spec = spec_from_file_location(name.replace('.', '_'), FOLDER / name)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def started(module, **arguments):
    """
    Return what a launch file would start: processes, messages, as the launch service sees it.

    :raises RuntimeError: where the launch would fail.
    """
    from launch import LaunchContext
    from launch.actions import ExecuteProcess, LogInfo
    context = LaunchContext()
    context.launch_configurations.update(arguments)
    found, waiting = [], list(module.generate_launch_description().entities)
    while waiting:
        entity = waiting.pop(0)
        if isinstance(entity, (ExecuteProcess, LogInfo)):
            found.append(entity)
        else:
            waiting = list(entity.visit(context) or []) + waiting
    return found, context


def command(action, context):
    """Return the command line of a process, as far as it is known before it starts."""
    from launch.utilities import perform_substitutions
    words = []
    for part in action.cmd:
        try:
            words.append(perform_substitutions(context, part))
        except Exception:  # parts that launch_ros fills in when it starts the process
            words.append('?')
    return words
