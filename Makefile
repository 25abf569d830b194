# The environment is made on first use and again when what it is made of changes.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Processes that run the tests side by side, each with one thread for its arithmetic.
JOBS ?= auto
# Which built-in subject to train.
SUBJECT ?= solu-tiny
EXPLAINERS ?= zero,mean,random,shuffled,oracle,token_lookup,n2g,n2g_plus,max_examples,local_search,fasttext,context_tree,rules,describe

.DEFAULT_GOAL := help
.PHONY: help setup run test test-fast lint types fuzz perf train clean published

help: ## show this text
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: $(VENV)/.installed ## create the environment and install

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

run: setup ## run the benchmark on the built-in subject
	$(BIN)/python -m benchmark run -m explainer=$(EXPLAINERS) $(ARGS)

test: lint types ## lint, types and tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) $(ARGS)

test-fast: lint ## lint and the tests that take no time: two minutes on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) -m "not slow" $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

fuzz: setup ## hostile inputs for every verb, a hundred times as many as in the tests
	OMP_NUM_THREADS=1 FUZZ_CASES=$(or $(CASES),300) FUZZ_SEED=$(or $(SEED),$(shell date +%s)) $(BIN)/python -m pytest -n $(JOBS) tests/fuzz $(ARGS)

perf: setup ## measure speed and memory, as ratios of one run
	$(BIN)/python -m tests.perf $(ARGS)

train: setup ## train a built-in subject again, SUBJECT=solu-tiny or gelu-tiny
	$(BIN)/python -m benchmark.builtin.train --subject $(SUBJECT) $(ARGS)

published: setup ## make every published run, table and picture again (some 40 minutes on two cores)
	$(BIN)/python -m leaderboards.publishing $(ARGS)

clean: ## remove the environment
	rm -rf $(VENV)
