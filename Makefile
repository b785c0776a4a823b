# One door for people and CI alike. `make help` lists the targets; everything else is a program that a target calls.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

VENV := .venv
PYTHON := $(VENV)/bin/python
# Written last by .ci/setup: the environment is complete and as new as the lock file.
READY := $(VENV)/.complete
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

# Seeds of the simulation in `make test` and `make simulate`.
SEEDS ?= 2000
# How long the simulation part of `make soak` goes on.
MINUTES_OF_SOAK ?= 30
# Rounds of `make failover`.
KILLS ?= 30
TRANSFERS ?= 20
# Where `make image` puts an archive for sites without a registry; empty: none.
ARCHIVE ?=
# Which scenarios `make molecule` goes through.
SCENARIO ?= default failover-5 failover-4
# Whose machines `make cluster` and its relatives work on.
INVENTORY ?= inventories/local
# Typed for `make cluster-remove`: the cluster whose data is to go.
CLUSTER_ID ?=
# Where `make processes` puts its five nodes: this address and the following ones.
BASE ?= 127.0.0.11

PLAYBOOK = ansible-playbook -i $(INVENTORY)

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "make %-16s %s\n", $$1, $$2 }'

.PHONY: setup
setup: $(READY) ## create .venv from the lock file and install what the tests need

$(READY): requirements.lock pyproject.toml .ci/setup
	@.ci/setup $(VENV)

# ---- checks ---------------------------------------------------------------------------------------------------------

.PHONY: check
check: static unit ## format, lint, types, imports, generated code, unit tests

.PHONY: static
static: format-check lint types imports generated playbooks-lint

.PHONY: format
format: $(READY) ## rewrite the sources in the one format
	@ruff format .

.PHONY: format-check
format-check: $(READY)
	@ruff format --check --quiet . || { echo "run: make format"; exit 1; }

.PHONY: lint
lint: $(READY) ## ruff
	@ruff check .

.PHONY: types
types: $(READY) ## mypy --strict
	@mypy
	@MYPYPATH=images mypy images/*.py molecule/node/make.py molecule/shared/summary.py

.PHONY: imports
imports: $(READY) ## which room may know which
	@lint-imports --no-cache

.PHONY: generated
generated: $(READY)
	@$(PYTHON) proto/generate.py --check || { echo "run: make proto"; exit 1; }

.PHONY: playbooks-lint
playbooks-lint: $(READY) ## ansible-lint (profile production), yamllint, READMEs of roles against their argument specs
	@ansible-lint --offline -q
	@yamllint -s .ansible-lint .yamllint .config site.yml playbooks/*.yml roles inventories molecule
	@$(PYTHON) -m tests.ansible.role_docs --check

.PHONY: unit
unit: $(READY) ## the tests that need no processes
	@pytest -q

.PHONY: test
test: static ## check, end-to-end tests, molecule's scenarios and SEEDS=2000 seeds of the simulation
	@ELASTICKV_SIM_SEEDS=$(SEEDS) pytest -q -m "not bench"

.PHONY: molecule
molecule: $(READY) ## SCENARIO="default failover-5 failover-4": deploy on machines that are containers, break it, prove it
	@for scenario in $(SCENARIO); do \
		MOLECULE_COMMAND_BORDERS=false molecule test -s $$scenario; \
		echo "$$scenario: green after $$SECONDS s"; \
	done
	@$(PYTHON) molecule/shared/summary.py --show $(SCENARIO:%=build/molecule/%)

.PHONY: simulate
simulate: $(READY) ## SEEDS=2000 seeds of the simulation alone
	@ELASTICKV_SIM_SEEDS=$(SEEDS) pytest -q -m "not bench" tests/simulation

.PHONY: soak
soak: $(READY) ## new seeds of the simulation for MINUTES_OF_SOAK=30, then kills and transfers on real processes
	@$(PYTHON) -m tests.kit.sim --seeds 100000000 --start "$$(date +%s)" --minutes $(MINUTES_OF_SOAK)
	@$(PYTHON) -m tests.e2e.failover --kills 100 --transfers 100

.PHONY: bench
bench: $(READY) ## numbers; asserts nothing
	@pytest -q -s -m bench --timeout 0

.PHONY: failover
failover: $(READY) ## KILLS=30 kills -9 of the leader and TRANSFERS=20 planned hand-overs under load, as a table
	@$(PYTHON) -m tests.e2e.failover --kills $(KILLS) --transfers $(TRANSFERS)

# ---- programs -------------------------------------------------------------------------------------------------------

.PHONY: cluster
cluster: image ## five containers on 127.0.0.11 to .15, verified; INVENTORY=inventories/... for machines of your own
	@$(PLAYBOOK) site.yml

.PHONY: cluster-status
cluster-status: $(READY) ## how that cluster is
	@$(PLAYBOOK) playbooks/status.yml

.PHONY: cluster-verify
cluster-verify: $(READY) ## steps 5 and 6 of the guide, with grpcurl and redis-cli
	@$(PLAYBOOK) playbooks/verify.yml

.PHONY: cluster-drill
cluster-drill: $(READY) ## step 7 of the guide: two nodes stopped under a running client; leaves a report
	@$(PLAYBOOK) playbooks/drill.yml

.PHONY: cluster-stop
cluster-stop: $(READY) ## stop its containers; make cluster brings them back with their data
	@$(PLAYBOOK) playbooks/stop.yml

.PHONY: cluster-remove
cluster-remove: $(READY) ## remove its containers and, with CLUSTER_ID=..., its data
	@$(PLAYBOOK) playbooks/cleanup.yml $(if $(CLUSTER_ID),-e elastickv_cleanup_data=true -e elastickv_cleanup_cluster_id=$(CLUSTER_ID))

.PHONY: processes
processes: $(READY) ## the same five nodes as plain processes of this checkout, from BASE=127.0.0.11 on, always new
	@$(PYTHON) -m tests.kit.local_cluster start --base $(BASE) --fresh

.PHONY: processes-stop
processes-stop: $(READY) ## end those processes
	@$(PYTHON) -m tests.kit.local_cluster stop

.PHONY: image
image: $(READY) ## elastickv:<version> and :latest; ARCHIVE=dist also writes the archive and SHA256SUMS
	@$(PYTHON) images/build.py $(if $(ARCHIVE),--archive $(ARCHIVE))

.PHONY: proto
proto: $(READY) ## elastickv/pb from proto/
	@$(PYTHON) proto/generate.py

.PHONY: docs
docs: $(READY) ## docs/flags.md, docs/dynamodb.md and docs/redis.md from the declarations, READMEs of roles from their specs
	@$(PYTHON) -m tests.ansible.role_docs
	@$(PYTHON) -c 'import elastickv.config as c; open("docs/flags.md", "w", encoding="utf-8").write(c.markdown())'
	@$(PYTHON) -m elastickv.dynamodb_api.reference docs/dynamodb.md
	@$(PYTHON) -m elastickv.redis_api.reference docs/redis.md

.PHONY: lock
lock: ## requirements.lock from pyproject.toml, in an environment of its own
	@.ci/lock

.PHONY: clean
clean: processes-stop ## everything that is not in git, except .venv and what make cluster made
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
