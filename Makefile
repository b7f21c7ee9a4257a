# make setup | demo | test | quick | check | bench. Needs Python 3.11 or newer, make, and the package registry that pip knows.
#
#   PYTHON=python3.12   the Python that .venv is made with
#   TORCH_INDEX=...     PyTorch's wheel index for your machine, as its own install page names it (default: the registry)
#   SAY="a sentence"    what `make demo` translates and shows

PYTHON ?= python3
TORCH_INDEX ?=
# Three stamps, each written last, so that a set-up that was interrupted leaves none and goes on where it stood.
DEMO := .venv/.demo
READY := .venv/.ready
SCRIPTS := node_modules/.ready
WHOLE := ".[all,dev]"

# SAY reaches the recipe through the environment, as it was typed: quotes and dollars in it are nobody's syntax.
override SAY := $(value SAY)
export SAY

# pip with a line for each package that is loaded; its own words, the last of them, where it fails.
PIP = { .venv/bin/python -m pip install --disable-pip-version-check --no-color --progress-bar off $(1) 2>&1 || \
	echo "pip has failed"; } | awk ' \
	/^ *(Downloading|Using cached) .*[(]/ { name = $$0; sub(/^ *(Downloading|Using cached) /, "", name); \
	sub(/-(py|cp)[0-9].*[.]whl/, "", name); print "  " name; fflush() } \
	/^Installing collected packages/ { print "  unpacking " NF - 3 " packages"; fflush() } \
	{ said[NR % 20] = $$0 } \
	/^pip has failed$$/ { for (i = NR + 1; i < NR + 20; i++) if (said[i % 20] != "") print said[i % 20]; exit 1 }'

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test quick check bench

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(READY) ## make .venv with everything that is needed; instant when it is there
	@:

# A .venv without a working pip is made anew. The sizes are those of Linux, measured; a PyTorch for GPUs has some GB.
$(DEMO): pyproject.toml constraints.txt
	@rm -f $(DEMO) $(READY)
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || { $(PYTHON) -c 'import sys; sys.exit( \
	sys.version_info < (3, 11) and "clearhead needs Python 3.11 or newer, this is " + sys.version.split()[0] + \
	"\n  fix: name a newer one, for example: make setup PYTHON=python3.12")' && echo "making .venv" && \
	$(PYTHON) -m venv --clear .venv; }
	@.venv/bin/python -c 'import torch' >/dev/null 2>&1 || { \
	echo "installing PyTorch: about 200 MB to load, 0.9 GB on disk (with GPUs some GB more)"; \
	$(call PIP,$(if $(TORCH_INDEX),--index-url "$(TORCH_INDEX)",-c constraints.txt) \
	"$$(grep '^torch==' constraints.txt)"); }
	@echo "installing clearhead and what the demo needs: about 60 MB to load, 270 MB on disk"
	@$(call PIP,-c constraints.txt -e ".[demo]")
	@touch $@

$(READY): $(DEMO)
	@rm -f $@
	@echo "installing what everything else and the tests need: about 360 MB to load, 1.3 GB on disk"
	@$(call PIP,-c constraints.txt -e $(WHOLE))
	@touch $@

demo: $(DEMO) ## train a small translator, then look inside it (SAY="a sentence" of yours)
	@.venv/bin/clearhead demo --out models/demo $${SAY:+"--say=$$SAY"}

test: $(READY) ## run every test
	@.venv/bin/python -m pytest

quick: $(READY) ## tests without a browser, processes of their own and the compiler
	@.venv/bin/python -m pytest -m "not (browser or process or compiler)"

# The versions of package-lock.json, none of whose own scripts is run. The npm is that of the extra `dev`.
$(SCRIPTS): package.json package-lock.json | $(READY)
	@echo "installing what checks the page's scripts: about 45 MB to load, 130 MB on disk"
	@.venv/bin/npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

check: $(READY) $(SCRIPTS) ## formatting, lint, types
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/node node_modules/.bin/biome ci --error-on-warnings
	@.venv/bin/node node_modules/.bin/tsc

bench: $(READY) ## list the benchmarks
	@.venv/bin/python -m benchmarks list
