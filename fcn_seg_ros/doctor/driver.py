"""The driver of NVIDIA's GPUs, found without PyTorch, which may be what does not work."""

from pathlib import Path
import re
import shutil
import subprocess

from .finding import Finding, Level

KERNEL_MODULE = Path('/proc/driver/nvidia/version')
"""Of a PC's driver."""
TEGRA_RELEASE = Path('/etc/nv_tegra_release')
"""Of a Jetson: '# R36 (release), REVISION: 4.3, ...'."""
_DEADLINE = 20.0


def check_driver(module: Path = KERNEL_MODULE, tegra: Path = TEGRA_RELEASE) -> list[Finding]:
    """
    Tell which driver there is; a machine without one runs networks on its CPU, which is fine.

    :param module: where the kernel tells the driver's version.
    :param tegra: where a Jetson tells its release.
    """
    found = []
    release = re.search(r'R(\d+) .*REVISION: ([\d.]+)', _text(tegra))
    if release:
        found.append(Finding(Level.OK, 'Jetson', f'L4T {release.group(1)}.{release.group(2)}'))
    version = re.search(r'Module.*?(\d+\.[\d.]+)', _text(module)) if _text(module) else None
    if version:
        found.append(_answering(version.group(1)))
    return found or [Finding(Level.OK, 'NVIDIA driver', 'none: networks run on the CPU')]


def _answering(version: str) -> Finding:
    """Tell whether the libraries of the driver are those of its kernel module."""
    if shutil.which('nvidia-smi') is None:
        return Finding(Level.OK, 'NVIDIA driver', version)
    try:
        done = subprocess.run(
            ['nvidia-smi', '--query-gpu=driver_version,name', '--format=csv,noheader'],
            capture_output=True, text=True, errors='replace', timeout=_DEADLINE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(Level.WARNING, 'NVIDIA driver', f'{version}; nvidia-smi does not answer: '
                       f'{error}', 'restart the machine, or install the driver again')
    lines = (done.stdout.strip() or done.stderr.strip() or 'nothing').splitlines()
    if done.returncode:
        # After an update the module in memory is the old one until a restart.
        return Finding(Level.WARNING, 'NVIDIA driver', f'{version}; nvidia-smi says: {lines[0]}',
                       'restart the machine, or install the driver again')
    return Finding(Level.OK, 'NVIDIA driver', '; '.join(lines))


def _text(path: Path) -> str:
    try:
        return path.read_text(errors='replace')
    except OSError:
        return ''
