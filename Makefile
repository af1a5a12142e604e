# All set-up is done here: a fresh machine needs only make and Python 3.11 or newer.
# Try: make run ARGS="--port 8000", make test ARGS="-k signup", make lint PYTHON=python3.13

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin

# Another virtualenv or a pip that installs for the user must not leak into ours.
unexport PYTHONHOME PYTHONPATH VIRTUAL_ENV
export PIP_USER := 0
PIP_INSTALL := $(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check

# What is low is ruff's (S); each exception to either stands in its line, with the reason.
DANGERS := --quiet --recursive --severity-level medium newsletter config.py wsgi.py

.DEFAULT_GOAL := help
VERSION ?= HEAD
RESTORE ?=

.PHONY: help run demo test axe standards lint format bench bench-large chaos audit setup setup-dev \
	lock upgrade rollback clean

help: ## Say what each command does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile

run: setup ## Run the site with its scheduler and mail catcher, on http://localhost:5000
	@exec $(BIN)/newsletter serve $(ARGS)

demo: setup ## Go the whole road once, from sign-up to delivered issue, and end
	@exec $(BIN)/newsletter demo $(ARGS)

test: setup-dev ## Run all tests
	@$(find_chromium); exec $(BIN)/python -m pytest $(ARGS)

standards: setup-dev ## Say which test proves which line of the standards
	@exec $(BIN)/python -m tests.standards

axe: setup-dev ## Look at every page in every language with axe (about eight minutes)
	@$(find_chromium); EVERY_PAGE=1 exec $(BIN)/python -m pytest tests/web/test_accessibility.py $(ARGS)

lint: setup-dev ## Check style, types, who imports whom, and what is dangerous
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/bandit $(DANGERS) >/dev/null 2>&1 || $(BIN)/bandit $(DANGERS)

format: setup-dev ## Put the code in the house style
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: setup-dev ## Measure the speed of sending, of workers and of pages, beside peers (fifteen minutes)
	@exec $(BIN)/python -m tests.bench $(ARGS)

bench-large: setup-dev ## The same with a million readers, end to end; writes docs/BENCHMARKS.md (an hour)
	@exec $(BIN)/python -m tests.bench --large $(ARGS)

chaos: setup-dev ## Kill the sender 200 times, cut hosts off, try the API, and 2000 courses of events (40 minutes)
	@$(BIN)/python -m tests.faults.chaos $(ARGS)
	@$(BIN)/python -m tests.cluster.chaos
	@EXAMPLES=$${EXAMPLES:-30} $(BIN)/python -m pytest -n 0 -q -s --timeout 0 \
		tests/api/test_schemathesis.py
	@HYPOTHESIS_EXAMPLES=$${HYPOTHESIS_EXAMPLES:-2000} exec $(BIN)/python -m pytest -n 0 -q \
		--timeout 0 tests/issues/test_cursor.py tests/bounces/test_any_bytes.py

audit: setup-dev ## Look for known holes, scan the running site, be slow with it (ten minutes)
	@exec $(BIN)/python -m tests.audit

setup: ## Prepare .venv for running (run and demo do this)
	@$(call install,requirements.lock,runtime,about half a minute)

setup-dev: ## Prepare .venv for developing (test and lint do this)
	@$(call install,requirements-dev.lock,dev,about a minute)

# Keeps the versions that are locked; make lock ARGS=--upgrade takes the newest.
lock: ## Choose the exact versions again, after a change in pyproject.toml
	@set -e; $(check_python); tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; trap 'exit 1' INT TERM; \
	echo "Locking the versions (about half a minute) ..."; \
	"$(PYTHON)" -m venv "$$tmp/venv"; \
	"$$tmp/venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check 'uv~=0.13'; \
	$(call compile,--group build,requirements.lock); \
	$(call compile,--group build --group dev --constraint requirements.lock,requirements-dev.lock)

upgrade: ## On a server, as root: release VERSION, with a backup before (docs/DEPLOY.md)
	@exec deploy/upgrade upgrade "$(VERSION)"

rollback: ## On a server, as root: the release of before; RESTORE=FILE puts a backup back, too
	@exec deploy/upgrade rollback "$(RESTORE)"

clean: ## Remove .venv and the caches; what the program wrote in instance/ stays
	@rm -rf $(VENV) build ./*.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache \
		.hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# $(call install,LOCK,NAME,HOW LONG): bring .venv up to LOCK, at once when it is there already.
# The stamp is a checksum of all that decides what is installed, written when everything stands.
# The dev lock holds the runtime's too, so it sets both stamps.
define install
set -e; \
stamp() { { echo "$(CURDIR)"; cat pyproject.toml "$$1"; } | cksum; }; \
want=$$(stamp $(1)); \
if [ "$$want" = "$$(cat $(VENV)/stamp-$(2) 2>/dev/null)" ] \
	&& $(BIN)/python -c '' 2>/dev/null; then exit 0; fi; \
rm -f $(VENV)/stamp-*; \
if ! $(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	$(check_python); "$(PYTHON)" -m venv --clear $(VENV); \
fi; \
echo "Installing the packages of $(1) into $(VENV) (the first time $(3)) ..."; \
$(PIP_INSTALL) --require-hashes --requirement $(1); \
$(PIP_INSTALL) --no-deps --no-build-isolation --editable .; \
[ $(2) = runtime ] || stamp requirements.lock > $(VENV)/stamp-runtime; \
echo "$$want" > $(VENV)/stamp-$(2)
endef

# Ends with one sentence when there is no Python that can make .venv.
define check_python
fail() { echo "$$*" >&2; exit 1; }; \
command -v "$(PYTHON)" >/dev/null \
	|| fail "Python 3.11 or newer is needed and '$(PYTHON)' is not there: install it (Debian:" \
		"apt-get install python3 python3-venv) or name yours, as in make PYTHON=/path/to/python3."; \
"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	|| fail "Python 3.11 or newer is needed and '$(PYTHON)' is older or does not start:" \
		"name a newer one, as in make PYTHON=python3.13."; \
"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null \
	|| fail "Python's venv module is missing: install it (Debian: apt-get install" \
		"$$("$(PYTHON)" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'))."
endef

# $(call compile,OPTIONS,FILE): one lock file, with nothing of this machine in it.
define compile
"$$tmp/venv/bin/uv" pip compile --quiet --no-config --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" $(ARGS) $(1) --output-file $(2) pyproject.toml >/dev/null
endef

# Sets CHROMIUM, which the browser tests start: the system's, or else Playwright's own (no root).
define find_chromium
[ -n "$$CHROMIUM" ] || for name in chromium chromium-browser google-chrome google-chrome-stable; do \
	CHROMIUM=$$(command -v $$name) && break; \
done; \
playwright_chromium() { $(BIN)/python -c 'import os; \
	from playwright.sync_api import sync_playwright as start; p = start().start(); \
	path = p.chromium.executable_path; p.stop(); print(path if os.path.exists(path) else "")'; }; \
[ -n "$$CHROMIUM" ] || CHROMIUM=$$(playwright_chromium); \
if [ -z "$$CHROMIUM" ]; then \
	echo "Fetching Chromium for the browser tests (about a minute) ..."; \
	$(BIN)/python -m playwright install chromium >/dev/null 2>&1 || true; \
	CHROMIUM=$$(playwright_chromium); \
fi; \
[ -n "$$CHROMIUM" ] || echo "Chromium is missing, so the browser tests are skipped" \
	"(Debian: sudo apt-get install chromium)."; \
export CHROMIUM
endef
