# What people and CI run; `make` lists the targets. All but the install targets expect an activated
# environment, as the README sets it up.

AREA =
ROWS = 100000
FOLDERS = $(or $(wildcard tests/$(AREA) prefdata/$(AREA)),$(error there are no tests of $(AREA)))

.DEFAULT_GOAL := help
.PHONY: help install install-core install-lowest test test-slow wheel lint docs bench

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install:  ## Install all extras, in the versions that the tests ran with
	python -m pip install -c constraints.txt -e '.[all,dev]'

install-core:  ## Install the core without extras, to see that it works without them
	python -m pip install -c constraints.txt -e '.[dev]'

install-lowest:  ## Install the lowest versions that pyproject.toml allows; needs uv
	uv pip install --resolution lowest-direct -e '.[all,dev]'

test:  ## Fast tests and the examples in docstrings; AREA=transforms for one room
	pytest -q -n 2 -m "not slow" $(if $(AREA),$(FOLDERS))

test-slow:  ## The rest: the built wheel, and the training that the README shows
	pytest -q -n 2 -m slow

wheel:  ## Build the wheel, and try it where nothing of the source is
	pytest -q tests/packaging/test_wheel.py

lint:  ## Lint, format and types, without changing a file
	ruff check .
	ruff format --check .
	mypy

docs:  ## Write the generated parts of README.md, docs/ and schemas/ anew
	python -m tests.docs
	python -m prefdata.schemas

bench:  ## The speed of conversion, in a table; ROWS=1000000 for the full size
	python benchmarks/convert.py --rows $(ROWS)
