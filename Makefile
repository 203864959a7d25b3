# Every command of this project. `make help` lists them.

SHELL := /bin/sh
PORT ?= 8000
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run mail admin users rotate-keys revoke-key test races test-node faults faults-table \
  mutants fuzz bench lint format lock openapi round-trips audit package deploy status report destroy \
  destroy-data rehearse soak clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The environments are made again when what they hold changes.
.venv/.installed: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("accounts needs Python 3.11 or newer (PYTHON=… names one)")'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip --disable-pip-version-check install --quiet --require-hashes -r requirements-dev.txt
	@touch $@

.venv-cloud/.installed: requirements-cloud.txt
	$(PYTHON) -m venv --clear .venv-cloud
	.venv-cloud/bin/pip --disable-pip-version-check install --quiet --require-hashes -r requirements-cloud.txt
	@touch $@

.venv-bench/.installed: requirements-bench.txt
	$(PYTHON) -m venv --clear .venv-bench
	@# The lock is complete. pip of Python 3.11 takes an extra's requirement for one that is not pinned.
	.venv-bench/bin/pip --disable-pip-version-check install --quiet --require-hashes --no-deps -r requirements-bench.txt
	@touch $@

.venv-fuzz/.installed: requirements-fuzz.txt
	$(PYTHON) -m venv --clear .venv-fuzz
	.venv-fuzz/bin/pip --disable-pip-version-check install --quiet --require-hashes -r requirements-fuzz.txt
	@touch $@

run: .venv/.installed .venv-cloud/.installed ## Serve the API locally (PORT=8000)
	@exec $(BIN)/python -m infra.local.run --attached --port "$(PORT)"

mail: .venv/.installed ## Show the mails that make run has sent (TO=somebody, or all)
	@exec $(BIN)/python -m infra.mail "$$TO"

admin: .venv/.installed .venv-cloud/.installed ## Make or promote an admin (EMAIL=you@example.com, STAGE=prod if not here)
	@exec $(BIN)/python -m infra.admin "$$EMAIL" "$$STAGE"

users: .venv/.installed .venv-cloud/.installed ## Look after accounts (DO="show you@example.com", DO=--help, STAGE=prod if not here)
	@exec $(BIN)/python -m infra.users --from-make "$$DO" "$$STAGE"

rotate-keys: .venv/.installed .venv-cloud/.installed ## Take the next step to a new signing key (STAGE=prod if not here)
	@exec $(BIN)/python -m infra.rotate_keys "$$STAGE"

revoke-key: .venv/.installed .venv-cloud/.installed ## End every token of a signing key, at once (KID=…, STAGE=prod if not here)
	@exec $(BIN)/python -m infra.revoke_key "$$KID" "$$STAGE"

test: .venv/.installed .venv-cloud/.installed ## Run the whole test suite
	$(BIN)/python -m pytest --cov --cov-report=term

races: .venv/.installed .venv-cloud/.installed ## Run every two operations at once (ROUNDS=1000, SEED=a number)
	ACCOUNTS_RACES_ROUNDS="$${ROUNDS:-1000}" ACCOUNTS_RACES_SEED="$$SEED" \
	  $(BIN)/python -m pytest tests/races

test-node: .venv/.installed ## Try the verifiers in Node (needs Node.js and npm)
	npm ci --prefix examples/verify/node --ignore-scripts --no-audit --no-fund --silent
	ACCOUNTS_REQUIRE_NODE=1 $(BIN)/python -m pytest tests/examples/test_node.py

faults: .venv/.installed ## Fail every call of AWS in every way (half an hour; make test tries a part)
	FAULTS=all $(BIN)/pytest --timeout 0 tests/faults

faults-table: .venv/.installed ## Write the table of docs/security/faults.md
	FAULTS=table $(BIN)/pytest tests/faults

mutants: .venv/.installed ## Change the code a bit at a time, and see whether a test notices (MODULE=services.tokens, or all, for ten minutes)
	$(BIN)/mutmut run "chalicelib.$${MODULE:-*}.x*"
	@$(BIN)/mutmut results --all true | $(BIN)/python -m tests.mutants

bench: .venv/.installed .venv-cloud/.installed .venv-bench/.installed ## Measure what a test cannot judge (ONLY=timing, or all; TIMES=2 as often; PLOTS=docs draws)
	@exec $(BIN)/python -m bench "$$ONLY" "$$TIMES" "$$PLOTS"

# Where there is no wheel of atheris, the rest is fuzzed without it.
fuzz: .venv/.installed .venv-cloud/.installed ## Look for what no test thought of (MINUTES=15, SEED=another each time)
	@$(MAKE) -s .venv-fuzz/.installed || echo "atheris cannot be installed here."
	@exec $(BIN)/python -m fuzz "$$MINUTES" "$$SEED"

lint: .venv/.installed ## Check style, types and architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cfn-lint infra/*.yaml examples/verify/*.yaml

format: .venv/.installed ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only .

audit: .venv/.installed ## Check what the service is made of: vulnerabilities, licences, secrets
	@exec $(BIN)/python -m infra.supply_chain

round-trips: .venv/.installed ## Count what requests ask of AWS, for docs/performance.md
	@exec $(BIN)/python -m tests.api.round_trips

openapi: .venv/.installed ## Write chalicelib/api/openapi.json from the routes
	$(BIN)/python -m infra.openapi

lock: .venv/.installed ## Pin every requirement anew, with hashes
	made=$$(date -u +%Y-%m-%d); for name in requirements requirements-dev requirements-cloud requirements-bench requirements-fuzz; do \
	  $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-strip-extras --no-annotate --no-emit-index-url --no-emit-find-links \
	    --custom-compile-command "make lock, on $$made" $$name.in -o $$name.txt || exit 1; \
	done

package: .venv/.installed ## Build what is deployed: build/accounts-<stage>.zip (STAGE=prod)
	@exec $(BIN)/python -m infra.deployment package "$$STAGE"

deploy: .venv/.installed ## Deploy a stage, and visit it (STAGE=prod)
	@exec $(BIN)/python -m infra.deployment deploy "$$STAGE" --new-url "$$NEW_URL"

status: .venv/.installed ## Say what is deployed (STAGE=prod)
	@exec $(BIN)/python -m infra.deployment status "$$STAGE"

report: .venv/.installed ## Say what Lambda reported: cold starts, times, memory, cost (STAGE=prod HOURS=24)
	@exec $(BIN)/python -m infra.report "$$STAGE" "$$HOURS"

destroy: .venv/.installed ## Take a stage down, but for its data (STAGE=dev)
	@exec $(BIN)/python -m infra.deployment destroy "$$STAGE"

destroy-data: .venv/.installed ## Delete a stage's data, once its name is typed (STAGE=dev)
	@exec $(BIN)/python -m infra.deployment destroy-data "$$STAGE"

rehearse: .venv/.installed .venv-cloud/.installed ## Deploy to a local cloud, and hold it to the contract (SUITE=another)
	@exec $(BIN)/python -m infra.rehearsal

soak: .venv/.installed .venv-cloud/.installed ## Deploy to a local cloud, and use it like many people (MINUTES=3 USERS=20 SEED=…)
	@exec $(BIN)/python -m tests.soak --minutes "$$MINUTES" --users "$$USERS" --seed "$$SEED"

clean: ## Remove what was built (the local cloud's data stays)
	rm -rf .venv .venv-* build mutants .chalice/deployments examples/verify/node/node_modules .*_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
