# make setup   everything netheal needs, inside this folder
# make run     setup, then netheal on this machine with generated traffic (ARGS="…" for more)
# make test    every test, and what was skipped and why (ARGS="…" for pytest)
# make test-long   the tests of a Spark cluster in processes (ARGS="…" for pytest)
# make dist    what goes to a Spark cluster, in dist/
# make notebooks   every notebook of notebooks/ executed, as HTML in var/notebooks/
# make lint    style, types and who may import whom
# make lock    work out the pinned requirements anew
# make clean   remove what setup made; data in var/ stay

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := setup
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

UV := .tools/bin/uv
BIN := .venv/bin
COMPILE := $(UV) pip compile --quiet --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links

# Nothing is written outside this folder, no Python is downloaded, no other environment is touched.
export UV_CACHE_DIR := $(CURDIR)/var/cache/uv
export UV_PYTHON_DOWNLOADS := never
export VIRTUAL_ENV := $(CURDIR)/.venv
export PIP_CACHE_DIR := $(CURDIR)/var/cache/pip
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export KERAS_HOME := $(CURDIR)/var/cache/keras
export PYTHON
unexport PYTHONPATH PYTHONHOME CONDA_PREFIX

# An index that pip was told of is the one for uv, too.
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif
ifdef PIP_EXTRA_INDEX_URL
export UV_INDEX ?= $(PIP_EXTRA_INDEX_URL)
endif

.PHONY: setup run test test-long dist notebooks lint lock clean dev
.NOTPARALLEL:

setup: .venv/.installed .venv/.jars
	@echo "netheal is set up"

run: setup
	exec $(BIN)/netheal up --traffic generated $(ARGS)

dev: setup .venv/.dev .venv/.class_data

# They wait for clients that stall, and for services to start, as well as they compute: there are three at a time on two
# cores. What a browser sees is seen by itself.
test: dev
ifdef ARGS
	$(BIN)/pytest $(ARGS)
else
	$(BIN)/pytest -n $$(($$(nproc) + 1)) --dist loadfile tests/unit tests/api tests/research
	$(BIN)/pytest -n $$(($$(nproc) + 1)) --dist loadfile tests/spark tests/stack tests/notebooks
	$(BIN)/pytest tests/browser
endif

test-long: dev
	$(BIN)/pytest tests/cluster $(ARGS)

dist: setup
	$(BIN)/python scripts/build_dist.py

notebooks: dev
	$(BIN)/python notebooks/execute_notebooks.py

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.tools/.installed: requirements-tools.lock
	@java=$$(.ci/find-java); python=$$(.ci/find-python); \
	echo "== 1/5 tools (Python: $$python, Java: $$java)"; \
	"$$python" -m venv --clear .tools
	@.tools/bin/python -m pip install --quiet --require-hashes -r requirements-tools.lock
	@touch $@

.venv/.made: .tools/.installed
	@echo "== 2/5 environment .venv"
	@python=$$(.ci/find-python); $(UV) venv --quiet --clear --python "$$python" .venv
	@touch $@

.venv/.synced: requirements.lock .venv/.made
	@echo "== 3/5 packages: 1.7 GB, a minute or a few where nothing is cached"
	@$(UV) pip sync --require-hashes requirements.lock
	@touch $@

.venv/.installed: pyproject.toml .venv/.synced
	@echo "== 4/5 netheal itself"
	@$(UV) pip install --quiet --no-deps --no-build-isolation -e .
	@$(BIN)/python -m netheal.records.json_scan
	@touch $@

.venv/.jars: conf/ivy.xml .venv/.installed
	@echo "== 5/5 jars for Spark and the broker: up to a minute where nothing is cached"
	@$(BIN)/python -m netheal.embedded.jars
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.installed
	@echo "== packages for tests and training: 1.5 GB more"
	@$(UV) pip sync --compile-bytecode --require-hashes requirements-dev.lock
	@$(UV) pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

# Tests start Spark some hundred times: what its JVM loads at each start is kept as it is in memory.
.venv/.class_data: .venv/.dev .venv/.jars
	@$(BIN)/python -m jobs.archive_classes
	@touch $@

lock: .venv/.made
	echo 'uv==0.13.9' | $(COMPILE) - -o var/requirements-tools.lock
	@cmp -s var/requirements-tools.lock requirements-tools.lock || cp var/requirements-tools.lock requirements-tools.lock
	$(COMPILE) pyproject.toml --extra setup -o requirements.lock
	$(COMPILE) pyproject.toml --extra setup --extra dev --extra research --extra notebooks -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf .venv .tools var/cache var/jars dist *.egg-info build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
