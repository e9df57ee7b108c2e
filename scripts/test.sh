#!/usr/bin/env bash
# Installs what is needed, builds, runs every test; fails when anything fails.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-deps.sh
scripts/build.sh release
scripts/format.sh --check
ctest --preset release
