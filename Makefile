# The two commands of the README. `make demo`: see it work. `make test`: everything that is checked.

SHELL := /bin/bash
DEMO_DIR ?= var/demo
# Where Debian puts kamailio and ip, which a plain user does not search.
export PATH := $(PATH):/usr/sbin:/sbin

.PHONY: demo test packages

demo:
	deploy/get-libvosk.sh
	cargo build --release
	deploy/demo.sh $(DEMO_DIR)

test: packages
	deploy/get-libvosk.sh --needed
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
	cargo test --locked

packages:
	tests/packages.sh
