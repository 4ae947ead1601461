# `make help` lists the targets. README.md has the same steps as plain pip commands, for Windows too.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

# A renamed folder needs a new .venv: its scripts hold the path that they were installed to.
MOVED := $(shell grep -qsvxF '$(CURDIR)' $(VENV)/installed && echo moved)

.PHONY: moved

install: $(VENV)/installed ## Make .venv with exactly the versions of constraints.txt

$(VENV)/installed: pyproject.toml constraints.txt $(MOVED)
	$(PYTHON) -m venv $(MOVED:moved=--clear) $(VENV)
	python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@echo '$(CURDIR)' > $@

repro: install ## Run the pipeline and report what it made
	@git rev-parse --git-dir > /dev/null 2>&1 || { echo "This folder is not a git repository, which DVC needs: \
	a ZIP download has none. Use 'git clone', or make it one: git init && git add --all && git commit"; exit 1; }
	@python -m tohum.dvc_lock # deletes what dvc was killed at writing
	dvc repro
	tohum report

test: install ## Run the tests, the files shared among the cores and one more
	python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test-fast: install ## Run the tests that start no process of their own: two minutes or three
	python -m pytest --numprocesses logical --dist loadfile -m 'not slow'

lint: install ## Check style and types
	ruff check
	ruff format --check
	mypy

format: install ## Put the code into the project's format
	ruff check --fix
	ruff format

clean: ## Delete unfinished work and caches of tools; finished outputs stay
	rm -rf .work dvc_plots .mypy_cache .pytest_cache .ruff_cache .hypothesis outputs multirun

.PHONY: help install repro test test-fast lint format clean
