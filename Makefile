# Everything from a bare checkout: Python >= 3.11 and make are all that has to be there.
#
#   make demo    watch a whole sync against the mock server
#   make test    run the tests
#   make check   lint, types, import contracts, documentation, then the tests
#   make docs    build the documentation into site/
#   make bench   measure (see bench/)
#   make accelerator   compile the optional fast codec into build/accelerator (needs a C compiler)
#   make clean   remove everything that these made
#
# PYTHON names the interpreter (default: the first of python3, python3.14 ... python3.11 that is new enough),
# VENV the virtual environment, JOBS the most test processes at a time.

VENV ?= .venv
JOBS ?= 4
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$name" && break; done)

BIN := $(VENV)/bin
STAMP := $(VENV)/stamp
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
TEST := $(BIN)/python -m pytest -n auto --maxprocesses $(JOBS) --dist worksteal

# Two workers, and every command that a test starts, would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help environment demo test check lint types contracts documentation docs bench accelerator clean
.DELETE_ON_ERROR:

help:
	@sed -n 's/^#   //p' Makefile

environment: $(STAMP)/dev

demo: $(STAMP)/run
	$(BIN)/emailplus demo

test: $(STAMP)/test
	$(TEST)

check: $(STAMP)/dev
	$(MAKE) lint
	$(MAKE) types
	$(MAKE) contracts
	$(MAKE) documentation
	$(MAKE) test

lint: $(STAMP)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)/dev
	$(BIN)/mypy

contracts: $(STAMP)/dev
	$(BIN)/lint-imports

documentation: $(STAMP)/dev
	$(BIN)/python tools/config_table.py --check
	$(BIN)/python tools/command_table.py --check
	$(BIN)/python tools/spec_index.py --check
	$(BIN)/mkdocs build --strict --quiet

docs: $(STAMP)/dev
	$(BIN)/mkdocs build --strict

bench: $(STAMP)/bench
	$(BIN)/python bench/run.py

accelerator: $(STAMP)/bench
	$(BIN)/python hatch_build.py build/accelerator

clean:
	rm -rf $(VENV) site build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find emailplus tests bench tools fuzz -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is one set of installed packages; it is made anew when pyproject.toml changes.
$(STAMP)/venv:
	@test -n "$(PYTHON)" || { echo "emailplus needs Python 3.11 or later; name it: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is older than Python 3.11; name another: make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) \
		|| { echo "$(PYTHON) cannot make a virtual environment with pip; on Debian its package python3-venv is missing" >&2; exit 1; }
	@mkdir -p $(STAMP)
	@touch $@

$(STAMP)/run: pyproject.toml hatch_build.py $(STAMP)/venv
	$(INSTALL) --editable '.[cli,mock]'
	@touch $@

$(STAMP)/test: pyproject.toml hatch_build.py $(STAMP)/venv
	$(INSTALL) --editable '.[test]'
	@touch $@

$(STAMP)/dev: pyproject.toml hatch_build.py $(STAMP)/venv
	$(INSTALL) --editable '.[dev]'
	@touch $@

$(STAMP)/bench: pyproject.toml hatch_build.py $(STAMP)/venv
	$(INSTALL) --editable '.[test,bench]'
	@touch $@
