# The commands of this repository. Each sets up what it needs by itself and asks nothing.

SHELL := /bin/sh
BIN := .venv/bin
RUN := $(BIN)/python -m
DEMO := annotary-demo
export PYTHON
# Programs that tests and benchmarks start find their modules compiled, as installed ones do.
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format docs coverage bench soak serve screenshots lock clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: .venv/ready ## make .venv inside this folder, with annotary and all it needs

.venv/ready: pyproject.toml requirements-dev.txt scripts/setup.sh
	@sh scripts/setup.sh

demo: setup ## load the sample project, export it, say what was made and where
	@$(BIN)/annotary demo

test: setup ## run the test suite (the documentation's code is `make check`'s), on SQLite, PostgreSQL and S3, with the official SDKs, other programs and a browser
	@sh scripts/postgres.sh
	@sh scripts/s3rver.sh
	@sh scripts/sdk.sh
	@sh scripts/peers.sh
	@sh scripts/chromium.sh
	$(RUN) pytest -n auto --ignore=tests/test_docs.py

check: setup ## formatter, linter, types, import contracts, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(RUN) mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python scripts/generate_docs.py --check
	$(RUN) pytest -n auto -q tests/test_docs.py

format: setup ## format the code and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup ## write the generated tables and help texts of the documentation anew
	$(BIN)/python scripts/generate_docs.py

coverage: setup ## run the tests and list the lines that none of them reaches
	@sh scripts/postgres.sh
	@sh scripts/s3rver.sh
	@sh scripts/sdk.sh
	@sh scripts/chromium.sh
	$(RUN) pytest -n auto --cov --cov-report=term-missing

bench: setup ## run the benchmarks: ratios measured in one run
	@sh scripts/peers.sh
	$(RUN) bench

soak: setup ## run the long tests
	@sh scripts/postgres.sh
	@sh scripts/sdk.sh
	$(RUN) pytest -m soak

serve: setup ## serve the demo store with its web page
	@test -d $(DEMO)/exports || $(BIN)/annotary demo $(DEMO)
	@$(BIN)/annotary --at $(DEMO) migrate >/dev/null
	@$(BIN)/annotary --at $(DEMO) serve

screenshots: setup ## take a picture of every page into ./screenshots, and the two of the README anew
	@sh scripts/chromium.sh
	$(BIN)/python scripts/screenshots.py

lock: setup ## write requirements-dev.txt and the locks of the SDKs anew, with the newest releases
	@sh scripts/lock.sh

clean: ## remove what the other commands made, .venv included
	rm -rf .venv .sdk .peers dist .coverage .hypothesis .mypy_cache .ruff_cache .pytest_cache .import_linter_cache screenshots
