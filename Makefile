# make run    set everything up and take the domain through the whole pipeline
# make test   set everything up and pass the tests
# make skills-check  every command, path, number and link that the skills name, tried
# make test-browser  the review app in Chromium (Debian's is installed if there is none and we may)
# make bench  run every benchmark into bench/results.md (about an hour; installs Ray and Chromium)
# make audit  look every package of requirements.lock up among known vulnerabilities (needs the network)
# make params compose conf/ into params.yaml, and what drafting needs into prep/params.yaml
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONPATH := $(CURDIR)

APT := DEBIAN_FRONTEND=noninteractive apt-get -qq
GET_CHROMIUM = { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && echo "installing Debian's chromium" \
	&& $(APT) update && $(APT) install --no-install-recommends chromium fonts-dejavu-core >/dev/null; } || { \
	echo "Chromium is needed on PATH: install Debian's package chromium" >&2; exit 1; }

.PHONY: run test skills-check test-browser bench params lint audit clean

run: .venv/.ready
	@tunewright params --check-keys
	@dvc repro
	@tunewright result

test: .venv/.ready
	@tunewright params --check
	@ruff check tunewright stages bench tests
	@ruff format --check tunewright stages bench tests
	@pyright
	@python -m pytest -n auto --dist loadfile --no-loadscope-reorder

skills-check: .venv/.ready
	@python -m tests.skills

test-browser: .venv/.ready
	@command -v chromium >/dev/null || $(GET_CHROMIUM)
	@python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[review,browser]'
	@python -m pytest tests/browser

bench: .venv/.ready
	@command -v chromium >/dev/null || $(GET_CHROMIUM)
	@python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[ray,review,browser]'
	@python -m bench

params: .venv/.ready
	@tunewright params
	@tunewright params --prep

lint: .venv/.ready
	@ruff check --fix tunewright stages bench tests
	@ruff format tunewright stages bench tests

# pip-audit in an environment of its own: what it needs is no part of the lock that it looks at. --strict: a package that could
# not be looked up is a failure; without it "No known vulnerabilities" is said where no database was reached.
AUDIT := .cache/audit
audit:
	@test -x $(AUDIT)/bin/pip-audit || { $(PYTHON) -m venv $(AUDIT) && \
		$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1; }
	@$(AUDIT)/bin/pip-audit --strict --disable-pip --no-deps --progress-spinner off --requirement requirements.lock

# The lock pins every package; pip, not uv, so that a CPU build of torch is taken where one is on disk.
.venv/.ready: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing (about two minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

clean:
	rm -rf .venv .cache
