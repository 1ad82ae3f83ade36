# The two commands of README. Each makes its own environment in .venv.
PYTHON ?= python3
BIN = .venv/bin
SETUP = .venv/.ready
# A file stays in one process, as its tests share fixtures; tests/conftest.py orders the files.
PYTEST_ARGS ?= -m "not slow" -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: demo test clean

demo: $(SETUP)  ## the whole pipeline on the embedded phantom cohort
	$(BIN)/crossdl run demo --out runs/demo

test: $(SETUP)  ## lint, format, types, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p crossdl
	$(BIN)/pytest $(PYTEST_ARGS)

# The folder core itself changes when it gets a new top-level entry, which needs a new link.
$(SETUP): pyproject.toml constraints.txt hatch_build.py core
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	touch $@

clean:
	rm -rf .venv build runs
