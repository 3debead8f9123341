PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# glibc gives every large temporary back to the kernel; keeping them is up to twice as fast on CPU.
export MALLOC_MMAP_MAX_ ?= 0
export MALLOC_TRIM_THRESHOLD_ ?= 34359738368
export MALLOC_TOP_PAD_ ?= 536870912

.PHONY: help venv demo test lint format clean

help:
	@echo "make demo    install everything and open the page on http://127.0.0.1:7860"
	@echo "make test    install everything, lint, check types and run the tests"
	@echo "make format  let ruff mend the style"

venv: $(VENV)/installed

$(VENV)/installed: requirements.txt requirements-dev.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

demo: venv
	$(BIN)/python app.py

lint: venv
	@echo "--- lint"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@echo "--- types"
	$(BIN)/mypy

# Two workers suit two cores; one takes over tests of the other when it has none left.
test: lint
	@echo "--- tests"
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

format: venv
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
