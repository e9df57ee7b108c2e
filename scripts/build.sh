#!/usr/bin/env bash
# Configures and builds one preset, with progress: build.sh [PRESET [TARGET...]]; release and everything by default. The target
# "programs" is all programs without tests and benchmarks.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release}
[ -f "build/$preset/build.ninja" ] || cmake --preset "$preset"
cmake --build --preset "$preset" ${2:+--target "${@:2}"}
