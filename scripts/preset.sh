#!/usr/bin/env bash
# Builds one preset (asan, tsan, fuzz, tidy) and runs its unit and component tests.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-deps.sh
scripts/build.sh "$1"
[ "$1" = tidy ] || ctest --preset "$1" --label-regex check -j"$(nproc)"
