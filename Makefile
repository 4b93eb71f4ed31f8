# Two commands do everything on a machine that has Python 3.11 or newer: `make demo`, `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# The language server and the judge of schemas that tests/editors drives. npm itself writes this file, last of all.
EDITORS := tests/editors/node_modules/.package-lock.json
# Where money is decided, every branch is tested.
WHOLE  := wanbatch/jobs/*,wanbatch/service/client.py,wanbatch/manifest/prompt.py

.PHONY: demo test format lint types unit editors docs lowest bench campaign mutation clean

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "wanbatch needs Python 3.11 or newer; say which: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(STAMP)  ## the main job on the built-in simulator: no key, no money
	$(BIN)/wanbatch run manifests/night-train.yaml --simulate --yes

test: format lint types unit  ## every check

format: $(STAMP)
	$(BIN)/ruff format --check .

lint: $(STAMP)
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

unit: $(STAMP) $(EDITORS)
	$(BIN)/pytest -n auto --cov --cov-report=term:skip-covered -q
	$(BIN)/coverage report --include='$(WHOLE)' --skip-covered --fail-under=100

editors: $(EDITORS)  ## what the tests of editor support need; without npm or network it says so, and those tests skip

$(EDITORS): tests/editors/package-lock.json tests/editors/node.py | $(STAMP)
	@$(BIN)/python tests/editors/node.py

docs: $(STAMP)  ## rewrite what is generated from the code
	$(BIN)/python docs/generate.py

lowest: pyproject.toml  ## the tests with the oldest dependencies that are supported
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet --editable '.[dev]' --constraint tests/lowest.txt
	$(VENV)-lowest/bin/pytest -n auto -q --deselect tests/test_wheel.py

campaign: $(STAMP)  ## the long campaigns of kills and faults; docs/TRACK_RECORD.md holds the last figures
	$(BIN)/python campaigns/all.py

mutation: $(STAMP)  ## does any test notice? each line of wanbatch/jobs changed, against the tests; some 20 minutes
	$(BIN)/python campaigns/mutation.py --floor 95

bench: $(STAMP)  ## the figures of docs/performance.md
	$(BIN)/python benchmarks/bench.py

clean:
	rm -rf $(VENV) $(VENV)-lowest tests/editors/node_modules out dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
