# `make` lists the targets. Everything installs itself into .venv; nothing outside this folder is changed.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help install run up repro check test test-all test-fast bench bench-accuracy bench-scale docs lock clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(INSTALLED) ## make .venv from the pins in requirements/

run: $(INSTALLED) ## run the pipeline, from the source to a registered model
	@$(BIN)/tidegate run

up: $(INSTALLED) ## start Prefect, MLflow and a worker on this machine, until Ctrl-C
	@exec $(BIN)/tidegate up

repro: $(INSTALLED) ## walk the same graph with DVC alone
	@$(BIN)/python -m tidegate.pipeline.lock $(BIN)/dvc repro

check: $(INSTALLED) ## lint, check types and import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

test: $(INSTALLED) ## run the tests
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not long"

test-all: $(INSTALLED) ## run the tests, and those that take minutes each
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/browser.txt
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

test-fast: $(INSTALLED) ## run the tests that need no whole pipeline
	@$(BIN)/pytest -m "not slow"

bench: $(INSTALLED) ## measure the drivers' overhead, what a forecast costs, and training (half an hour), into docs/speed.md
	@$(BIN)/python bench/overhead.py
	@$(BIN)/python bench/forecasting.py
	@$(BIN)/python bench/inference.py
	@$(BIN)/python bench/serving.py
	@$(BIN)/python bench/training.py
	@$(BIN)/python bench/feeding.py

bench-accuracy: $(INSTALLED) ## measure accuracy on published protocols (hours)
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/bench.txt
	@$(BIN)/python bench/accuracy.py

bench-scale: $(INSTALLED) ## measure how ingest, gate, windows and evaluation grow with the stations (15 minutes)
	@$(BIN)/python bench/scale.py

docs: $(INSTALLED) ## build the documentation into site/, and name figures that are older than what they show
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/docs.txt
	@$(BIN)/python docs/tables.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build -q
	@$(BIN)/python docs/check.py

lock: $(INSTALLED) ## resolve the pins anew
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--no-emit-find-links --python-version 3.11 requirements/uv.in -o requirements/uv.txt
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--no-emit-find-links --python-version 3.11 --all-extras --group dev pyproject.toml -o requirements/lock.txt
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--no-emit-find-links --python-version 3.11 -c requirements/lock.txt requirements/bench.in -o requirements/bench.txt
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--no-emit-find-links --python-version 3.11 -c requirements/lock.txt requirements/browser.in -o requirements/browser.txt
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--no-emit-find-links --python-version 3.11 -c requirements/lock.txt requirements/gpu.in -o requirements/gpu.txt
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--no-emit-find-links --python-version 3.11 -c requirements/lock.txt requirements/serve.in -o requirements/serve.txt
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--no-emit-find-links --python-version 3.11 -c requirements/lock.txt requirements/docs.in -o requirements/docs.txt

clean: ## remove what runs have made, but not data/ nor the registry
	rm -rf artifacts logs dvc.lock

# Byte-compiled at once: otherwise each process of a fresh machine may pay for it again. The site file lets
# `.venv/bin/dvc repro` find this environment's python though it is not activated. Prefect's database is made here,
# so that the first run need not wait for it,
# and the script that draws the charts of pages.
SITE_FILE := import os, sys; os.environ["PATH"] = os.pathsep.join([os.path.join(sys.prefix, "bin"), os.environ.get("PATH", "")])
$(INSTALLED): requirements/lock.txt requirements/uv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
		{ echo "Python 3.11 is needed; say where it is: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 2; }
	@echo "Installing into $(VENV), once (a minute or a few) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes --compile-bytecode requirements/lock.txt requirements/uv.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -c 'from tidegate.reporting.page import vega; vega()'
	@echo '$(SITE_FILE)' > $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tidegate.pth
	@PREFECT_HOME=$(CURDIR)/.prefect DO_NOT_TRACK=1 $(BIN)/prefect server database upgrade -y >/dev/null
	@$(BIN)/python -c "from tidegate.reporting.page import write_dvc_page; write_dvc_page()"
	@touch $@
