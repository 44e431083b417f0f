#!/bin/sh
# Test the core with what Ubuntu 22.04 has beside ROS 2 Humble: Python 3.10, NumPy 1, OpenCV 4.5,
# Pillow 9; with ONNX Runtime and without PyTorch, as a robot without a GPU may be (docs/robot.md).
# Where there is no Python 3.10 it says so and is content.
#
# usage: tools/test_py310.sh VENV [PYTHON [PYTEST_ARGUMENT...]]
set -eu

cd "$(dirname "$0")/.."
venv=$1
python=${2:-}
[ $# -lt 2 ] || shift
shift
requirements=requirements/ubuntu-22.04.txt
stamp=$venv/.requirements

# Another ROS 2 or another environment's Python must not meet with this one.
unset AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH PYTHONPATH PYTHONHOME LD_LIBRARY_PATH
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE

# pyenv's python3.10 only says that there is one, unless it is chosen.
find_python() {
  for candidate in "$python" python3.10 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.10.*/bin/python3.10
  do
    if [ -n "$candidate" ] && "$candidate" -c \
        'import ensurepip, sys; sys.exit(sys.version_info[:2] != (3, 10))' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
}

found=$(find_python)
if [ -z "$found" ]; then
  echo 'test-py310: SKIPPED: no Python 3.10 with venv found (PYTHON=... names one)'
  exit 0
fi
if ! cmp -s "$requirements" "$stamp"; then
  echo "test-py310: setting up $venv with $found"
  rm -rf "$venv"
  "$found" -m venv "$venv"
  "$venv/bin/python" -m pip install --disable-pip-version-check -q -r "$requirements"
  cp "$requirements" "$stamp"
fi
# From a copy: another build may be going on in this folder.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
tar -cf - --exclude='./.*' --exclude=./build --exclude=./install --exclude=./log . \
  | tar -xf - -C "$copy"
FCN_SEG_ROS=off "$venv/bin/python" -m pip install --disable-pip-version-check -q \
  --no-build-isolation --no-deps "$copy"
"$venv/bin/python" -m pytest "$@" test/unit
