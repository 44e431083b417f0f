#!/bin/sh
# Make a virtual environment with ROS 2, PyTorch and all that building and testing needs, and
# install the package into it.  Quick when nothing has changed.  TORCH off leaves PyTorch out, as a
# robot without a GPU may (docs/robot.md).
#
# usage: tools/bootstrap.sh VENV [kilted|jazzy] [PYTHON] [TORCH: on|off]
set -eu

say() {
  printf 'bootstrap: %s\n' "$1"
}

fail() {
  say "$1" >&2
  exit 1
}

cd "$(dirname "$0")/.."
[ $# -ge 1 ] || fail 'usage: tools/bootstrap.sh VENV [kilted|jazzy] [PYTHON] [TORCH: on|off]'
venv=$1
distro=${2:-kilted}
python=${3:-}
torch=${4:-on}
ros=requirements/ros-$distro.txt
stamp=$venv/.fcn_seg_ros
[ -f "$ros" ] || fail "there is no ROS 2 '$distro' on PyPI: use ROS_DISTRO=kilted or jazzy"
case $torch in
  on) content="$distro" engine=PyTorch size='6.5 GB' ;;
  off) content="$distro without PyTorch" engine='ONNX Runtime, without PyTorch' size='1.3 GB' ;;
  *) fail "TORCH is '$torch': on or off" ;;
esac

# A sourced ROS 2 would mix its packages with those of the environment, and what another
# environment's Python has set would keep this one from finding its libraries.
[ -z "${AMENT_PREFIX_PATH:-}" ] || unset LD_LIBRARY_PATH
unset AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH PYTHONPATH PYTHONHOME
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE

# The environment is brought up to date when any of this changes.
environment_key() {
  cat "$ros" requirements/constraints.txt requirements/dev.txt | cksum
}

# The package is installed again when any of this changes (content: a `touch` costs nothing).
package_key() {
  find CMakeLists.txt package.xml pyproject.toml setup.py README.md LICENSE \
    cmake config demo fcn_seg_ros launch models msg rviz scripts src tools/build_backend.py \
    -type f ! -name '*.pyc' -exec cksum {} + 2>/dev/null | LC_ALL=C sort | cksum
}

is_current() {
  [ -f "$stamp.$1" ] && [ "$(cat "$stamp.$1")" = "$2" ]
}

# Tests must run what a user installs, so an editable install does not count.
is_installed() {
  set -- "$venv"/lib/python*/site-packages/fcn_seg_ros-*.dist-info
  [ -d "$1" ] || return 1
  set -- "$venv"/lib/python*/site-packages/__editable__.fcn_seg_ros-*
  [ ! -e "$1" ]
}

minor_version() {
  "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}

# Collect everything that is missing, to say it at once.
check_machine() {
  machine=$(uname -s)-$(uname -m)
  [ "$machine" = Linux-x86_64 ] || fail \
    "PyPI has ROS 2 for Linux-x86_64, this is $machine: use ROS 2 from apt and colcon (README.md)"
  command -v "$python" >/dev/null 2>&1 || fail \
    "there is no $python: install Python 3.10 to 3.13, or name one with PYTHON=..."
  case $(minor_version "$python") in
    3.1[0-3]) ;;
    *) fail "$("$python" --version 2>&1) will not do: name a Python 3.10 to 3.13 with PYTHON=..." ;;
  esac
  missing=
  "$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing
  - Python's venv module          (Debian, Ubuntu: apt install python3-venv)"
  "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.isfile(os.path.join(sysconfig.get_path("include"), "Python.h")))' ||
    missing="$missing
  - Python's headers, Python.h    (Debian, Ubuntu: apt install python3-dev)"
  { command -v "${CC:-cc}" && command -v "${CXX:-c++}"; } >/dev/null 2>&1 || missing="$missing
  - a C and a C++ compiler        (Debian, Ubuntu: apt install g++)"
  [ -z "$missing" ] || fail "this machine lacks what the messages are built with:$missing"
}

# usage: install WHAT PIP_ARGUMENT...
install() {
  what=$1
  shift
  # Progress bars are for people; a log would get thousands of lines.
  [ -t 1 ] || set -- -q "$@"
  "$bin/python" -m pip install --disable-pip-version-check "$@" && return
  probe=$(mktemp -d)
  reached=yes
  "$bin/python" -m pip download --disable-pip-version-check --no-cache-dir --no-deps -q \
    -d "$probe" wheel >/dev/null 2>&1 || reached=no
  rm -rf "$probe"
  [ $reached = yes ] || fail \
    "$what could not be installed: no package index can be reached (network? proxy? pip config?)"
  fail "$what could not be installed: pip says why above"
}

environment=$(environment_key)
package=$(package_key)
held=$(cat "$stamp.distro" 2>/dev/null || echo "$content")
[ "$held" = "$content" ] || fail \
  "$venv holds ROS 2 $held: remove it, or name another folder with VENV=..."
if [ -n "$python" ] && [ -x "$venv/bin/python" ] &&
    [ "$(minor_version "$python")" != "$(minor_version "$venv/bin/python")" ]; then
  fail "$venv is one of another Python: remove it, or name another folder with VENV=..."
fi

if ! is_current environment "$environment"; then
  [ -n "$python" ] || python=python3
  [ ! -x "$venv/bin/python" ] || python=$venv/bin/python
  check_machine
  say "setting up $venv with ROS 2 $distro and $engine (some minutes, $size of disk)"
  rm -f "$stamp.environment" "$stamp.package"
  [ -x "$venv/bin/pip" ] || "$python" -m venv "$venv" ||
    fail "$python could not make the virtual environment $venv"
  printf '%s\n' "$content" > "$stamp.distro"
  bin=$(cd "$venv/bin" && pwd)
  install pip 'pip>=24'
  install "ROS 2 $distro" -r "$ros" -r requirements/dev.txt -c requirements/constraints.txt
  printf '%s\n' "$environment" > "$stamp.environment"
fi

if ! is_current package "$environment $package" || ! is_installed; then
  say "building fcn_seg_ros into $venv"
  bin=$(cd "$venv/bin" && pwd)
  export FCN_SEG_ROS=on  # a ROS 2 that is incomplete is an error, not a core without a node
  export FCN_SEG_TORCH="$torch"
  install fcn_seg_ros --no-build-isolation '.[test]' -c "$ros" -c requirements/constraints.txt
  printf '%s\n' "$environment $package" > "$stamp.package"
fi
