# Everything runs in .venv, made on demand from hash-locked requirements; nothing else on the machine is touched.
#
#   requirements-build.txt   what builds the package itself (and the few dependencies that come as source)
#   requirements.txt         what a gateway, its command line and the demo need
#   requirements-dev.txt     that, and what the tests and checks need

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# the locks are made with 3.11; 3.12 and 3.13 work with them too
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
PIP := .venv/bin/python -m pip --disable-pip-version-check
FOLDER ?= deployment
JOBS ?= 2
ARGS ?=

# What is said about installing goes to stderr, so that `make demo ARGS=--json` prints one document and nothing else.
define install
	@total=$$(grep -c '==' $(1)); \
	echo "Installing $$total packages from $(1) into .venv (once)" >&2; \
	count='/^ *(Collecting|Requirement already)/ { printf "\r%4d of %d  %-48.48s", ++n, total, $$2 == "already" ? $$4 : $$2; fflush() } END { printf "\r%64s\r", "" }'; \
	show() { if [ -t 2 ]; then awk -v total="$$total" "$$count" >&2; else cat >/dev/null; fi; }; \
	$(PIP) -q install --no-compile --require-hashes --only-binary :all: -r requirements-build.txt; \
	$(PIP) install --no-compile --require-hashes --no-build-isolation --use-pep517 --progress-bar off -r $(1) | show; \
	out=$$($(PIP) -q install --no-deps --no-build-isolation --editable . 2>&1) || { echo "$$out" >&2; exit 1; }
endef

##@ Use it
.PHONY: demo run kafka bench install install-hsm install-cluster
demo: .venv/.gateway ## the whole job, for real, as a story (ARGS=--json: as one JSON document)
	@.venv/bin/setu demo $(ARGS)

demo-cluster: .venv/.test ## the same on real Kafka and PostgreSQL, two gateways, two relays; parts of it are killed on the way
	@.venv/bin/setu demo --cluster $(ARGS)

drill: .venv/.test ## every fault put into such a cluster under load, and a check that nothing is lost (ARGS="--packets 5000")
	@.venv/bin/setu drill faults $(ARGS)

run: .venv/.gateway ## serve a demo realm, kept in the folder deployment (FOLDER=... for another)
	@[ -e "$(FOLDER)/setu.toml" ] || .venv/bin/setu init "$(FOLDER)" --demo
	@.venv/bin/setu serve --config "$(FOLDER)/setu.toml" $(ARGS)

kafka: .venv/.test ## one real Kafka on this machine for the demo realm in the folder deployment (deploy/kafka)
	@[ -e "$(FOLDER)/setu.toml" ] || .venv/bin/setu init "$(FOLDER)" --demo
	@.venv/bin/setu topics certificates --config "$(FOLDER)/setu.toml"
	@.venv/bin/python deploy/kafka/run.py "$(FOLDER)/kafka" $(ARGS)

bench: .venv/.gateway ## accepted packets per second and core, beside what the cryptography alone allows
	@.venv/bin/setu bench accept $(ARGS)

install: .venv/.gateway ## only make .venv, with what a gateway needs, and compile it
	@.venv/bin/python -m compileall -q .venv/lib adapters broker schemas

install-hsm: install .venv/.hsm ## that, with what reaches keys in an HSM by PKCS #11

install-cluster: install .venv/.cluster ## that, with the clients of PostgreSQL and Kafka

##@ Change it
.PHONY: test test-long check check-lint check-format check-types check-imports check-tree parts format spec lock
test: .venv/.test ## every test but the long ones (ARGS="-k name" to choose, JOBS=1 for one after the other)
	@.venv/bin/python -m pytest -q -n $(JOBS) --dist loadfile $(ARGS)

test-long: .venv/.test ## the long ones: hundreds of kills, big logs
	@.venv/bin/python -m pytest -q -m long $(ARGS)

check: check-lint check-format check-types check-imports check-tree ## ruff, mypy, import contracts, the shape of the tree

check-lint: .venv/.test
	@echo "lint" && .venv/bin/ruff check -q .

check-format: .venv/.test
	@echo "format" && .venv/bin/ruff format -q --check . || { echo "Run: make format" >&2; exit 1; }

check-types: .venv/.test
	@echo "types" && .venv/bin/mypy --no-error-summary

check-imports: .venv/.test
	@echo "import contracts" && out=$$(.venv/bin/lint-imports 2>&1) || { echo "$$out" >&2; exit 1; }

check-tree: .venv/.test
	@echo "tree" && .venv/bin/python -m pytest -q --no-header tests/arch

parts: ## Debian's packages that some tests need: HAProxy, promtool, kcat, docker-compose, SoftHSM (as root: sudo make parts)
	@.ci/parts

format: .venv/.test ## let ruff rewrite what it can
	@.venv/bin/ruff check -q --fix . || true
	@.venv/bin/ruff format -q .

spec: .venv/.test ## write what is published of models and routes into schemas/spec
	@.venv/bin/setu schema publish

# An index, links or a proxy set on this machine must not find their way into the locks.
COMPILE = env -u PIP_FIND_LINKS -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL -u PIP_TRUSTED_HOST \
	.venv/bin/pip-compile -q --generate-hashes --allow-unsafe --strip-extras --no-header --no-emit-options \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host $(if $(UPGRADE),--upgrade) pyproject.toml

lock: .venv/.test ## write the requirements anew from pyproject.toml (UPGRADE=1: newest versions)
	@.venv/bin/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Make the locks with Python 3.11")'
	@compile() { echo "$${@: -1}"; out=$$($(COMPILE) "$$@" 2>&1) || { echo "$$out" >&2; exit 1; }; }; \
	compile --only-build-deps --all-build-deps -o requirements-build.txt; \
	compile --extra gateway -c requirements-build.txt -o requirements.txt; \
	compile --extra gateway --extra test -c requirements-build.txt -c requirements.txt -o requirements-dev.txt
	@git diff --stat -- 'requirements*.txt'

##@ The rest
.PHONY: clean help
clean: ## remove .venv, builds and caches (never a deployment)
	@rm -rf .venv build dist *.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find adapters broker schemas tests -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## this list
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

.venv/.made:
	@[ -n "$(PYTHON)" ] || { echo "Expected Python 3.11 or newer on the PATH, found none. Install it, or name it: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv --clear .venv || { echo "Making .venv failed. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@touch $@

.venv/.gateway: requirements.txt requirements-build.txt pyproject.toml | .venv/.made
	$(call install,requirements.txt)
	@touch $@

# The development lock serves as constraints, for the hashes that it has.
.venv/.cluster: requirements-dev.txt | .venv/.gateway
	@$(PIP) -q install --no-compile --require-hashes --only-binary :all: -c requirements-dev.txt \
		aiokafka confluent-kafka 'psycopg[binary]'
	@touch $@

.venv/.hsm: requirements-dev.txt | .venv/.gateway
	@$(PIP) -q install --no-compile --require-hashes --only-binary :all: -c requirements-dev.txt python-pkcs11
	@touch $@

.venv/.test: requirements-dev.txt requirements-build.txt pyproject.toml | .venv/.made
	$(call install,requirements-dev.txt)
	@touch .venv/.gateway $@
