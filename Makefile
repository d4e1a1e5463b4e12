# Works from a fresh clone, at any path, and without a network once `make install` has run.

py := .venv/bin/python
pip := $(py) -m pip install --quiet --no-input --disable-pip-version-check
packages := gleitzeitd gleitzeitctl gleitzeit_extensions providers
javascript := tests/protocol/node_modules/.package-lock.json
mcp_servers := tests/services/node_modules/.package-lock.json

.PHONY: help install run test test-services matrix stress check coverage format docs dist deb bench audit pin clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

install: .venv/installed $(javascript) ## set up .venv with everything pinned and hashed, and what the tests need

# Compiled ahead, since a command that has to compile what it imports starts five times slower.
.venv/installed: requirements.txt pyproject.toml
	@echo "setting up .venv"
	@tools/venv .venv
	@$(pip) --require-hashes -r requirements.txt
	@$(pip) --no-deps --no-build-isolation -e .
	@$(py) -m compileall -q .venv/lib $(packages)
	@touch $@

# The stock JavaScript client, which the hub is tried with.
$(javascript): tests/protocol/package-lock.json .venv/installed
	@PATH="$(CURDIR)/.venv/bin:$$PATH" npm ci --silent --no-audit --no-fund --prefix tests/protocol
	@touch $@

# The reference servers of the Model Context Protocol.
$(mcp_servers): tests/services/package-lock.json .venv/installed
	@PATH="$(CURDIR)/.venv/bin:$$PATH" npm ci --silent --no-audit --no-fund --prefix tests/services
	@touch $@

# Servers and clients in Python that the providers are tried with; no developer's environment should hold them.
build/services/installed: tests/services/requirements.txt
	@echo "setting up build/services"
	@tools/venv build/services
	@build/services/bin/python -m pip install --quiet --no-input --disable-pip-version-check --require-hashes -r $<
	@touch $@

# The versions that the tests ran with, for whatever has no hashes of its own.
build/constraints.txt: requirements.txt
	@mkdir -p build
	@sed -n 's/^\([a-zA-Z0-9_.-]*==[^ ;]*\).*/\1/p' $< >$@

# What a user installs, with Debian's own Python: the tests run it as a service of a real systemd, where there is no
# network. So what pip would fetch lies in build/wheels, and one installation is kept in build/debian.
build/debian/installed: pyproject.toml build/constraints.txt
	@echo "setting up build/debian"
	@PYTHON=/usr/bin/python3 tools/venv build/debian
	@rm -rf build/wheels
	@build/debian/bin/python -m pip wheel --quiet --no-input --disable-pip-version-check \
		--constraint build/constraints.txt --wheel-dir build/wheels .
	@build/debian/bin/python -m pip install --quiet --no-input --disable-pip-version-check --no-index build/wheels/*.whl
	@touch $@

run: .venv/installed ## run the daemon on etc/providers.yaml until Ctrl-C
	@$(py) tools/foreground.py $(py) -m gleitzeitctl serve --provider-config etc/providers.yaml

# What is compiled once is not compiled again by every process that the tests start.
test test-services matrix stress: export PYTHONDONTWRITEBYTECODE =

# Whoever has done its share takes half of what another has left: the slow tests lie together.
#
# No test asks anybody for whom a public authority vouches, so one of nobody's stands for them all: to read them
# takes a provider a quarter of its start, and the tests start hundreds.
test: install ## run the tests; ARGS="-k crash" picks some
	SSL_CERT_FILE="$(CURDIR)/tests/authority.pem" SSL_CERT_DIR=/dev/null $(py) -m pytest -n 4 --dist worksteal $(ARGS)

test-services: install dist build/services/installed $(mcp_servers) ## with real servers and a real systemd, which it installs
	@tools/servers
	@$(MAKE) --no-print-directory build/debian/installed
	@build/debian/bin/python -m pip install --quiet --no-input --disable-pip-version-check --no-deps --force-reinstall \
		dist/*.whl
	@rm -f build/wheels/gleitzeitd-*.whl
	@cp dist/*.whl build/wheels
	@PIP_NO_INDEX=1 PIP_FIND_LINKS=build/wheels tools/deb dist/*.whl build/constraints.txt
	$(py) -m pytest tests/services $(ARGS)

matrix: install ## the quick tests with each Python from 3.11 to 3.14 that is here; ARGS="-k crash" picks some
	@SSL_CERT_FILE="$(CURDIR)/tests/authority.pem" SSL_CERT_DIR=/dev/null tools/matrix $(ARGS)

stress: install ## the long storms; ARGS="--share 0.05" shortens the longest
	$(py) -m pytest $(ARGS) tests/stress

check: install coverage ## lint, format, types, layers, coverage
	$(py) -m ruff check .
	$(py) -m ruff format --check .
	$(py) -m mypy
	$(py) -m pytest -q tests/test_layers.py

# By its own tests, and by those that say what they try: what chance hits counts for nothing here.
coverage: install ## whether its tests reach every line and every branch of gleitzeitd/core
	@mkdir -p build
	@$(py) -m coverage run -m pytest -q -k "not random" tests/core
	@$(py) -m coverage report

format: install ## format the code and mend what the linter can mend
	$(py) -m ruff check --fix .
	$(py) -m ruff format .

docs: install ## print into the docs what the code knows
	$(py) -m tools.print_docs

dist: install ## build sdist and wheel into dist/; the same sources give the same bytes
	@rm -rf dist
	@$(py) -m hatchling build -d dist

deb: dist build/constraints.txt ## build a Debian package of it into dist/; EXTRAS=openai,mcp adds what they need
	@tools/deb dist/*.whl build/constraints.txt

bench: install ## compare with peers; ARGS picks
	$(py) benchmarks/run.py $(ARGS)

# Asks with an environment of its own, and installs nothing of what it asks about.
build/audit/installed: tools/audit.txt
	@echo "setting up build/audit"
	@tools/venv build/audit
	@build/audit/bin/python -m pip install --quiet --no-input --disable-pip-version-check --require-hashes -r $<
	@touch $@

audit: build/audit/installed ## say which known weaknesses are in what is pinned; needs the network
	@build/audit/bin/python tools/audit.py requirements.txt tests/services/requirements.txt

pin: ## write requirements.txt anew from pyproject.toml; ARGS=--upgrade takes the newest
	@tools/venv build/pin
	@build/pin/bin/python -m pip install --quiet --no-input uv
	@build/pin/bin/uv pip compile --quiet --universal --generate-hashes --custom-compile-command "make pin" \
		--extra dev --output-file requirements.txt $(ARGS) pyproject.toml
	@build/pin/bin/uv pip compile --quiet --universal --generate-hashes --custom-compile-command "make pin" \
		--output-file tests/services/requirements.txt $(ARGS) tests/services/requirements.in
	@build/pin/bin/uv pip compile --quiet --universal --generate-hashes --custom-compile-command "make pin" \
		--output-file tools/audit.txt $(ARGS) tools/audit.in

clean: ## remove everything that make made
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis benchmarks/.peers tests/protocol/node_modules tests/services/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
