#!/usr/bin/env bash
# Unit and component tests of the release preset, after an incremental build.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-deps.sh
scripts/build.sh release
ctest --preset release --label-regex check -j"$(nproc)"
