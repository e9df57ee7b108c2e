# What people and CI type; the work is in scripts/ and CMake.
.PHONY: demo test check bench bench-vm chaos format tidy asan tsan fuzz clean help images-test packages

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

demo: ## the main job, end to end, on this machine: a VM whose GPU runs in our sidecar, and its picture
	@scripts/demo.sh

test: ## installs what is needed, builds, runs every test
	@scripts/test.sh

check: ## unit and component tests, after an incremental build
	@scripts/check.sh

bench: ## the backend beside QEMU's own, as a table of ratios
	@scripts/bench.sh

bench-vm: ## QMP latency and glmark2 in a real VM, beside QEMU's own devices
	@scripts/bench-vm.sh

chaos: ## the long form of the chaos tests: kills, resets, shortages, hostile guests (an hour or more)
	@scripts/chaos.sh

packages: ## .deb packages of this Debian release, in build/release/packages
	@scripts/package.sh

images-test: ## container images, built from those packages and checked (root, buildah)
	@scripts/images-test.sh

format: ## clang-format on every C++ file
	@scripts/format.sh

tidy asan tsan fuzz: ## the preset of that name: configure, build, test
	@scripts/preset.sh $@

clean: ## removes build/ (downloads and guest images in .cache/ stay)
	@rm -rf build
