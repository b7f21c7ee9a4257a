# make setup | demo | test | check | bench. Needs Python 3.11 or newer, make, and the package registry that pip knows.
#
#   PYTHON=python3.12   the Python that .venv is made with
#   TORCH_INDEX=...     PyTorch's wheel index for your machine, as its own install page names it (default: the registry)
#   SAY="a sentence"    what `make demo` translates and shows

PYTHON ?= python3
TORCH_INDEX ?=
READY := .venv/.ready

# SAY reaches the recipe through the environment, as it was typed: quotes and dollars in it are nobody's syntax.
override SAY := $(value SAY)
export SAY

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test check bench

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(READY) ## make .venv with everything that is needed; instant when it is there
	@:

# The stamp is written last, so an interrupted set-up leaves none. A .venv without a working pip is made anew.
$(READY): pyproject.toml constraints.txt
	@rm -f $@
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || { $(PYTHON) -c 'import sys; sys.exit( \
	sys.version_info < (3, 11) and "clearhead needs Python 3.11 or newer, this is " + sys.version.split()[0] + \
	"\n  mend: name a newer one, for example: make setup PYTHON=python3.12")' && $(PYTHON) -m venv --clear .venv; }
	@.venv/bin/python -c 'import torch' >/dev/null 2>&1 || { echo "installing torch"; \
	.venv/bin/python -m pip install -qq $(if $(TORCH_INDEX),--index-url "$(TORCH_INDEX)",-c constraints.txt) \
	"$$(grep '^torch==' constraints.txt)"; }
	@echo "installing clearhead and what it needs"
	@.venv/bin/python -m pip install -qq -c constraints.txt -e ".[all,dev]"
	@touch $@

demo: $(READY) ## train a small translator, then look inside it (SAY="a sentence" of yours)
	@.venv/bin/clearhead demo --out models/demo $${SAY:+"--say=$$SAY"}

test: $(READY) ## run every test
	@.venv/bin/python -m pytest

check: $(READY) ## formatting, lint, types
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy

bench: ## list the benchmarks
	@$(PYTHON) -c 'import ast, pathlib; \
	paths = sorted(pathlib.Path("benchmarks").glob("[!_]*.py")); \
	lines = [(ast.get_docstring(ast.parse(p.read_text(encoding="utf-8"))) or "").partition("\n")[0] for p in paths]; \
	print(*(f"  .venv/bin/python {p}  {line}" for p, line in zip(paths, lines)), sep="\n")'
