# Needs GNU Make, Python 3.10 to 3.13 (with venv and headers), a C++ compiler and a network.
# Everything else is installed into a virtual environment.

# Kilted unless the command line or an environment with nothing sourced says otherwise.
ifeq ($(origin ROS_DISTRO),environment)
  ROS_DISTRO := $(if $(AMENT_PREFIX_PATH),kilted,$(ROS_DISTRO))
endif
ROS_DISTRO ?= kilted
# off: an environment without PyTorch, for test-node and test-build.
TORCH ?= on
VENV ?= .venv$(if $(filter kilted,$(ROS_DISTRO)),,-$(ROS_DISTRO))$(if $(filter off,$(TORCH)),-lean)
# An interpreter to make the environment with; python3 unless the environment is there.
PYTHON ?=
# Further arguments to pytest, for example: make test-unit PYTEST_ARGS='-k costmap -x'
PYTEST_ARGS ?=
# Arguments to the load test: make soak SOAK_ARGS=--help
SOAK_ARGS ?=
# Arguments to the proof: make proof PROOF_ARGS=--help
PROOF_ARGS ?=

BIN := $(abspath $(VENV))/bin
PYTEST := $(BIN)/pytest
export PATH := $(BIN):$(PATH)
export ROS_DISTRO

PYTHON_SOURCES := setup.py $(wildcard scripts/* demo docs fcn_seg_ros launch test tools)

# The linters of ROS 2 list every file that they find nothing in.
quietly = @echo '$(1)'; log=$$(mktemp) && { $(1) > $$log 2>&1 || { cat $$log; false; }; }; \
	  status=$$?; rm -f $$log; exit $$status

# A ROS 2 that is sourced in the shell and the wheels in $(VENV) must not meet in one process.
ifdef AMENT_PREFIX_PATH
  unexport LD_LIBRARY_PATH
endif
unexport AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH PYTHONPATH PYTHONHOME
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE

.DEFAULT_GOAL := help
.PHONY: help venv demo test lint test-unit test-py310 test-build test-node test-slow test-fuzz test-e2e \
	soak proof fuzz generate \
	docs clean distclean
# What builds in this folder goes one after the other.
.NOTPARALLEL:

help:  ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo 'Variables: ROS_DISTRO=kilted|jazzy TORCH=on|off VENV=folder PYTHON=interpreter PYTEST_ARGS=... SOAK_ARGS=... PROOF_ARGS=...'

venv:  ## Make the virtual environment and install the package and all it needs into it
	@tools/bootstrap.sh '$(VENV)' '$(ROS_DISTRO)' '$(PYTHON)' '$(TORCH)'

demo: venv  ## Show the node at work on a video; leaves a picture in demo_output/
	$(BIN)/python demo/demo.py

test: lint docs test-unit test-build test-node test-fuzz test-e2e  ## Run the linters, make the pages, run the tests below that need this environment alone

lint: venv  ## Run the linters of ROS 2, Ruff, mypy, the rules of imports and of made files, ShellCheck and Hadolint
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/mypy
	$(call quietly,$(BIN)/ament_flake8 $(PYTHON_SOURCES))
	$(call quietly,$(BIN)/ament_pep257 $(PYTHON_SOURCES))
	$(BIN)/python tools/generate.py --check
	$(call quietly,$(BIN)/ament_lint_cmake CMakeLists.txt cmake)
	$(BIN)/shellcheck tools/*.sh docker/*.sh .ci/run
	$(BIN)/hadolint docker/Dockerfile.*

test-unit: venv  ## Test the core, without ROS; says how many of its lines the tests run
	$(PYTEST) --cov --cov-report= $(PYTEST_ARGS) test/unit
	@printf 'Lines of the core that these tests run: %s %%\n' "$$($(BIN)/coverage report \
	  --omit='*/fcn_seg_ros/ros/*,*/fcn_seg_ros/bench/dds/*,*/fcn_seg_ros/msg/*' --format=total)"

test-py310:  ## Test the core with Ubuntu 22.04's Python, NumPy, OpenCV, Pillow; skipped without a Python 3.10
	@tools/test_py310.sh .venv-py310 '$(PYTHON)' $(PYTEST_ARGS)

test-build: venv  ## Build with pip and with colcon, and use what they install
	$(PYTEST) $(PYTEST_ARGS) test/packaging

test-node: venv  ## Test the node in processes of its own, over DDS
	$(PYTEST) -rfEs $(PYTEST_ARGS) -m 'not slow' test/node

test-slow: venv  ## Test what the doctor says of graphs that lack something, which it has to wait for
	$(PYTEST) $(PYTEST_ARGS) -m slow test/node

test-fuzz: venv  ## Test with a few hundred generated messages what the node lets in
	$(PYTEST) $(PYTEST_ARGS) test/fuzz

test-e2e: venv  ## Test what a user would do, from end to end
	$(PYTEST) $(PYTEST_ARGS) test/e2e

fuzz: venv  ## The same with 100,000 messages (an hour or so; not part of the tests)
	$(BIN)/python test/fuzz/test_fuzz.py --examples 100000

generate: venv  ## Write what lists the node's parameters and topics from their tables
	$(BIN)/python tools/generate.py

soak: venv  ## A node under load and faults (not part of the tests); SOAK_ARGS says how long
	$(BIN)/python test/soak/soak.py $(SOAK_ARGS)

proof: venv  ## The way to a network of your own, five times, and what picking is worth (an hour or so)
	PYTHONPATH=test $(BIN)/python test/proof/proof.py $(PROOF_ARGS)

docs: venv  ## Make HTML of the documentation and of the API, in build/docs
	$(BIN)/sphinx-build -q -W --keep-going -c docs -b html . build/docs
	@echo 'Look at build/docs/docs/index.html'

clean:  ## Remove what was built
	rm -rf build install log demo_output .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

distclean: clean  ## Remove the virtual environments as well
	rm -rf .venv .venv-lean .venv-jazzy .venv-jazzy-lean .venv-py310
