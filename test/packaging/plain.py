"""An environment that has never heard of ROS 2, and a folder of wheels without it."""

from importlib.metadata import Distribution, distributions, entry_points
import os
from pathlib import Path
import subprocess
import sys
import sysconfig
import zipfile

from environment import PACKAGE

SITE = Path(sysconfig.get_path('purelib'))


def _others() -> list[Distribution]:
    """Return what is installed here but for ROS 2's wheels and the package itself."""
    return [found for found in distributions(path=[str(SITE)])
            if not found.name.startswith(('ros-', 'ros_', 'ament', PACKAGE))]


def _in_site(distribution: Distribution) -> set[str]:
    """Return the names in the folder of packages that hold a distribution's files."""
    return {file.parts[0] for file in distribution.files or () if file.parts[0] != '..'}


def make_environment(prefix: Path) -> None:
    """Make a virtual environment with links to all that is installed here but ROS 2."""
    clean = {name: value for name, value in os.environ.items()
             if name not in ('LD_LIBRARY_PATH', '_ROS_WHEELS_BOOTSTRAP_COMPLETE')}
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', prefix], check=True, env=clean)
    site = prefix / SITE.relative_to(sys.prefix)
    for name in {name for found in _others() for name in _in_site(found)}:
        if (SITE / name).exists() and not (site / name).exists():
            (site / name).symlink_to(SITE / name)


def pack_wheel(name: str, folder: Path) -> None:
    """Pack an installed distribution into a wheel again, for a build without an index."""
    found = next(found for found in _others() if found.name.lower() == name)
    generated = {script.name for script in entry_points(group='console_scripts')
                 if script.dist is not None and script.dist.name == found.name}
    tags = [line.split(': ')[1] for line in (found.read_text('WHEEL') or '').splitlines()
            if line.startswith('Tag: ')]
    stem = f'{found.name.replace("-", "_")}-{found.version}'
    with zipfile.ZipFile(folder / f'{stem}-{tags[0]}.whl', 'w') as archive:
        for file in found.files or ():
            inside = file.parts[0] != '..'
            if file.suffix == '.pyc' or (not inside and file.name in generated):
                continue
            # What lies outside the folder of packages is a script: pip puts it into bin/.
            archive.write(
                file.locate(), file if inside else f'{stem}.data/scripts/{file.name}')


class PlainEnvironment:
    """
    A prefix with Python and libraries, and how to run things in it.

    Nothing of another environment is in its variables, and pip can reach no index: what it needs
    is in the environment or in ``wheels``.
    """

    def __init__(self, folder: Path) -> None:
        """Make the environment in an empty folder."""
        self.prefix = folder / 'plain'
        self.site = self.prefix / SITE.relative_to(sys.prefix)
        self._wheels = folder / 'wheels'
        self._wheels.mkdir()
        make_environment(self.prefix)
        for name in ('cmake', 'ninja', 'setuptools'):
            pack_wheel(name, self._wheels)

    def run(self, *command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """
        Run a program of the environment (a bare name) and return how it ended.

        :param variables: what its environment has besides.
        """
        program, *arguments = command
        return subprocess.run(
            [self.prefix / 'bin' / program, *arguments], text=True, check=False,
            capture_output=True, cwd=self.prefix, env={
                'PATH': '/usr/local/bin:/usr/bin:/bin', 'HOME': str(self.prefix),
                'PIP_CONFIG_FILE': os.devnull, 'PIP_NO_INDEX': '1',
                'PIP_FIND_LINKS': str(self._wheels), **variables})
