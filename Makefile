# make demo   a swarm of several engines on this computer with the bundled model, and a chat on top
# make test   everything CI runs
# make lint   the checks that need no tests
# make bench  measure against local Transformers, also over emulated networks when root; writes docs/benchmarks.md
#             (a try-out: make bench ARGS=--quick DOCUMENT=/tmp/benchmarks.md)
# make chaos  random faults against real engines for a quarter of an hour (ARGS='--runs 1000 --seed 7', or
#             ARGS='--only SEED' to play one again)
.PHONY: demo test lint bench chaos setup setup-test
ARGS ?=
DOCUMENT ?= docs/benchmarks.md
BIN := .venv/bin

demo: setup
	@$(BIN)/meadow demo $(ARGS)

test: setup-test lint
	@$(BIN)/python -m pytest -n 2 $(ARGS)

lint: setup-test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

bench: setup
	@rm -rf build/bench; failed=0; \
	$(BIN)/python -m meadow_engine.bench.series build/bench $(ARGS) || failed=1; \
	PYTHONPATH=tests $(BIN)/python -m chaos.bench_networks build/bench $(ARGS) || failed=1; \
	PYTHONPATH=tests $(BIN)/python -m chaos.bench_leaving build/bench $(ARGS) || failed=1; \
	$(BIN)/python -m meadow_engine.bench.document build/bench $(DOCUMENT) || failed=1; \
	rm -rf build/bench/models; exit $$failed

chaos: setup-test
	@PYTHONPATH=tests $(BIN)/python -m chaos.storm --runs 200 $(ARGS)

setup:
	@installer/checkout/setup.sh run

setup-test:
	@installer/checkout/setup.sh test
