# make help says what there is. PORT, FIRMAMENT_VAR and EMPTY=1 are honoured, on the command line or in the environment.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
PY := .venv/bin/python
READY := .venv/.complete
TESTS ?=

.DEFAULT_GOAL := help
.PHONY: help setup run test check soak mutants audit bench fmt

help: ## what there is to do
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18
	@echo "  make run EMPTY=1  the same with an empty firm, in a database of its own"

setup: $(READY) ## make the environment in .venv

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed on the path."; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Say which: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Making the environment in .venv …"
	@test -x $(PY) || "$(PYTHON)" -m venv .venv
	@$(PY) -m pip install -qq --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(PY) -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[local]' --group dev
	@touch $(READY)

run: $(READY) ## start everything; Ctrl-C stops it
	@exec $(PY) -m app.cli up

test: $(READY) ## every test, on real services and a real browser (TESTS=tests/core for some)
	@bash .ci/chromium
	@exec $(PY) -m pytest -q -n 3 --dist worksteal $(TESTS)

check: $(READY) ## the quick loop: lint, types, the order of rooms, tests without a database and of changed rooms
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports
	@exec $(PY) -m pytest -q -n 2 --quick $(TESTS)

soak: $(READY) ## hours of random histories, simulated firms and every act of tampering (FIRMAMENT_EXAMPLES=10000 histories, from SEED=1000 on)
	@FIRMAMENT_EXAMPLES=$${FIRMAMENT_EXAMPLES:-10000} exec $(PY) -m pytest -v -n 2 -m soak $(TESTS)

mutants: $(READY) ## take a call out of a random command, N=40 times (SEED=7, OF=command), and say what the tests noticed
	@N=$(N) SEED=$(SEED) OF=$(OF) exec $(PY) -m tests.mutants

audit: $(READY) ## the deployment of deploy/ on services of its own, with https, and the main job through it
	@bash .ci/chromium
	@bash .ci/services
	@exec $(PY) -m pytest -q -s -m audit tests/audit

bench: $(READY) ## measure; the table goes to the screen and to var/bench.json (SIZES=100,1000)
	@exec $(PY) -m tests.bench

fmt: $(READY) ## put imports and simple things in order
	@$(PY) -m ruff check --fix --exit-zero .
