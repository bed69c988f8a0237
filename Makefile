# The habits of this project. `make help` lists them.

# The first interpreter that is new enough; set PYTHON to use another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

PEERS := .venv-peers
PEERS_PIP := $(subst $(VENV),$(PEERS),$(subst constraints.txt,tests/benchmarks/clients/constraints.txt,$(PIP)))
INTEROP := .venv-interop
INTEROP_PIP := $(subst $(VENV),$(INTEROP),$(subst constraints.txt,tests/interop/constraints.txt,$(PIP)))

.DEFAULT_GOAL := help
.PHONY: help demo test generate check-generated lint format types wheel check-docs diff-api bench bench-stores bench-cpu bench-import bench-peers interop matrix soak mutation docs picture audit check full clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1 \t\2/p' $(MAKEFILE_LIST) | expand -t 24

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer found: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade pip
	@$(PIP) --build-constraint constraints.txt --editable '.[all]' --group dev
	@touch $@

demo: $(READY) ## cancel real batches against a local sandbox exchange
	@$(RUN) tests/examples/demo.py

test: $(READY) ## run the tests
	@$(RUN) -m pytest

generate: $(READY) ## rebuild generated/bitget_spot_api/ from openapi/bitget-spot.yaml
	@$(RUN) openapi/generate.py

check-generated: $(READY) ## fail, naming the files, if generated/ is not what the document gives
	@$(RUN) openapi/generate.py --check

lint: $(READY) ## check style and the OpenAPI document
	@$(RUN) -m ruff check
	@$(RUN) -m ruff format --check
	@$(RUN) -m openapi_spec_validator openapi/bitget-spot.yaml

format: $(READY) ## let ruff mend what it can
	@$(RUN) -m ruff check --fix
	@$(RUN) -m ruff format

types: $(READY) ## mypy, strict, over everything
	@$(RUN) -m mypy generated/bitget_spot_api overlay/bitget_spot openapi tests

wheel: $(READY) ## build the wheel and use it in clean environments, with and without extras
	@$(RUN) tests/wheel.py

check-docs: $(READY) ## hold a vendor page against the document: make check-docs PAGE=page.md
	@test -n "$(PAGE)" || { echo "Which page? make check-docs PAGE=path/to/page.md" >&2; exit 2; }
	@$(RUN) openapi/check_docs.py "$(PAGE)" $(if $(ACCEPT),--accept)

diff-api: $(READY) ## what has changed for importers since BASE=<revision>, breaking changes first
	@$(RUN) openapi/diff_api.py $(BASE)

bench: $(READY) ## arrivals at the exchange, policy by policy, over emulated lines: docs/arrivals.md and .svg
	@$(RUN) tests/benchmarks/arrivals.py

bench-stores: $(READY) ## what a slot costs in memory, SQLite and Redis
	@$(RUN) tests/benchmarks/stores.py

bench-cpu: $(READY) ## what the chain costs, as a ratio to the same call over nothing but a signature
	@$(RUN) tests/benchmarks/cpu.py

bench-import: $(READY) ## what an import costs, as a ratio to what it cannot do without
	@$(RUN) tests/benchmarks/imports.py

$(INTEROP)/.ready: pyproject.toml tests/interop/constraints.txt tests/interop/package-lock.json
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer found: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@command -v npm > /dev/null || { echo "make interop needs Node.js and npm" >&2; exit 1; }
	@echo "setting up $(INTEROP) ..."
	@$(PYTHON) -m venv --clear $(INTEROP)
	@$(INTEROP_PIP) --upgrade pip
	@$(INTEROP_PIP) --build-constraint constraints.txt --editable '.[rsa,sandbox]' --group interop
	@cp tests/interop/package.json tests/interop/package-lock.json tests/interop/.npmrc $(INTEROP)
	@cd $(INTEROP) && npm ci --loglevel=error
	@touch $@

interop: $(INTEROP)/.ready ## others' clients against the sandbox, and our signatures against theirs; needs Node.js
	@BITGET_SPOT_INTEROP=1 $(INTEROP)/bin/python -m pytest tests/interop

$(PEERS)/.ready: pyproject.toml tests/benchmarks/clients/constraints.txt
	@echo "setting up $(PEERS) ..."
	@$(PYTHON) -m venv --clear $(PEERS)
	@$(PEERS_PIP) --upgrade pip
	@$(PEERS_PIP) --group peers
	@touch $@

bench-peers: $(READY) $(PEERS)/.ready ## beside the clients that others would use: docs/peers.md and .svg
	@$(RUN) tests/benchmarks/peers.py

matrix: $(READY) ## the tests on every Python, on the lowest versions allowed, and over httpx2
	@$(PIP) --group matrix
	@$(RUN) tests/matrix.py

soak: $(READY) ## random worlds, hostile input and load, for as long as it takes
	@SOAK_EXAMPLES=10000 JUDGE_EXAMPLES=1000 $(RUN) -m pytest tests/soak tests/fuzz tests/judges

mutation: $(READY) ## break every rule in every way, and see that the tests notice
	@$(PIP) --group mutation
	@$(RUN) tests/mutation.py

docs: $(READY) ## build the site: docs/_build/html/index.html
	@$(RUN) -m sphinx -W --keep-going -n -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

picture: $(READY) ## record the demo anew: docs/demo.svg
	@$(RUN) tests/examples/record_demo.py

# Needs the internet: it asks a database of known holes.
audit: $(READY) ## look for known holes in what the set-up installs
	@$(PIP) --group audit
	@$(RUN) -m pip_audit --strict --disable-pip --no-deps --requirement constraints.txt

# By coverage itself, not by pytest's plugin: the package is imported before that would begin to look.
check: lint types check-generated ## everything that must hold before a change lands
	@$(RUN) openapi/diff_api.py --check
	@$(RUN) -m coverage erase
	@$(RUN) -m coverage run -m pytest
	@$(RUN) -m coverage combine --quiet
	@$(RUN) -m coverage report
	@$(MAKE) --no-print-directory wheel

full: check docs interop matrix mutation bench-import bench-cpu bench-stores bench ## check, and the longer runs

clean: ## remove what the targets have made
	rm -rf $(VENV) $(INTEROP) $(PEERS) docs/_build .coverage* .mypy_cache .ruff_cache .pytest_cache dist
