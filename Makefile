# Every target sets up what it needs in $(VENV) by itself; see "make help".

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

python := $(VENV)/bin/python
pip := $(python) -m pip --disable-pip-version-check
# Of pip's many lines, those that show how far it is; its warnings and errors come in any case.
progress := | { grep --line-buffered -E '^(Collecting|Processing|Installing|Successfully)' || true; }
# Asking for another PYTHON makes the environment anew if its version differs.
made := $(VENV)/.made-with-$(subst /,_,$(PYTHON))
# What is installed is installed again when pyproject.toml changes.
package := $(VENV)/.installed-package
tests := $(VENV)/.installed-test
peers := $(VENV)/.installed-bench
linters := $(VENV)/.installed-lint
# Two files of tests at once, in their order, or else the longest would come last. ARGS='-n 0' runs them one by one.
at_once := -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help demo test lint bench clean

help: ## Show this list
	@echo "usage: make TARGET"
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' Makefile | expand -t 10
	@echo "Settings: PYTHON=$(PYTHON) VENV=$(VENV)"

demo: $(package) ## Run the example sites on the included server; ONCE=1 ends them after the walk
	@$(python) -m testproject.demo

test: $(tests) ## Run the tests; ARGS='-x tests/testproject' is passed on to pytest
	@$(python) -m pytest $(at_once) $(ARGS)

lint: $(linters) ## Check style, formatting and types
	@$(python) -m ruff check .
	@$(python) -m ruff format --check .
	@$(python) -m mypy

bench: $(peers) ## Measure the client, the Django cache and the included server
	@$(python) -m benchmarks $(ARGS)

clean: ## Remove the virtual environment and everything that can be made again
	rm -rf $(VENV) .demo .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

# A usable environment is kept; one that is half made, or of another Python version, is made anew.
$(made):
	@version='import sys; print("%d.%d" % sys.version_info[:2])'; \
	if ! wanted=$$("$(PYTHON)" -c "$$version"); then \
	    echo "kt_cache needs Python 3.10 or newer, and '$(PYTHON)' does not run: name one with PYTHON=..." >&2; exit 1; \
	fi; \
	if ! "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then \
	    echo "kt_cache needs Python 3.10 or newer, and '$(PYTHON)' is $$wanted: name another with PYTHON=..." >&2; exit 1; \
	fi; \
	if ! "$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null; then \
	    echo "'$(PYTHON)' cannot make virtual environments yet. On Debian and Ubuntu, run this and try again:" >&2; \
	    echo "    sudo apt-get install -y $(notdir $(PYTHON))-venv" >&2; exit 1; \
	fi; \
	found=$$("$(python)" -c "import pip; $$version" 2>/dev/null || true); \
	if [ "$$found" != "$$wanted" ]; then \
	    echo "Making a virtual environment of Python $$wanted in $(VENV) ..."; \
	    "$(PYTHON)" -m venv --clear "$(VENV)"; \
	fi
	@echo "Bringing pip up to date ..."
	@$(pip) install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(package): $(made) pyproject.toml
	@echo "Installing kt_cache with Django, Flask and what its server uses ..."
	@$(pip) install --editable '.[django,flask,server]' $(progress)
	@touch $@

$(tests): $(peers) pyproject.toml
	@echo "Installing what the tests use ..."
	@$(pip) install --group test $(progress)
	@touch $@

# Other packages to compare with; what cannot be installed here is done without.
$(peers): $(package) pyproject.toml
	@echo "Installing what the benchmarks compare with ..."
	@$(pip) install --quiet --group interop 2>/dev/null || \
	    echo "ukt cannot be built here (it needs a C compiler and Python's headers): its tests will be skipped."
	@$(pip) install --quiet --group bench 2>/dev/null || \
	    echo "Not all other caches can be installed here: benchmarks beside them will be left out."
	@touch $@

$(linters): $(package) pyproject.toml
	@echo "Installing what the checks of style and types use ..."
	@$(pip) install --group lint $(progress)
	@touch $@
