# `make run` starts one node, `make test` runs every test. Both do all the set-up on a Debian that has only Rust and make.
# The first build takes about a quarter of an hour on two cores, almost all of it RocksDB; later ones take seconds.

# Outside the clone: the next clone, and the next CI run, find RocksDB built.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/stator-target
ARGS ?=

.PHONY: run chaos test trim check test-rust test-mutants test-python test-clients packages fix fuzz release help

run: packages ## One node on 127.0.0.1:8000 for development. ARGS="--listen 127.0.0.1:9000 --ephemeral" and the like are passed on.
	cargo run --quiet -p stator -- dev $(ARGS)

chaos: packages ## Breaks three nodes for two minutes and judges what clients saw: chaos-report.html. ARGS="--faults pause,cut" and the like.
	cargo build --quiet -p stator -p stator-chaos
	$(CARGO_TARGET_DIR)/debug/stator-chaos run --workload register,counter --faults kill,kill-leader,cut,cut-leader --duration 2m \
		--report chaos-report.html --history chaos-history.jsonl $(ARGS)

test: packages trim check test-rust test-mutants test-python test-clients ## Everything that CI runs.

check: ## Form: formatting, lints, documentation, licences.
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	if command -v cargo-deny >/dev/null; then cargo deny --log-level error check licenses bans sources; else echo "skipped: cargo deny (not installed)"; fi

test-rust: ## Unit, property and process tests, then 200 seeds of the simulation.
	cargo build --workspace --bins --quiet
	venv=$$(setup/python) && STATOR_AWSLAMBDARIC_PYTHON=$$venv/bin/python cargo test --workspace --quiet
	$(CARGO_TARGET_DIR)/debug/stator-sim --seeds 200 --seconds 15

test-mutants: ## Has the product make one mistake after the other in the simulation: each must be caught.
	cargo build -p stator-simulation --features mutants --quiet
	$(CARGO_TARGET_DIR)/debug/stator-sim --mutants

test-python: ## boto3 and the AWS CLI against one node and three.
	cargo build --workspace --bins --quiet
	venv=$$(setup/python) && STATOR_BINARY=$(CARGO_TARGET_DIR)/debug/stator $$venv/bin/pytest -q tests/python

test-clients: ## Other people's clients, unmodified, from PyPI and npm, against one node and three.
	cargo build --workspace --bins --quiet
	venv=$$(setup/python clients) && modules=$$(setup/node $$venv) && STATOR_BINARY=$(CARGO_TARGET_DIR)/debug/stator \
		STATOR_NODE=$$venv/bin/node STATOR_NODE_MODULES=$$modules $$venv/bin/pytest -q tests/clients

# A target directory of its own, as everything is instrumented; what was found stays there, too. Without sanitizer: none of
# our code is unsafe, and the stable compiler will do.
fuzz: export CARGO_TARGET_DIR := $(HOME)/.cache/stator-fuzz-target
fuzz: export RUSTFLAGS := --cfg tokio_unstable $(if $(filter x86_64,$(shell uname -m)),-C target-cpu=x86-64-v2)
fuzz: FUZZ ?= $(notdir $(wildcard fuzz/corpus/*))
fuzz: SECONDS ?= 120
fuzz: packages ## Looks for bytes that break a reader. FUZZ="row key" takes only these, SECONDS=600 each so long. Needs cargo-fuzz.
	cp Cargo.lock fuzz/libfuzzer/
	for target in $(FUZZ); do \
		found=$(CARGO_TARGET_DIR)/found/$$target; mkdir -p $$found; \
		STATOR_FUZZ=$$target cargo fuzz run --fuzz-dir fuzz/libfuzzer --sanitizer none any $$found fuzz/corpus/$$target \
			-- -max_total_time=$(SECONDS) -timeout=5 -rss_limit_mb=2048 -max_len=65536 || exit 1; \
	done

trim:
	@setup/trim $(CARGO_TARGET_DIR)

packages:
	@setup/packages

fix: ## Formats, and mends what clippy can mend.
	cargo fmt --all
	cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged --quiet

release: packages ## The optimised binary.
	cargo build --release -p stator

help: ## This list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | column -t -s "$$(printf '\t')"
