# Everything a person runs. `make demo` and `make test` set up all they need; only git, make and
# Python 3.11 have to be there.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: demo test lint types check slow extras setup bench pocket clean
demo: setup
	$(BIN)/python examples/demo.py

test: setup            # two at a time, each on one core; who is done takes from the other
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

check: setup lint types test

# the packages as they lie in the wheel, ui and indexers inside searchkit
TREE := build/tree
lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf $(TREE) && mkdir -p $(TREE) && cp -r searchkit pyproject.toml $(TREE) && cp -r ui indexers $(TREE)/searchkit
	cd $(TREE) && $(abspath $(BIN))/lint-imports --no-cache

types: setup
	$(BIN)/mypy searchkit indexers ui

slow: setup            # a real browser: needs Chromium at /usr/bin/chromium
	$(BIN)/python -m pip install --quiet --disable-pip-version-check playwright
	$(BIN)/pytest -m "slow or browser"

extras:                # OpenCLIP, timm and onnxruntime in an environment of their own: 6.5 GB
	test -x .venv-extras/bin/python || $$(command -v $(PYTHON) || command -v python3) -m venv .venv-extras
	.venv-extras/bin/python -m pip install --quiet --disable-pip-version-check -e '.[openclip,verify]' onnx onnxscript pytest
	OMP_NUM_THREADS=1 .venv-extras/bin/pytest tests/extras

bench: setup           # make bench DATA=folder-of-real-data
	$(BIN)/python benchmarks/main_job.py --data $(DATA)
	$(BIN)/python benchmarks/confidence.py --data $(DATA)

POCKET ?= .train/pocket
pocket: setup          # make pocket DATA=folder-of-real-data: trains the image tower of pocket; about two hours on a CPU; resumes
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train]'
	mkdir -p $(POCKET).work
	test -f $(POCKET).work/scenes.parquet || $(BIN)/python data/make_demo.py parquet $(POCKET).work/scenes.parquet
	$(BIN)/searchkit train --recipe pocket --data $(DATA) --out $(POCKET)

setup: $(STAMP)

# torch first: asked for together, another package could bring a build with several GB of CUDA
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $$(command -v $(PYTHON) || command -v python3) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cpu,ui,office,postgres,dev]'
	touch $@

clean:
	rm -rf $(VENV) .venv-extras build dist *.egg-info .demo
