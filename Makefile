# Everything sets itself up: `make demo` and `make test` work in a clean clone with nothing but Python 3.11, make, git.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test check results
.DELETE_ON_ERROR:

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup
	$(BIN)/jointwise demo

test: setup  # in two processes; each takes whole files, whose tests share what was trained for them
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_floors.py

results: setup  # README's and docs' tables, rendered from results/
	$(BIN)/python -m jointwise.report.tables README.md docs/results.md docs/performance.md
