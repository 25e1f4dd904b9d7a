# Two commands need nothing but Python 3.11 or newer: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo help test quick busy lint types rules unit lowest bench soak fuzz lock generated image clean

demo: $(VENV)/ready ## show the main job on an embedded cluster
	$(BIN)/bridge demo

help: ## list the targets
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/\1 \2/p' $(firstword $(MAKEFILE_LIST)) | awk '{ n = $$1; $$1 = ""; printf "%-10s%s\n", n, $$0 }'

ifdef T
test: $(VENV)/ready
	$(BIN)/python -m pytest $(T)
else
test: lint types rules unit lowest ## run the whole suite, real servers included; T=PATH runs one file or folder only
endif

$(VENV)/ready: requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

lint: $(VENV)/ready ## check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/ready ## check types
	$(BIN)/mypy -p bridge -p bridge_providers

rules: $(VENV)/ready ## check which layer imports which
	$(BIN)/lint-imports --no-cache

# A file's tests stay together, for the servers that it starts.
SPREAD ?= -n 2 --dist loadfile

unit: $(VENV)/ready ## run every test with branch coverage; tests that need a real program come last
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(SPREAD) -m 'not real'
	$(BIN)/python tests/servers/build.py || test -z "$$CI" # elsewhere than in CI their tests are skipped
	$(BIN)/coverage run -m pytest $(SPREAD) -m real
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --format=total
	$(BIN)/coverage report --fail-under=95 > .coverage-report.txt || { cat .coverage-report.txt; exit 1; }

quick: $(VENV)/ready ## run the tests that need no built program and no wheel
	$(BIN)/pytest $(SPREAD) -m 'not real and not wheel'

TIMES ?= 3

busy: $(VENV)/ready ## run every test TIMES times next to two busy loops, in a new order each time
	$(BIN)/python tests/busy.py --times $(TIMES) -- $(SPREAD)

lowest: $(VENV)-lowest/ready ## run the tests with the oldest dependencies that pyproject.toml allows
	$(VENV)-lowest/bin/pytest --quiet $(SPREAD) -m 'not real and not wheel'
	$(VENV)-lowest/bin/pytest --quiet $(SPREAD) -m real tests/providers

$(VENV)-lowest/ready: requirements-dev.lock requirements-lowest.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-lowest.lock
	$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

bench: $(VENV)/ready ## measure bridge against sops, kubectl and others, and print the ratios
	$(BIN)/python tests/bench/run.py

soak: $(VENV)/ready ## run 200 syncs in one process while servers come and go
	$(BIN)/python tests/bench/soak.py

FUZZ_SECONDS ?= 60

fuzz: $(VENV)/ready ## fuzz each parser for FUZZ_SECONDS; `make test` always tries the same inputs
	BRIDGE_FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/pytest --timeout=0 -v tests/fuzz/test_run.py

lock: ## update the lock files (needs uv)
	uv pip compile pyproject.toml --universal --generate-hashes --no-header --python-version 3.11 --upgrade -o requirements.lock
	uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-header --python-version 3.11 --upgrade -c requirements.lock -o requirements-dev.lock
	uv pip compile pyproject.toml --universal --generate-hashes --no-header --python-version 3.11 --resolution lowest-direct --upgrade -o requirements-lowest.lock

generated: $(VENV)/ready ## write the completion scripts and the manual page again, after a change of the parser
	$(BIN)/python tools/generate.py

image: ## build the container image (needs a container engine)
	docker build --tag bridge .

clean: ## remove the environments and build results
	rm -rf $(VENV) $(VENV)-lowest build dist *.egg-info .coverage*
