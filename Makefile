# Every target sets up what it needs: a virtual environment of its own, with locked packages.
# `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

UV_VERSION := 0.13.8
PY := .venv/bin/python
UV := .venv/bin/python -m uv
ROOMS := assets charts declaration drift driftline expectations feature_repo learning pipelines resources serving sources
LOCK := $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-config --quiet \
        --no-emit-index-url --custom-compile-command "make lock" pyproject.toml
# All but MLflow's web UI.
EXTRAS := --extra avro --extra demo --extra dg --extra excel --extra holidays --extra http --extra iceberg --extra lightgbm --extra mysql --extra onnx --extra postgres --extra postgres-source --extra redis --extra rest --extra s3 --extra sftp --extra tune --extra xgboost

# Compiled bytecode is what keeps imports within their budget: never leave it out.
unexport PYTHONDONTWRITEBYTECODE
# The project is installed in .venv; another environment's paths must not leak in.
unexport PYTHONPATH
unexport VIRTUAL_ENV
export DO_NOT_TRACK := 1
export UV_NO_PROGRESS := 1
# Trust the certificates that the machine trusts, as pip does.
export UV_SYSTEM_CERTS := 1
# Spinning threads cost more than they bring on a busy machine.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: help demo demo-sources dev preview test test-long chaos lint check bench bench-asof bench-policy bench-drift soak docs lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 20

demo: .venv/.runtime ## replay a year of real flights, month by month
	.venv/bin/driftline replay flight_delays

demo-sources: .venv/.runtime ## read a database: updates, deletions, a slowly changing dimension, rows that come late
	$(PY) pipelines/defs/fleet_delays/make_database.py
	.venv/bin/driftline replay fleet_delays
	$(PY) pipelines/defs/fleet_delays/make_database.py --late
	.venv/bin/driftline run fleet_delays --partition 2013-03-01
	.venv/bin/driftline run fleet_delays --partition 2013-04-01

dev: .venv/.runtime ## open the web UI and the daemon on http://127.0.0.1:3000
	.venv/bin/driftline dev

test: .venv/.dev ## run the tests
	$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 15 -m "not long and not chaos" $(PYTEST_ARGS)

test-long: .venv/.dev ## run the tests that take minutes: card_fraud, servers, the tutorial, long property tests
	$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m long --durations 15 $(PYTEST_ARGS)

chaos: .venv/.dev ## kill and race replay, runs, daemon and every type of source at seeded places: make chaos SEED=7 for one
	CHAOS_SEED=$(SEED) $(PY) -m pytest -n 2 --dist load -m chaos tests/chaos $(PYTEST_ARGS)

lint: .venv/.dev ## check style, types, imports, dependencies and the docs
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	.venv/bin/deptry .
	.venv/bin/vulture
	$(PY) -m pipelines.loading.reference --check
	$(PY) -m driftline.reference --check
	.venv/bin/driftline check

preview: .venv/.runtime ## show what a declaration will do, on a sample: make preview NAME=flight_delays
	.venv/bin/driftline preview $(NAME)

check: .venv/.runtime ## check every declaration: all faults of all files
	.venv/bin/driftline check

BENCHMARKS := point_in_time_join expectations_one_scan drift_peers run_cost orchestration_overhead \
              online_loading online_store ask batch_scoring sql_source rest_source

bench: .venv/.dev ## run the benchmarks, one after another; fails where a bar is missed
	failed=""; for name in $(BENCHMARKS); do \
		echo "== $$name"; $(PY) -m benchmarks.$$name || failed="$$failed $$name"; done; \
	if [ -n "$$failed" ]; then echo "Below the bar:$$failed" >&2; exit 1; fi

bench-asof: .venv/.dev ## compare the point-in-time join with polars and Feast's own stores, up to ten million rows
	$(PY) -m benchmarks.point_in_time_join --large

SECONDS := 600

soak: .venv/.dev ## write and read online stores while their servers are killed: make soak SECONDS=600
	$(PY) -m benchmarks.online_soak --seconds $(SECONDS)

bench-policy: .venv/.dev ## compare retraining policies on streams with known changes; fails where a bar is missed
	$(PY) -m benchmarks.policy

bench-drift: .venv/.dev ## compare drift in small windows and under seasons, and estimates, with what is known; fails where a bar is missed
	failed=""; for name in small_windows drift_season estimates; do \
		echo "== $$name"; $(PY) -m benchmarks.$$name || failed="$$failed $$name"; done; \
	if [ -n "$$failed" ]; then echo "Below the bar:$$failed" >&2; exit 1; fi

# Not --quiet: it drops the warnings that --strict counts.
docs: .venv/.dev ## write the references of keys and commands and build the site into site/
	$(PY) -m pipelines.loading.reference
	$(PY) -m driftline.reference
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict
	@echo "site/index.html"

lock: .venv/.uv ## pin every package anew
	$(LOCK) $(EXTRAS) --excludes requirements-left-out.txt -o requirements.lock
	$(LOCK) $(EXTRAS) --group dev --constraint requirements.lock -o requirements-dev.lock

clean: ## remove the environment, the caches and everything that was materialized
	rm -rf .venv .driftline build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The first Python that suits; python3 itself if it does.
.venv/.uv: Makefile
	@for python in python3 python3.13 python3.12 python3.11; do \
		if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then \
			found=$$python; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
		echo "No Python 3.11, 3.12 or 3.13 found. Install one (for example: apt install python3 python3-venv)." >&2; exit 1; fi; \
	if [ ! -x $(PY) ]; then \
		echo "Creating .venv with $$found ($$($$found --version))"; \
		$$found -m venv .venv || { rm -rf .venv; \
			echo "Creating the virtual environment failed. On Debian and Ubuntu: apt install python3-venv." >&2; exit 1; }; fi
	@$(PY) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

# mlflow and mlflow-skinny own the same files: what is left of one when the other goes is broken.
FORGET_MLFLOW := if ls -d .venv/lib/python*/site-packages/mlflow-[0-9]*.dist-info > /dev/null 2>&1; then \
	$(UV) pip uninstall --quiet mlflow mlflow-skinny; fi

# The tools' environment holds the runtime's packages too, at the same versions.
.venv/.runtime: requirements.lock pyproject.toml .venv/.uv
	@$(FORGET_MLFLOW)
	$(UV) pip install --no-deps --compile-bytecode --require-hashes -r requirements.lock
	$(UV) pip install --no-deps -e .
	@touch $@

.venv/.dev: requirements-dev.lock requirements.lock pyproject.toml .venv/.uv
	@$(FORGET_MLFLOW)
	$(UV) pip sync --compile-bytecode --require-hashes requirements-dev.lock
	$(UV) pip install --no-deps -e .
	@touch .venv/.runtime $@
