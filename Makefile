# run, test, check, bench, soak and test-claude each do their own set-up from a fresh clone.
# Needs: Python >= 3.11 with venv, tmux, make.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run test test-claude lint check bench soak autobahn format lock clean

help:
	@echo "make run    start Questmux and print where it is (Ctrl-C stops it)"
	@echo "make test   run every test"
	@echo "make check  format, lint, types, import rules, tests with coverage"
	@echo "make test-claude  play the newest real Claude Code against this checkout (needs npm, Linux)"
	@echo "make bench  print the measured figures beside their goals"
	@echo "make autobahn  play the Autobahn testsuite against the gateway (needs wstest, see docs/testing-websocket.md)"
	@echo "make soak   hold one gateway to its goals with a thousand clients and more (about ten minutes)"

.venv/run.stamp: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "questmux needs Python 3.11 or newer: install python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "questmux needs Python 3.11 or newer; this is $$($(PYTHON) -V)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "questmux needs Python's venv module (Debian, Ubuntu: apt install python3-venv)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev.stamp: .venv/run.stamp requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

run: .venv/run.stamp
	@exec $(BIN)/questmux up

test: .venv/dev.stamp
	@command -v tmux >/dev/null || { echo "the tests need tmux (Debian, Ubuntu: apt install tmux; macOS: brew install tmux)"; exit 1; }
	$(BIN)/python -m pytest

# Installs Claude Code from npm, then runs without any network. No part of CI: it follows a program that changes weekly.
test-claude: .venv/dev.stamp
	@$(BIN)/python -m tests.claude

lint: .venv/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# pyright brings its own Node.js on first use, so it stands here and not in CI's lint.
check: lint
	$(BIN)/pyright
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=95

bench: .venv/dev.stamp
	$(BIN)/python -m bench

# By hand: wstest is a program for Python 2.7.
autobahn: .venv/dev.stamp
	$(BIN)/python -m tests.autobahn

soak: .venv/dev.stamp
	$(BIN)/python -m pytest tests/soak --long --timeout 600 -p no:randomly

format: .venv/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Hashes, no index address: the lock names no host.
lock:
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv
	printf 'hatchling\neditables\n' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml - -o requirements.lock
	printf 'hatchling\neditables\n' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --group dev pyproject.toml - -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis htmlcov
