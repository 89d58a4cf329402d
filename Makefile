# `make help` lists the targets. Everything is installed into .venv, once for each change of the files below.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check
INSTALL_FILES := pyproject.toml setup.cfg constraints.txt
WORKERS ?= 2
TRIALS ?= 20
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo test quick verify lint format docs notebooks audit clean

help:  ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/.installed  ## Search the built-in digits: 20 trials, then the table of the best
	$(BIN)/neural-automl search examples/digits.neural --data digits --trials $(TRIALS)

test: lint  ## Check everything: style, types, all tests (what CI runs)
	$(PYTEST)

quick: lint  ## The same without the tests that are marked slow
	$(PYTEST) -m "not slow"

verify: lint  ## The same with the large counts that a release is proved with
	NEURAL_AUTOML_VERIFY=1 $(PYTEST) -o timeout=0

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev  ## Put imports and lines in order
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

audit: $(VENV)/.installed-dev  ## Look for known weaknesses of all that is installed; fails too where the index knows none
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip -qq --disable-pip-version-check install pip-audit
	$(BIN)/python -m pip list --format=freeze --exclude-editable | sed 's/+cpu$$//' >$(VENV)/audit/installed.txt
	$(VENV)/audit/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off -r $(VENV)/audit/installed.txt

docs: $(VENV)/.installed-dev  ## Build the documentation as a site, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs --quiet build

notebooks: $(VENV)/.installed-dev  ## Run the notebooks and write their outputs into them
	$(BIN)/python notebooks/execute.py

clean:  ## Remove .venv, results and what builds and checks leave behind
	rm -rf $(VENV) build dist results site *.egg-info .coverage htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@echo "making $(VENV) and installing into it: one to three minutes, once"
	$(PYTHON) -m venv $(VENV)

# In compat mode a plain path is installed: the default, a hook, loses to a folder of the name
# neural_automl, such as a clone, that Python is started beside.
$(VENV)/.installed: $(INSTALL_FILES) | $(BIN)/python
	$(PIP) install -c constraints.txt --config-settings editable_mode=compat -e .
	touch $@

$(VENV)/.installed-dev: $(INSTALL_FILES) | $(BIN)/python
	$(PIP) install -c constraints.txt --config-settings editable_mode=compat -e ".[dev]"
	touch $@ $(VENV)/.installed
