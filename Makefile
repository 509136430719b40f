# make drill       sets this machine up, builds, and runs the built-in scenarios
# make test        sets this machine up, and runs every check and test; as root or as an ordinary user
# make test-rootless   as root: runs the tests that need a lab again, as an ordinary user
#
# make itself ends with 2 when something failed; `scandrill run` has finer exit codes.

# rustup's folder, which a bare shell may not have on its path.
CARGO_HOME ?= $(HOME)/.cargo
export PATH := $(PATH):$(CARGO_HOME)/bin

CARGO = cargo
NEXTEST := $(shell PATH="$(PATH)" cargo nextest --version >/dev/null 2>&1 && echo yes)

.PHONY: drill test test-rootless setup setup-tests format lint doc example tests
.NOTPARALLEL:

drill: setup
	@$(CARGO) run --locked --quiet --package scandrill -- run

test: setup-tests format lint doc example tests

setup:
	@./setup.sh

# With a browser, a reader of captures and a terminal, by which tests look at what people look at.
setup-tests:
	@./setup.sh tests

# A toolchain without rustfmt or clippy can still run the tests.
format:
	@if $(CARGO) fmt --version >/dev/null 2>&1; then $(CARGO) fmt --all --check; \
	else echo "format not checked: rustup component add rustfmt"; fi

lint:
	@if $(CARGO) clippy --version >/dev/null 2>&1; then $(CARGO) clippy --locked --workspace --all-targets -- -D warnings; \
	else echo "lints not checked: rustup component add clippy"; fi

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --quiet

# A user's own project, outside the workspace: with the same versions and profile, nothing is built twice for it.
example:
	@cp Cargo.lock examples/firewall-tests/Cargo.lock
	CARGO_TARGET_DIR="$(CURDIR)/target" CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=line-tables-only \
		$(CARGO) test --quiet --manifest-path examples/firewall-tests/Cargo.toml

# Last, so that the closing line of the test runner is the last of all.
tests:
ifeq ($(NEXTEST),yes)
	$(CARGO) test --locked --workspace --doc --quiet
	$(CARGO) nextest run --locked --workspace
else
	$(CARGO) test --locked --workspace
endif

test-rootless: setup
	@tests/rootless.sh
