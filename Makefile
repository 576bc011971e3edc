# Everything a person does with a clone. `make` alone lists it.

PYTHON ?= python3
VENV ?= .venv
# Words for the program itself, as in: make demo ARGS=--keep
ARGS ?=

# Which build of torch: the one pip takes by itself (on Linux that for CUDA, of several GB), or one of
# those at download.pytorch.org, as in: make venv TORCH=cpu. Apart from requirements.lock, because it
# depends on the machine.
TORCH ?=
TORCH_INDEX := $(addprefix --index-url https://download.pytorch.org/whl/,$(filter-out cuda,$(TORCH)))
TORCH_VERSION := 2.13.0

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Where nothing is said of torch, the build that is there stays.
PACKAGES := $(VENV)/packages-with-torch-$(TORCH_VERSION)$(addprefix -,$(TORCH))
PACKAGES := $(firstword $(if $(TORCH),,$(wildcard $(PACKAGES)*)) $(PACKAGES))
INSTALLED := $(VENV)/installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check format lint reference bench bench-gpu venv lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## draw the examples with the bundled model
	$(BIN)/python -m pipeline demo $(ARGS)

test: lint ## everything that has to hold: lint, types, rooms, tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

check: lint ## the fast part of test: no browser, no processes
	$(BIN)/python -m pytest -m "not slow and not gpu and not browser and not process" $(ARGS)

lint: $(INSTALLED) ## lint, format, types and the contracts between rooms
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --no-logo

format: $(INSTALLED) ## put the code into shape
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

reference: $(INSTALLED) ## write the READMEs' tables of fields and samplers anew, from the code
	$(BIN)/python -m pipeline.commands.reference

bench: $(INSTALLED) ## measure on this machine; fails if a row falls short
	$(BIN)/python -m tests.benchmarks --plot examples/figures.svg $(ARGS)

bench-gpu: $(INSTALLED) ## the same on a GPU
	$(BIN)/python -m tests.benchmarks --gpu $(ARGS)

venv: $(INSTALLED) ## the pinned environment in .venv; TORCH=cpu, cuda, rocm7.1, …

# The stamp is written last, so a build that was cut short begins anew.
$(PACKAGES): requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit( \
	  "Python 3.11 or newer is needed, and $(PYTHON) is %d.%d;" % v + \
	  " name another one: make PYTHON=python3.12")'
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --quiet --no-deps --require-hashes -r requirements.lock
	$(PIP) install $(TORCH_INDEX) torch==$(TORCH_VERSION)
	@touch $@

$(INSTALLED): $(PACKAGES) pyproject.toml
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	$(PIP) check
	@touch $@

lock: ## pin anew what pyproject.toml asks for; needs uv; ARGS=--upgrade takes newer ones
	echo torch==$(TORCH_VERSION) | uv pip compile pyproject.toml --constraint - --output-file requirements.lock $(ARGS)

clean: ## remove what make and the demo made
	rm -rf $(VENV) build dist demo *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find pipeline tests -name __pycache__ -type d -prune -exec rm -rf {} +
