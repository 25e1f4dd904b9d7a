# Two commands need nothing but Python 3.11 or newer: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo help test quick cluster-test busy lint types rules unit lowest claims bench soak meetings faults fuzz properties kubernetes mutants pythons lock generated image sbom release clean

demo: $(VENV)/ready ## show the main job on an embedded cluster
	$(BIN)/bridge demo

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1 \2/p' $(firstword $(MAKEFILE_LIST)) | awk '{ n = $$1; $$1 = ""; printf "%-13s%s\n", n, $$0 }'

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

# Four workers for two cores, as tests wait about as long as they compute. A file's tests stay together (tests/spread.py).
SPREAD ?= -n 4 --dist loadfile

# Without the compiled modules each worker, and each `bridge` that a test starts, would compile them again.
unexport PYTHONDONTWRITEBYTECODE

# Branch coverage takes a third of the time: it is measured in CI, or with COVERAGE=1.
COVERAGE ?= $(CI)
PYTEST := $(if $(COVERAGE),$(BIN)/coverage run -m pytest,$(BIN)/python -m pytest) --quiet -rs

unit: $(VENV)/ready ## run every test, those that need a real program last; in CI or with COVERAGE=1, measure branch coverage
	$(if $(COVERAGE),$(BIN)/coverage erase)
	$(PYTEST) $(SPREAD) -m 'not real and not wheel'
	$(BIN)/python tests/servers/build.py || test -z "$$CI" # elsewhere than in CI their tests are skipped
	$(PYTEST) $(SPREAD) -m '(real or wheel) and not node'
ifneq ($(COVERAGE),)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --format=total
	$(BIN)/coverage report --fail-under=95 > .coverage-report.txt || { cat .coverage-report.txt; exit 1; }
endif

quick: $(VENV)/ready ## run the tests that need no built program and no wheel, without the slow ones
	$(BIN)/python -m pytest --quiet $(SPREAD) -m 'not real and not wheel and not slow'

# From nothing it builds a control plane, containerd, runc and a kubelet, and an image: ten minutes or more on two cores.
cluster-test: $(VENV)/ready ## run bridge's image in pods of a real node; needs root, buildah and cgroups, and leaves nothing behind
	$(BIN)/python tests/servers/build.py --node
	$(BIN)/python -m pytest --quiet -rs -m node tests/node

TIMES ?= 3

busy: $(VENV)/ready ## run every test TIMES times next to two busy loops, in a new order each time
	$(BIN)/python tests/busy.py --times $(TIMES) -- $(SPREAD)

# The folders with the tests of each module that imports a dependency; tests/project/test_makefile.py holds them to it.
LOWEST := tests/cluster tests/config tests/providers tests/sources
# Only hvac speaks to a server by itself: the others are met by recorded files, or by servers that are Python too.
LOWEST_REAL := tests/providers/vault/test_kv.py tests/providers/vault/test_login.py

lowest: $(VENV)-lowest/ready ## run the tests of what imports a dependency, with the oldest ones that pyproject.toml allows
	$(VENV)-lowest/bin/python -m pytest --quiet $(SPREAD) -m 'not wheel and not real' $(LOWEST)
	$(VENV)-lowest/bin/python -m pytest --quiet $(SPREAD) -m real $(LOWEST_REAL)

$(VENV)-lowest/ready: requirements-dev.lock requirements-lowest.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-lowest.lock
	$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

claims: $(VENV)/ready ## say which promises of the pages no test shows yet, and add rows for new ones
	$(BIN)/python -m tests.claims.table --write

bench: $(VENV)/ready ## measure bridge against sops, kubectl and others, and print the ratios
	$(BIN)/python tests/bench/run.py

soak: $(VENV)/ready ## run thousands of syncs in one process and hundreds in many, for SOAK_SECONDS at most
	$(BIN)/python tests/bench/soak.py

meetings: $(VENV)/ready ## try every order in which two runs of each kind can meet, and thousands for more: takes hours
	BRIDGE_MEETINGS=all $(BIN)/pytest --timeout=0 -v $(SPREAD) tests/lease/test_meetings.py tests/lease/test_interleavings.py

faults: $(VENV)/ready ## let each fault of a server, a program or the machine meet each call of a run, and judge the run
	$(BIN)/python tests/faults/run.py

FUZZ_SECONDS ?= 60

fuzz: $(VENV)/ready ## fuzz each parser for FUZZ_SECONDS; `make test` always tries the same inputs
	BRIDGE_FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/pytest --timeout=0 -v tests/fuzz/test_run.py

CASES ?= 2000

properties: $(VENV)/ready ## try CASES new histories of runs in the embedded cluster, and a tenth of them in a real one
	BRIDGE_RANDOM=1 BRIDGE_PROPERTIES=$(CASES) $(BIN)/python -m pytest --timeout=0 --hypothesis-show-statistics tests/properties

kubernetes: $(VENV)/ready ## build the oldest and the newest API server, and run tests of whole runs with each (an hour)
	nice $(BIN)/python tests/servers/releases.py

MUTANTS ?= 60

mutants: $(VENV)/ready ## change the code in MUTANTS places of each room, and fail if tests notice less than 85 % of them
	nice -n 10 $(BIN)/python tests/mutants/run.py --sample $(MUTANTS) --jobs 2 --json .cache/mutants/report.json

pythons: ## run the tests of `quick` with each Python from 3.11 to 3.14 that is installed
	@tests/pythons $(SPREAD)

lock: ## update the lock files (needs uv)
	uv pip compile pyproject.toml --universal --generate-hashes --no-header --python-version 3.11 --upgrade -o requirements.lock
	uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-header --python-version 3.11 --upgrade -c requirements.lock -o requirements-dev.lock
	uv pip compile pyproject.toml --universal --generate-hashes --no-header --python-version 3.11 --resolution lowest-direct --upgrade -o requirements-lowest.lock
	echo kubernetes | uv pip compile pyproject.toml --universal --generate-hashes --no-header --python-version 3.11 --excludes /dev/stdin --upgrade -c requirements.lock -o requirements-image.lock
	uv pip compile --group sbom --universal --generate-hashes --no-header --python-version 3.11 --upgrade -o requirements-sbom.lock

generated: $(VENV)/ready ## write the completion scripts and the manual page again, after a change of the parser
	$(BIN)/python tests/generate.py

image: ## build the container image with docker, podman or buildah, and run `bridge demo` in it
	.ci/image

SBOM ?= dist/bridge.cdx.json

sbom: $(VENV)-sbom/ready ## write the list of the image's packages to dist/bridge.cdx.json, in CycloneDX's format
	@mkdir -p $(dir $(SBOM))
	$(VENV)-sbom/bin/cyclonedx-py requirements requirements-image.lock --pyproject pyproject.toml --short-PURLs --output-reproducible -o $(SBOM)

release: $(VENV)/ready sbom ## build the wheel and the source distribution into dist/, and the list of packages
	$(BIN)/python -m build --no-isolation

$(VENV)-sbom/ready: requirements-sbom.lock
	$(PYTHON) -m venv $(VENV)-sbom
	$(VENV)-sbom/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-sbom.lock
	touch $@

clean: ## remove the environments and build results
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-sbom $(VENV)-3.* build dist *.egg-info .coverage*
