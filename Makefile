# Everything a developer runs, on a fresh machine with Python >= 3.11 and nothing else.
# `make test` is the gate: .ci/run calls it, a laptop calls it, there is no third way.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
RUN    := $(VENV)/.installed-run
BENCH  := $(VENV)/.installed-bench
# What is imported is compiled then, and kept: a hundred tests start processes of their own, and each would
# compile numpy and pytest's rewritten modules anew where the machine forbids to write bytecode.
export PYTHONDONTWRITEBYTECODE :=
# Most of what is installed is never imported. The locks are complete, so pip
# looks for nothing by itself: pip 23 takes a newer `coverage[toml]` than the locked one for another package.
LOUD   := $(BIN)/python -m pip --disable-pip-version-check install --no-compile --no-deps --progress-bar off
PIP    := $(LOUD) --quiet

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test checked compiled soak bench docs lock clean

help:
	@echo 'make run     set up .venv and run everything, with play money: exchange, sidecar, demo bot'
	@echo 'make test    lint, types, architecture, tests; core coverage must be 100 %'
	@echo 'make soak    the long forms: many more examples a property, and mutants of the core'
	@echo 'make bench   measure, printed as ratios'
	@echo 'make docs    write the generated pages of docs/ anew'
	@echo 'make lock    resolve the lock files again (UPGRADE=1: to the newest versions)'
	@echo 'make clean   remove .venv, caches and build output'

run: $(RUN)
	$(BIN)/risk-sidecar demo --config config/paper.toml

# The gate is deterministic (Hypothesis profile `ci`): a red main is always somebody's change. What is
# checked without running anything takes one core; meanwhile the other compiles the tests, once for
# all of those that run them. Six processes on two cores: many tests wait for sockets and processes.
PYTEST := OPENBLAS_NUM_THREADS=1 HYPOTHESIS_PROFILE=ci $(BIN)/python -m pytest --ignore=tests/verify

test: $(STAMP)
	@$(MAKE) --no-print-directory --jobs=2 checked compiled
	$(PYTEST) -n 6 --dist loadfile --no-loadscope-reorder --cov=sidecar/core --cov-branch --cov-fail-under=100

checked: $(STAMP)
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

# A module that cannot be imported is reported where the tests are run.
compiled: $(STAMP)
	@$(PYTEST) --collect-only --quiet >/dev/null || true

soak: $(STAMP)
	SIDECAR_KILLS=200 SIDECAR_SWITCHES=200 SIDECAR_STEPS=all HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest
	HYPOTHESIS_PROFILE=ci $(BIN)/python -m benchmarks.mutants

bench: $(BENCH)
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.value_at_risk
	$(BIN)/python -m benchmarks.process
	$(BIN)/python -m benchmarks.requests
	$(BIN)/python -m benchmarks.liquidation
	$(BIN)/python -m benchmarks.depth
	$(BIN)/python -m benchmarks.paper

docs: $(STAMP)
	$(BIN)/python -m sidecar.console.pages.configuration_page > docs/configuration.md
	$(BIN)/python -m sidecar.console.pages.rules_page docs/rule-examples.toml > docs/rules.md
	$(BIN)/python -m sidecar.console.pages.paper_page docs/paper-exchange.md
	$(BIN)/python -m sidecar.console.pages.liquidation_page docs/liquidation.md
	$(BIN)/python -m sidecar.console.pages.messages_page docs/operations.md > docs/messages.md

# Hashes for every package and no index address: where packages come from is the machine's business.
# The client comes from ./client, whose own dependencies are locked as all others.
COMPILE = $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-emit-package risk-sidecar-client --no-header $(if $(UPGRADE),--upgrade)

lock: $(STAMP)
	$(COMPILE) pyproject.toml --extra dev --extra report --output-file requirements.lock
	$(COMPILE) --group bench --constraints requirements.lock --output-file requirements-bench.lock
	$(COMPILE) pyproject.toml --constraints requirements.lock --output-file requirements-run.lock
	echo hatchling | $(COMPILE) --constraints requirements.lock --output-file requirements-build.lock -

clean:
	rm -rf $(VENV) build dist client/dist .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find client sidecar tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# --------------------------------------------------------------------------------------- set-up
# Stamps are written last, so an interrupted install is begun again; a second `make` does nothing.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "needs Python 3.11 or newer, but '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | tail -n 1);" \
	       "install one and name it, e.g.: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { \
	  echo "could not make $(VENV); on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

# What the sidecar needs to run, and to be built: a quarter of what its tests need. A cold cache takes minutes, so pip
# says what it is at.
$(RUN): requirements-run.lock requirements-build.lock pyproject.toml client/pyproject.toml | $(BIN)/python
	@echo 'installing the sidecar and the packages it runs on into $(VENV): some 260 MB, a quarter of a minute once downloaded'
	@$(LOUD) --require-hashes -r requirements-run.lock
	@$(PIP) --require-hashes -r requirements-build.lock
	@$(PIP) --no-build-isolation --editable ./client --editable .
	@touch $@

$(STAMP): requirements.lock pyproject.toml client/pyproject.toml | $(BIN)/python
	@echo 'installing the locked dependencies into $(VENV)'
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-build-isolation --editable ./client --editable .
	@$(BIN)/python -m pip --disable-pip-version-check check  # that nothing the locks should have is missing
	@touch $(RUN) $@

$(BENCH): requirements-bench.lock $(STAMP)
	$(PIP) --require-hashes -r requirements-bench.lock
	@touch $@
