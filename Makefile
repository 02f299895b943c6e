# Each target does all its own set-up on a fresh Debian machine with Python, Node and apt, and says what it installs.
.PHONY: help demo test lint fix bench bench-edge docs fuzz wheel setup clean
PY := .venv/bin/python

help:           ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 16

setup:          ## virtual environment, packages, npm files, Chromium, cross-compiler
	@tools/setup.sh

demo: setup     ## the whole way on a car: collect, train, export, evaluate, serve (about 6 minutes)
	@.venv/bin/telltale demo

test: setup lint ## style, types and every test
	@$(PY) -m pytest

lint: setup     ## style and types
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy

fix: setup      ## mend what can be mended by a tool
	@.venv/bin/ruff check --fix . ; .venv/bin/ruff format .

bench: setup    ## measure every number in the docs into bench/results/*.json (about an hour)
	@$(PY) -m bench

bench-edge: setup ## instructions and memory of nets in C and of telltale-cam on ARMv7, counted under qemu (a minute)
	@$(PY) -m bench edge edge_jpeg

docs: setup     ## remake the pictures in docs/ from the program itself
	@$(PY) -m bench.pictures

fuzz:           ## fuzz the C that reads from outside, ten minutes each target
	@tools/setup.sh cross fuzz
	@$(MAKE) -C edge/fuzz run

wheel: setup    ## dist/*.whl, with the pages inside
	@$(PY) -m build --wheel

clean:          ## remove what was built; keeps .venv
	rm -rf dist build .pytest_cache .mypy_cache .ruff_cache web/vendor
