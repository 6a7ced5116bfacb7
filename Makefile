# Needs Python 3.11 or newer, make, and a network to the package index; everything else is set up here.
PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .uv/bin/uv
BIN := .venv/bin
export UV_PROJECT_ENVIRONMENT := .venv

.PHONY: demo test check docs pictures client site bench overload soak kill kill-notices kill-processes kill-proxied left-behind failover kill-jobs kill-nats simulate refunds oracle scores schemathesis fuzz sbom audit dist clean

demo: .venv/.ready
	$(BIN)/countermand demo $(ARGS)

test: check
	@echo "All tests take 20 to 40 minutes of CPU, 11 to 20 minutes on two cores. Nothing in them depends on its speed."
	$(BIN)/pytest -n 3 --dist loadgroup $(ARGS)

check: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Writes what the pages take from the code: docs/events.md and its schema, --help, docs/reference, the drawings.
docs: .venv/.ready
	$(BIN)/python -m tests.docs.event_tables
	$(BIN)/python -m tests.docs.help_texts
	$(BIN)/python -m tests.docs.played
	$(BIN)/python -m tests.docs.reference

# Pictures of every page of the console, of the demo, below build/pictures; a chosen few in docs, or with ARGS=--docs
# these only. Needs chromium.
pictures: .venv/.ready
	$(BIN)/python -m tests.console.pictures $(ARGS)

# Writes the two Python clients from their table of operations.
client: .venv/.ready
	$(BIN)/python clients/python/tools/write_clients.py

# The pages as a site that needs no network, below build/site.
site: docs
	$(UV) sync --frozen --quiet --group docs
	$(BIN)/sphinx-build -W -q -b dirhtml docs build/site
	@echo "The site is in build/site/index.html."

bench: .venv/.ready
	$(BIN)/python -m bench $(ARGS)

# Three times the calls that the service can answer: make overload ARGS="--only sqlite --seconds 20"
overload: .venv/.ready
	$(BIN)/python -m bench.overload $(ARGS)

# A year of a marketplace as arithmetic: make simulate ARGS="--orders-a-day 100000 --engine sqlite"
simulate: .venv/.ready
	$(BIN)/python -m bench.simulate $(ARGS)

# Half load for an hour, with kills: make soak ARGS="--minutes 60"
soak: .venv/.ready
	$(BIN)/python -m bench.soak $(ARGS)

kill: .venv/.ready
	$(BIN)/python -m tests.crash.driver $(ARGS)

kill-notices: .venv/.ready
	$(BIN)/python -m tests.crash.notices $(ARGS)

# One of three processes of a server is killed at a time: make kill-processes ARGS="--kills 300"
kill-processes: .venv/.ready
	$(BIN)/python -m tests.crash.notices --processes 3 $(ARGS)

# One of three servers behind nginx is killed at a time: make kill-proxied ARGS="--kills 20 --lease 25"
kill-proxied: .venv/.ready
	$(BIN)/python -m tests.crash.notices --processes 3 --proxied $(ARGS)

# An asynchronous standby takes over without the last calls: make left-behind ARGS="--refunds 2000"
left-behind: .venv/.ready
	$(BIN)/python -m tests.crash.left_behind $(ARGS)

# The primary is killed under load and its standby promoted: make failover ARGS="--promotions 50"
failover: .venv/.ready
	$(BIN)/python -m tests.crash.failover $(ARGS)

kill-jobs: .venv/.ready
	$(BIN)/python -m tests.crash.jobs $(ARGS)

# The leader of a NATS cluster of three is killed under load: make kill-nats ARGS="--events 40000 --kills 20"
kill-nats: .venv/.ready
	$(BIN)/python -m tests.crash.stream $(ARGS)

# Calls made of the descriptions of the native API and of bol's, as every role: make schemathesis ARGS="--max-examples 500"
schemathesis: .venv/.ready
	$(BIN)/python -m tests.wire.native.schema_calls $(ARGS)

# Refunds under kills and faults: make refunds ARGS="--refunds 20000 --kills 60"
refunds: .venv/.ready
	$(BIN)/python -m tests.crash.refunds $(ARGS)

# The rules of refunds against an oracle that was written from docs/refunds.md alone: make oracle ORDERS=13000
oracle: .venv/.ready
	COUNTERMAND_ORACLE_ORDERS=$(or $(ORDERS),13000) $(BIN)/pytest -q -n 0 -s tests/oracle

# Scores, and the figures that are kept of them, against a recount after each of 5,400 histories on both engines.
scores: .venv/.ready
	COUNTERMAND_LONG=1 $(BIN)/pytest -q -n 2 -s tests/store/test_scores.py tests/store/test_score_cards.py

.venv/.ready: pyproject.toml clients/python/pyproject.toml uv.lock | $(UV)
	@echo "Setting up .venv: about 100 packages from the package index, a minute or two the first time."
	$(UV) sync --frozen --compile-bytecode --python $(PYTHON)
	for client in latest retailer; do \
	  $(UV) export --frozen --quiet --no-emit-workspace --only-group bol-client-$$client --output-file .venv/bol-$$client.txt && \
	  $(UV) pip install --quiet --no-deps --python $(BIN)/python --target .venv/bol-$$client --requirements .venv/bol-$$client.txt || exit 1; \
	done
	@touch $@

$(UV):
	@echo "Setting up .uv: the installer, uv $(UV_VERSION)."
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# Coverage-guided fuzzing of the XML readers, the signature and the JSON reader; ARGS go to libFuzzer.
fuzz: .venv/.ready
	$(UV) run --frozen --group fuzz python tests/wire/bol_plaza/fuzz_documents.py $(or $(ARGS),-max_total_time=300)

# What the service consists of, with every extra, as CycloneDX 1.5. Needs no network.
SBOM ?= build/sbom.json

sbom: .venv/.ready
	@mkdir -p build
	$(UV) export --frozen --quiet --no-dev --all-extras --format cyclonedx1.5 --preview-features sbom-export --output-file $(SBOM)

# Known weaknesses of what the lock file names, as https://pypi.org/pypi/NAME/VERSION/json tells them. Fails if there is
# one, and if one package cannot be asked about: a mirror that has only the files does not know them.
PIP_AUDIT_VERSION := 2.10.1

audit: .venv/.ready
	@mkdir -p build
	$(UV) export --frozen --quiet --no-dev --all-extras --no-emit-workspace --output-file build/locked.txt
	@rm -f build/audit.txt
	@$(UV) tool run --from pip-audit==$(PIP_AUDIT_VERSION) pip-audit --strict --require-hashes --disable-pip \
	  --requirement build/locked.txt --output build/audit.txt $(ARGS) || { \
	  if [ -s build/audit.txt ]; then \
	    cat build/audit.txt; echo "These weaknesses are known. Update what is named, or say in the notes why it does not matter." >&2; \
	  else \
	    echo "Nothing was audited: the error above says what could not be asked. Try again where pypi.org answers." >&2; \
	  fi; exit 1; }

# What a release uploads, below dist/: CONTRIBUTING.md says how it is signed and sent.
dist: .venv/.ready sbom
	@if grep -q 'countermand\.example' pyproject.toml clients/python/pyproject.toml; then \
	  echo "The addresses in [project.urls] are examples. Write the repository's there first." >&2; exit 1; fi
	rm -rf dist
	$(UV) build --all-packages --quiet --out-dir dist
	$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz
	cp $(SBOM) dist/countermand-$$($(BIN)/countermand --version).cdx.json

clean:
	rm -rf .venv .uv build
