# Development commands. `make help` lists them.

# The first interpreter that is new enough; set PYTHON to use another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
# Side by side, the tests of one file in one process: much of their time they wait.
PYTEST := -m pytest --numprocesses=3 --dist=loadfile
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

PEERS := .venv-peers
PEERS_PIP := $(subst $(VENV),$(PEERS),$(subst constraints.txt,tests/benchmarks/clients/constraints.txt,$(PIP)))
INTEROP := .venv-interop
INTEROP_PIP := $(subst $(VENV),$(INTEROP),$(subst constraints.txt,tests/interop/constraints.txt,$(PIP)))

.DEFAULT_GOAL := help
.PHONY: help demo test generate check-generated lint format types wheel check-docs diff-api bench bench-stores bench-cpu bench-import bench-peers interop matrix soak mutation docs picture audit check full release-files release-tests release-check clean

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
	@$(RUN) docs/examples/demo.py

test: $(READY) ## run the tests
	@$(RUN) $(PYTEST)

generate: $(READY) ## rebuild generated/ from openapi/bitget-spot.yaml
	@$(RUN) openapi/generate.py

check-generated: $(READY) ## fail if generated/ is not what `make generate` produces
	@$(RUN) openapi/generate.py --check

lint: $(READY) ## check style, layers and the OpenAPI document
	@$(RUN) -m ruff check
	@$(RUN) -m ruff format --check
	@$(VENV)/bin/lint-imports --no-cache --no-logo
	@$(RUN) -m openapi_spec_validator openapi/bitget-spot.yaml

format: $(READY) ## fix style with ruff
	@$(RUN) -m ruff check --fix
	@$(RUN) -m ruff format

types: $(READY) ## check types with mypy, strict, over everything, and a user's program with pyright
	@$(RUN) -m mypy generated/bitget_spot_api overlay/bitget_spot openapi docs/examples tests noxfile.py
	@$(RUN) -m pyright --pythonpath $(RUN)

wheel: $(READY) ## build the wheel and test it in clean environments, with and without extras
	@$(RUN) tests/wheel.py

check-docs: $(READY) ## compare a vendor page with the document: PAGE=page.html
	@test -n "$(PAGE)" || { echo "Which page? make check-docs PAGE=path/to/page.html" >&2; exit 2; }
	@$(RUN) openapi/check_docs.py "$(PAGE)" $(if $(ACCEPT),--accept)

diff-api: $(READY) ## show what changed for importers since BASE=<revision>
	@$(RUN) openapi/diff_api.py $(BASE)

bench: $(READY) ## measure arrivals at the exchange over emulated networks: docs/arrivals.md
	@$(RUN) tests/benchmarks/arrivals.py

bench-stores: $(READY) ## measure the cost of a permit in memory, SQLite and Redis
	@$(RUN) tests/benchmarks/stores.py

bench-cpu: $(READY) ## measure the CPU cost of the middleware chain
	@$(RUN) tests/benchmarks/cpu.py

bench-import: $(READY) ## measure the time of an import
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

interop: $(INTEROP)/.ready ## run other clients against the sandbox; needs Node.js
	@BITGET_SPOT_INTEROP=1 $(INTEROP)/bin/python -m pytest tests/interop

$(PEERS)/.ready: pyproject.toml tests/benchmarks/clients/constraints.txt
	@echo "setting up $(PEERS) ..."
	@$(PYTHON) -m venv --clear $(PEERS)
	@$(PEERS_PIP) --upgrade pip
	@$(PEERS_PIP) --group peers
	@touch $@

bench-peers: $(READY) $(PEERS)/.ready ## compare with other clients: docs/peers.md
	@$(RUN) tests/benchmarks/peers.py

matrix: $(READY) ## run the tests on every Python, with the lowest versions, and with httpx2
	@$(PIP) --group matrix
	@$(RUN) -m nox

soak: $(READY) ## run the random tests with many more examples, and the load test
	@SOAK_EXAMPLES=10000 CONTRACT_EXAMPLES=1000 $(RUN) -m pytest tests/soak tests/fuzz tests/contract

mutation: $(READY) ## break the rules in every way, and check that a test fails
	@$(PIP) --group mutation
	@$(RUN) tests/mutation.py

docs: $(READY) ## build the site in docs/_build/html
	@$(RUN) -m sphinx -W --keep-going -n -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

picture: $(READY) ## record the demo: docs/demo.svg
	@$(RUN) docs/examples/record_demo.py

# Needs the internet: it queries a database of vulnerabilities.
audit: $(READY) ## check the installed versions for known vulnerabilities
	@$(PIP) --group audit
	@$(RUN) -m pip_audit --strict --disable-pip --no-deps --requirement constraints.txt

# With coverage itself instead of pytest's plugin, which starts after the package has been imported.
check: lint types check-generated ## run what must pass before a change is merged
	@$(RUN) openapi/diff_api.py --check
	@$(RUN) -m coverage erase
	@$(RUN) -m coverage run $(PYTEST)
	@$(RUN) -m coverage combine --quiet
	@$(RUN) -m coverage report
	@$(MAKE) --no-print-directory wheel

full: check docs interop matrix mutation bench-import bench-cpu bench-stores bench ## run check and the longer checks

release-files: $(READY) ## build wheel, sdist, SBOM and release notes in dist/, and check them and the workflows
	@$(PIP) --group release
	@$(RUN) tests/release.py $${TAG:+--tag "$$TAG"}
	@$(VENV)/bin/zizmor --offline --no-progress --quiet .github/workflows

release-tests: $(READY) ## run the tests against the wheel in dist/; SESSIONS="tests-3.13 httpx2" selects some
	@$(PIP) --group matrix
	@BITGET_SPOT_WHEEL="$$(echo dist/packages/*.whl)" $(RUN) -m nox $(if $(SESSIONS),--session $(SESSIONS))

release-check: release-files release-tests ## run every step of a release that publishes nothing

clean: ## remove what the targets have created
	rm -rf $(VENV) $(INTEROP) $(PEERS) docs/_build .nox .coverage* .mypy_cache .ruff_cache .pytest_cache dist
