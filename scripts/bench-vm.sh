#!/usr/bin/env bash
# A real QEMU and a Linux guest with our backend, QEMU's, and QEMU's in-process device; arguments go to bench/vm/vm_bench.py.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-deps.sh >&2
command -v Xvfb > /dev/null || apt-get install -y -q --no-install-recommends xvfb >&2 # a GL display for the in-process device
[ -f build/release/build.ninja ] || cmake --preset release >&2
cmake --build --preset release --target programs rendercar_force_surfaceless >&2
exec python3 bench/vm/vm_bench.py "$@"
