# `make demo` and `make test` do all the set-up themselves. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help install demo test test-slow check check-gpu bench bench-sizing bench-trace pictures clean

help:
	@echo "make demo       the main job on the embedded model and task (HEADLESS=1: no screens)"
	@echo "make test       the tests that every change must pass"
	@echo "make check      format, lint, types, import direction"
	@echo "make test-slow  the real model, the kill matrix, replay"
	@echo "make check-gpu  what the tests assume of the driver, held against a real GPU"
	@echo "make bench      what Tunewright costs against the plain alternative"
	@echo "make bench-sizing  predicted against published memory (ROWS=file.jsonl, JSON=1)"
	@echo "make bench-trace   traced against published and real memory (ROWS=file.jsonl)"
	@echo "TORCH_INDEX=URL picks the torch build by hand, e.g. https://download.pytorch.org/whl/cpu"

install: $(READY)

# The light install comes first: it can ask NVML which torch build suits the driver.
$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	index="$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX),$$($(BIN)/python -m tunewright.hardware.torch_build))" && \
	$(BIN)/pip install --quiet --disable-pip-version-check $$index -e '.[train,dev]'
	touch $@

demo: $(READY)
	$(BIN)/tunewright demo

# A file to each of two processes; one thread in each, since more of them wait for each other.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow --timeout 1500

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check-gpu: $(READY)
	$(BIN)/python tests/gpu/check.py

bench: $(READY)
	$(BIN)/python tests/bench/run.py

bench-sizing: $(READY)
	@$(BIN)/python tests/bench/bench_sizing.py $(ROWS) $(if $(JSON),--json)

bench-trace: $(READY)
	@$(BIN)/python tests/bench/bench_trace.py $(ROWS)

# Of the last run, which should be the demo's.
pictures: $(READY)
	$(BIN)/python tests/pictures.py

clean:
	rm -rf $(VENV) dist build
