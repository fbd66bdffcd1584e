# The two commands: `make demo` and `make test`. Both do all set-up first, and repeat none of it.
# `make bench` measures everything that the README promises; `make bench QUICK=1` a rough version of it in minutes,
# `make bench NAMES="train sinusoid"` a part of it.
# `make addon` packs the addon for game developers, `make wheel` its offline half for studios; both into build/.
# PYTHON may name another interpreter for the virtual environment: make test PYTHON=/usr/bin/python3.12

PYTHON ?= python3
VENV := .venv/bin/python
# By file, in order: the engine's tests take longest and come first, and what a file has built stays in one process.
SIDE_BY_SIDE := --numprocesses 2 --dist loadfile --no-loadscope-reorder
GDSCRIPT := addons demo_game tests

.PHONY: demo test bench addon wheel setup lint format clean distclean
.NOTPARALLEL:

demo: setup
	@$(VENV) -m pytrain.cli demo

test: setup lint
	@$(VENV) -m pytest $(SIDE_BY_SIDE)

bench: setup
	@$(VENV) -m tests.benchmarks $(if $(QUICK),--quick) $(NAMES)

# PLATFORM is linux-x86_64, windows-x86_64 or macos-universal. This machine's Python serves the first alone: for the others
# PYTHON_ARCHIVE names python.org's archive of the same Python (Windows: the embeddable package).
addon: setup
	@$(VENV) addons/adaptive_agents/native/pack.py --out build $(if $(PLATFORM),--platform $(PLATFORM)) \
		$(if $(PYTHON_ARCHIVE),--python-archive "$(PYTHON_ARCHIVE)")

wheel: setup
	@rm -rf build/lib build/bdist.*
	@$(VENV) -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir build .
	@rm -rf build/lib build/bdist.*
	@ls build/*.whl

setup:
	@$(PYTHON) -m pytrain.setup.machine setup

lint: setup
	@echo "Lint and types: format, style and annotations of both languages"
	@$(VENV) -m ruff format --check --quiet .
	@$(VENV) -m ruff check --quiet .
	@$(VENV) -m mypy --no-error-summary
	@find $(GDSCRIPT) -name '*.gd' -exec .venv/bin/gdformat --check {} +
	@find $(GDSCRIPT) -name '*.gd' -exec .venv/bin/gdlint {} +

format: setup
	@$(VENV) -m ruff format .
	@$(VENV) -m ruff check --fix .
	@find $(GDSCRIPT) -name '*.gd' -exec .venv/bin/gdformat {} +

# What was built. Sessions and brains in build/ go too; downloads and the environment stay.
clean:
	rm -rf build .godot addons/adaptive_agents/bin .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# Everything that is not source, downloads included.
distclean: clean
	rm -rf .venv .godot-engine *.egg-info
