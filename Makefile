# Everything sets itself up: `make demo` and `make test` work in a clean clone with nothing but Python 3.11, make, git.
PYTHON ?= python3
# What is installed: locked with hashes. constraints-lowest.txt instead has the lowest versions that pyproject.toml allows.
CONSTRAINTS ?= constraints.txt
BIN := .venv/bin
INPUTS ?= 1000000
CASES ?= 200
MINUTES ?= 5
# Two processes. Each takes whole files, because the tests of a file share what was trained for them.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile

.PHONY: setup lock sbom hooks demo test quick coverage check results docs release fuzz camera mutants crash-test load-test
.DELETE_ON_ERROR:

setup: .venv/ready

.venv/ready: pyproject.toml $(CONSTRAINTS) constraints-torch.txt
	$(PYTHON) -m venv .venv
ifeq ($(CONSTRAINTS),constraints.txt)
	.ci/install $(BIN)/python
else
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[dev]'
endif
	touch $@

lock:  # constraints.txt and constraints-torch.txt from pyproject.toml; UPGRADE=--upgrade takes the newest versions
	test -x $(BIN)/uv || $(MAKE) setup
	.ci/lock $(BIN)/uv $(UPGRADE)

sbom: setup  # dist/jointwise-VERSION.cdx.json: the packages of the lock and what is vendored, with hashes and licences
	$(BIN)/python .ci/sbom.py

hooks: setup  # `make check` before every commit
	$(BIN)/pre-commit install

demo: setup
	$(BIN)/jointwise demo

test: setup  # every test and every example of a docstring: under 6 minutes on 2 cores
	$(PYTEST) --durations=10

quick: setup  # under a minute on 2 cores, every room; leaves out tests marked slow: whole trainings, other processes
	$(PYTEST) -m 'not slow'

coverage: setup  # lines and branches of src/ that the tests run in their own process, file by file and in all
	$(PYTEST) --cov

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_floors.py

fuzz: setup  # every reader on damaged files: hours; `make fuzz INPUTS=10000` tries fewer. Found inputs: build/fuzz
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(BIN)/python -m fuzz $(INPUTS)

mutants: setup  # changes of the source that tests must notice: some 20 minutes; `make mutants AREAS="losses splits"`
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(BIN)/python -m mutants $(AREAS)

crash-test: setup  # 200 kills and refusing disks under pretrain, finetune, prepare, pool, table: some 20 minutes
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(BIN)/python -m crashes $(CASES)

load-test: setup  # the page of `jointwise serve` under load and attack, on this machine only
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(BIN)/python -m load $(MINUTES)

results: setup  # README's and docs' tables, rendered from results/
	$(BIN)/python -m jointwise.report.tables README.md docs/results.md docs/performance.md

camera: setup  # dist/jointwise_camera-*.whl: MediaPipe Pose for the live page; needs npm
	$(BIN)/python packages/jointwise-camera/fetch.py
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist packages/jointwise-camera

release: setup  # sdist and wheel in dist/, tried in a fresh environment; TAG=1 then tags the commit; nothing is pushed
	.ci/release $(BIN)/python $(if $(TAG),--tag)

docs: setup  # the site of the documentation in build/site/; a link or an anchor that leads nowhere is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
