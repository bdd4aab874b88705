# Every target sets up what it needs: .venv with the newest Python of 3.11 to 3.13 found, or the one that PYTHON= names.
.DEFAULT_GOAL := help
.PHONY: help setup demo test docs samples bench bench-check lock clean
export PYTHON

IN_VENV := .venv/bin/python -m

help:  ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s  %s\n", $$1, $$2 }' Makefile
	@echo 'PYTHON=/path/to/python3 with any of them chooses the interpreter.'

setup:  ## make .venv, or bring it up to date
	@sh .ci/setup

demo: setup  ## run the demonstration
	@.venv/bin/qqlab demo --force

test: setup  ## lint, format and type checks, then the tests
	$(IN_VENV) ruff check .
	$(IN_VENV) ruff format --check .
	$(IN_VENV) mypy
	$(IN_VENV) pytest

docs: setup  ## write the generated reference in docs/ anew
	@.venv/bin/python docs/generate.py

samples: setup  ## write the committed captures and reports anew, after a change of spec, codec or report
	@.venv/bin/qqlab import captures/forum-2005.txt -o captures/forum-2005.jsonl --force
	@.venv/bin/python captures/refresh.py captures/demo.jsonl captures/lines.jsonl
	@.venv/bin/qqlab report captures/forum-2005.jsonl -o reports/forum-2005 --force
	@.venv/bin/qqlab report captures/demo.jsonl -o reports/demo --force

bench: setup  ## measure everything beside its peers (20 minutes) into reports/bench.md; BENCH=name for one, OPTIONS=--long
	@sh .ci/peers
	@.venv/bin/python benchmarks/run.py $(OPTIONS) $(BENCH)

bench-check: setup  ## fail where a ratio of reports/bench.json is below its floor (benchmarks/floors.toml)
	@.venv/bin/python benchmarks/check.py

lock:  ## write requirements.lock anew from pyproject.toml; LOCK_OPTIONS=--upgrade for newer versions
	@sh .ci/pin $(LOCK_OPTIONS)

clean:  ## remove .venv, caches and builds
	rm -rf .venv .peers .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
