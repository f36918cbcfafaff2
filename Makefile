# make demo   a swarm of several engines on this computer with the bundled model, and a chat on top
# make test   everything CI runs
# make lint   the checks that need no tests
# make bench  measure against local Transformers
.PHONY: demo test lint bench setup setup-test
ARGS ?=
BIN := .venv/bin

demo: setup
	@$(BIN)/meadow demo $(ARGS)

test: setup-test lint
	@$(BIN)/python -m pytest $(ARGS)

lint: setup-test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

bench: setup
	@d=$$(mktemp -d) && trap 'rm -rf "$$d"' EXIT && \
	$(BIN)/meadow bench make-model "$$d/llama-12x1024" && \
	$(BIN)/meadow bench decode "$$d/llama-12x1024" && \
	$(BIN)/meadow bench decode demo

setup:
	@installer/checkout/setup.sh run

setup-test:
	@installer/checkout/setup.sh test
