# Two commands are all that a newcomer needs: make demo, make test. Both set up what is missing first.

PYTHON ?= python3
ARGS   ?=
BENCHMARKS ?= startup

BIN := .venv/bin
# The environment is made anew when what it was made from changes, or when the checkout moves.
SOURCES := pyproject.toml constraints.txt $(wildcard src/viscodex/*/*.c)
VENV := .venv/.made-from-$(shell { cat $(SOURCES); pwd; } | cksum | tr ' ' -)
# Each pytest worker keeps to one thread, so that they do not fight over the cores.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile

# Evaluation and serving start browsers, zygotes and boxes, and have processes of their own for them.
# The sandbox holds programs to limits of time and memory: its tests run alone, so that nothing else is in the way; and
# charts and pages in processes of their own, since other tests ask that no child is left. 5: no test was selected.
ALONE := OMP_NUM_THREADS=1 $(BIN)/pytest

.DEFAULT_GOAL := help
.PHONY: help demo test test-quick check format docs bench venv system-demo system-test constraints clean
export PYTHON

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: system-demo $(VENV)  ## set up, then show the whole of viscodex on this machine
	$(BIN)/viscodex demo $(ARGS)

test: system-test $(VENV)  ## set up, then run every test (ARGS="-k recipe" for some)
	$(PYTEST) --ignore tests/sandbox --ignore tests/eval --ignore tests/serve $(ARGS) || [ $$? -eq 5 ]
	$(PYTEST) tests/eval tests/serve $(ARGS) || [ $$? -eq 5 ]
	$(ALONE) tests/sandbox --ignore tests/sandbox/charts --ignore-glob '*/test_browser*' $(ARGS) || [ $$? -eq 5 ]
	$(ALONE) tests/sandbox/charts $(ARGS) || [ $$? -eq 5 ]
	$(ALONE) tests/sandbox/test_browser*.py $(ARGS) || [ $$? -eq 5 ]

test-quick: $(VENV)  ## the tests that take less than a few seconds each
	$(PYTEST) -m "not slow" $(ARGS)

check: $(VENV)  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)  ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)  ## regenerate docs/cli.md, docs/recipes.md and docs/performance.md
	$(BIN)/python docs/generate.py
	$(BIN)/python benchmarks/render.py

bench: $(VENV)  ## run the benchmarks (BENCHMARKS="startup" for some) and render docs/performance.md
	for name in $(BENCHMARKS); do $(BIN)/python benchmarks/$$name.py || exit 1; done
	$(BIN)/python benchmarks/render.py

venv: $(VENV)  ## .venv with the pinned packages

$(VENV):
	scripts/setup-venv.sh
	rm -f .venv/.made-from-*
	touch $@

system-demo:
	@scripts/setup-system.sh demo

system-test:
	@scripts/setup-system.sh test

constraints: $(VENV)  ## write constraints.txt from what .venv holds (after an upgrade that passed the tests)
	sed -n '1p' constraints.txt > constraints.txt.new
	$(BIN)/pip freeze --exclude-editable | sed 's/+cpu$$//' >> constraints.txt.new
	mv constraints.txt.new constraints.txt

clean:  ## remove what make made (not what you made)
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
