#!/usr/bin/env bash
# Builds one preset (asan, tsan, fuzz, tidy) and runs its tests: docs/testing.md says which those are.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-deps.sh
scripts/build.sh "$1"
ctest --preset "$1" -j"$(nproc)"
