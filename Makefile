PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NPM = PATH="$(CURDIR)/$(BIN):$$PATH" npm

# The other end of the declared ranges: see test-oldest.
PYTHON_OLDEST ?= python3.11
OLDEST := .venv-oldest

# glibc gives every large temporary back to the kernel; keeping them is up to twice as fast on CPU.
export MALLOC_MMAP_MAX_ ?= 0
export MALLOC_TRIM_THRESHOLD_ ?= 34359738368
export MALLOC_TOP_PAD_ ?= 536870912

# Two workers suit two cores; one takes over tests of the other when it has none left. A thread that
# waits must not spin: beside another worker that takes more time than the work.
PYTEST := -m pytest --numprocesses 2 --dist worksteal
test test-oldest notebooks: export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help venv demo test test-oldest test-package docs notebooks lint lint-js test-js format clean

help:
	@echo "make demo    install everything and open the page on http://127.0.0.1:7860"
	@echo "make test    install everything, lint, check types and run the tests"
	@echo "make test-oldest  run the tests with the lowest versions allowed, on plain instructions"
	@echo "make test-package  build the wheel, install it elsewhere and run it there"
	@echo "make lint-js, make test-js  the same for the page's scripts alone"
	@echo "make docs    build the pages as a site: build/docs/index.html"
	@echo "make notebooks  run docs/notebooks, which takes a minute"
	@echo "make format  let ruff and prettier mend the style"

venv: $(VENV)/installed

$(VENV)/installed: requirements-dev.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

demo: venv
	$(BIN)/python app.py

# npm writes this file itself.
node_modules/.package-lock.json: package.json package-lock.json | venv
	$(NPM) ci --silent
	touch $@

lint-js: node_modules/.package-lock.json
	@echo "--- javascript"
	$(NPM) run --silent lint

test-js: node_modules/.package-lock.json
	@echo "--- javascript tests"
	$(NPM) test --silent

lint: venv lint-js
	@echo "--- lint"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@echo "--- types"
	$(BIN)/mypy
	$(BIN)/mypy --scripts-are-modules app.py
	MYPYPATH=tests $(BIN)/mypy docs/deploy/*.py tests/page_support.py

# What the tests reach is known at next to no cost from Python 3.12 on. Before, it takes a third more
# time, so there one asks for it: make test COVERAGE=yes.
COVERAGE = $(shell $(BIN)/python -c 'import sys; print("yes" * (sys.version_info >= (3, 12)))')

test: lint test-js
	@echo "--- tests"
	$(BIN)/python $(PYTEST) $(if $(COVERAGE),--cov --cov-report=)
	@$(if $(COVERAGE),$(BIN)/coverage report | awk '$$NF + 0 < 90 || /^TOTAL/')

$(OLDEST)/installed: requirements.txt requirements-dev.txt pyproject.toml
	test -x $(OLDEST)/bin/python || $(PYTHON_OLDEST) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(OLDEST)/bin/uv pip install --quiet --python $(OLDEST)/bin/python --resolution lowest-direct -r requirements-dev.txt
	touch $@

# Also on the instructions that every x86 CPU has: PyTorch's own and oneDNN's.
test-oldest: $(OLDEST)/installed
	ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 $(OLDEST)/bin/python $(PYTEST)

test-package: venv
	@echo "--- package"
	$(BIN)/python tests/check_package.py

# Needs no network. A dead link is a warning, and warnings are errors.
docs: venv
	$(BIN)/sphinx-build -q -W -c docs . build/docs
	@echo "The site is build/docs/index.html"

# Their outputs are not kept.
notebooks: venv
	@echo "--- notebooks"
	$(BIN)/jupyter execute docs/notebooks/*.ipynb

format: node_modules/.package-lock.json
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(NPM) run --silent format

clean:
	rm -rf $(VENV) $(OLDEST) node_modules build .pytest_cache .mypy_cache .ruff_cache .coverage*
