#!/usr/bin/env bash
# The backend beside QEMU's own, as a table of ratios; arguments go to rendercar-bench (--only ID, --json, --rounds N).
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-deps.sh >&2
[ -f build/release/build.ninja ] || cmake --preset release >&2
targets=(rendercar-bench)
if ninja -C build/release -t query rendercar-backend >/dev/null 2>&1; then targets+=(rendercar-backend); fi
cmake --build --preset release --target "${targets[@]}" >&2
exec build/release/bin/rendercar-bench "$@"
