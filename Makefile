# Every target does its own set-up in .venv; nothing is installed outside this folder
# except, for root on a Debian machine, the packages that `make test` needs.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && command -v $$p && break; done)
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo serve test test-full bench simulate chaos fuzz clean

demo: .venv/requirements-local.txt avatars/default.mp4
	$(BIN)/python handler.py

serve: .venv/requirements-local.txt avatars/default.mp4
	$(BIN)/python -m shim

test: .venv/requirements-test.txt avatars/default.mp4
	sh tests/install_packages.sh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

# The networks at their full size, thousands of requests, and a short run of chaos: 10 GB of memory.
test-full: .venv/requirements-test.txt
	$(BIN)/python -m pytest -m full

bench: .venv/requirements-test.txt avatars/default.mp4
	$(BIN)/python -m bench

# Workers on RunPod's own SDK, started and ended as its scaler does it: three and a half minutes.
simulate: .venv/requirements-test.txt
	$(BIN)/python -m bench.scaling.simulate

# More than 20,000 cases at the doors that callers' data comes through: about twenty minutes on two busy cores.
fuzz: .venv/requirements-test.txt
	$(BIN)/python -m tests.fuzz

# Workers on RunPod's own SDK while everything around them fails: ten minutes at most.
chaos: .venv/requirements-test.txt
	$(BIN)/python -m tests.chaos

avatars/default.mp4: | .venv/requirements-local.txt
	$(BIN)/python -m builder.default_avatar --out $@

.venv/requirements-local.txt: builder/requirements-local.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -r $<
	cp $< $@

.venv/requirements-test.txt: builder/requirements-test.txt .venv/requirements-local.txt
	$(BIN)/python -m pip install --quiet -r $<
	cp $< $@

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "This needs Python 3.11, 3.12 or 3.13. On Debian or Ubuntu: apt install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) lacks its venv module. On Debian or Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv

clean:
	rm -rf .venv data outputs avatars .mypy_cache .ruff_cache .pytest_cache
