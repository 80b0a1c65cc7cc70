# Farwire. `make` alone lists the targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)

.DEFAULT_GOAL := help
.PHONY: help setup demo check test test-full bench bench-charging sim crash lock format clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.run: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Farwire needs Python 3.11 to 3.13: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3,11) <= sys.version_info[:2] < (3,14))' || \
		{ echo "Farwire needs Python 3.11 to 3.13; say make PYTHON=python3.11 …"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# The fuzzer has wheels for few kinds of machine. Elsewhere its tests skip, and say so.
$(VENV)/.fuzz: $(VENV)/.dev requirements-fuzz.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
		-r requirements-fuzz.lock || echo "atheris cannot be installed here: the tests that fuzz with it skip" >&2
	@touch $@

setup: $(VENV)/.dev ## Make the virtual environment from the lock files

demo: $(VENV)/.run ## Play the main job: from an offer to a paid bill, checked line by line
	$(BIN)/farwire demo --out out

check: $(VENV)/.dev ## Lint, types, import contracts, architecture tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest tests/arch

test: $(VENV)/.dev ## Run the tests in parallel
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup

test-full: $(VENV)/.fuzz ## Run the slow proofs
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup -m full

bench: $(VENV)/.dev ## Measure speed and memory beside a limit or a peer
	$(BIN)/python -m benchmarks

bench-charging: $(VENV)/.dev ## Measure online charging: load in C on a durable shard, and on gateways before it (BENCH="--tail 10000000 --seconds 60")
	$(BIN)/python -m benchmarks.bench_charging $(BENCH)

sim: $(VENV)/.dev ## Run the seeded simulations with many seeds (FARWIRE_SEEDS=100), or repeat one (SEED=7)
	$(if $(SEED),FARWIRE_TEST_SEED=$(SEED)) FARWIRE_SEEDS=$${FARWIRE_SEEDS:-100} $(BIN)/pytest $(if $(SEED),-s,-n $(WORKERS)) -m sim

crash: $(VENV)/.dev ## Kill servers, imports, rate runs, bill runs (FARWIRE_KILLS=30 times each), order workers 600 times and charging 1,000 times
	FARWIRE_KILLS=$${FARWIRE_KILLS:-30} $(BIN)/pytest -n $(WORKERS) -m crash --ignore tests/charging
	FARWIRE_KILLS=$${FARWIRE_KILLS:-167} $(BIN)/pytest -n $(WORKERS) -m crash tests/charging

lock: $(VENV)/.dev ## Renew the lock files
	$(BIN)/pip-compile -q --upgrade --allow-unsafe --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --strip-extras -o requirements.lock pyproject.toml
	$(BIN)/pip-compile -q --allow-unsafe --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --strip-extras --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml
	$(BIN)/pip-compile -q --upgrade --allow-unsafe --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --strip-extras -o requirements-fuzz.lock requirements-fuzz.in

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
