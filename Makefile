# Two commands for a new user: `make demo` and `make test`. `make help` names the rest.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PREFIX ?= /usr/local
target := $(or $(CARGO_TARGET_DIR),target)
programs := $(basename $(notdir $(wildcard bin/*.rs)))
staged := $(target)/release/stage

.PHONY: help
help: ## What can be made here
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

.PHONY: build
build: ## The release programs, in target/release
	cargo build --release --locked --bins

.PHONY: demo
demo: ## A registry with planted violations, checked; kept in target/demo
	cargo build --release --locked --bin plms-invariants
	@rm -rf $(target)/demo
	@$(target)/release/plms-invariants demo --keep $(target)/demo

.PHONY: test
test: ## Every test; as root, first installs what they need (apt)
	@tests/real/packages
	@$(MAKE) --no-print-directory cargo-deb || echo 'make test: without cargo-deb the Debian package cannot be tested' >&2
	@rm -f $(target)/tmp/skipped
	cargo test --locked
	@if [ -s $(target)/tmp/skipped ]; then cat $(target)/tmp/skipped; fi
	@echo "tests skipped: $$(cat $(target)/tmp/skipped 2>/dev/null | wc -l)"

.PHONY: unit
unit: ## The quick tests alone, those of the library
	cargo test --locked --lib

.PHONY: lint
lint: ## Format and lints; a warning is an error
	cargo fmt --all --check
	cargo clippy --locked --all-targets -- -D warnings

.PHONY: audit
audit: ## Licences and known vulnerabilities of what we depend on (installs cargo-deny)
	@command -v cargo-deny >/dev/null || echo 'cargo-deny is not here: installing it among cargo'"'"'s programs'
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny check

.PHONY: bench
bench: build ## The figures of BENCHMARKS.md (long; probes only as root; registries are kept in target/bench)
	benches/invariants.sh $(target)/bench
	benches/alerts.sh
	cargo build --release --locked --example measure
	@if [ "$$(id -u)" = 0 ]; then tests/real/sandbox -- benches/probes.sh $(target)/release; \
	else echo 'make bench: the probes are measured beside a private systemd, which needs root'; fi

.PHONY: fresh
fresh: ## `make demo` and `make test` in an empty Debian 12 (root; needs mmdebstrap)
	tests/real/fresh-machine

.PHONY: assets
assets:
	@rm -rf $(staged)
	cargo run --locked --quiet --example assets -- $(staged)/share

.PHONY: stage
stage: build assets ## What install copies, in target/release/stage; for `make stage && sudo make install`
	@deployment/stage $(target)/release $(staged)

.PHONY: install
install: ## Programs, man pages, completions, units under DESTDIR and PREFIX; enables nothing
	@if command -v cargo >/dev/null; then $(MAKE) --no-print-directory stage; fi
	@[ -d $(staged) ] || { echo 'make install: no cargo here; first run `make stage` where it is' >&2; exit 1; }
	@deployment/install $(staged) "$(DESTDIR)" "$(PREFIX)"
	@echo "installed under $(DESTDIR)$(PREFIX); nothing is enabled"

.PHONY: uninstall
uninstall: ## Removes the files that the last `make stage` describes, and no others
	@[ -d $(staged) ] || { echo 'make uninstall: needs the $(staged) that was installed: make stage' >&2; exit 1; }
	@cd $(staged) && find . ! -type d -exec rm -f "$(DESTDIR)$(PREFIX)"/{} \;

.PHONY: cargo-deb
cargo-deb:
	@cargo deb --version >/dev/null 2>&1 || echo 'cargo-deb is not here: installing it among cargo'"'"'s programs'
	@cargo deb --version >/dev/null 2>&1 || cargo install --locked --quiet cargo-deb

.PHONY: deb
deb: stage cargo-deb ## The Debian package, in target/debian (installs cargo-deb)
	@command -v dpkg-shlibdeps >/dev/null || { echo 'make deb: needs dpkg-dev, which finds the libraries to depend on: apt-get install dpkg-dev' >&2; exit 1; }
	cargo deb --locked --no-build --output $(target)/debian/
