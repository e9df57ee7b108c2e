#!/usr/bin/env bash
# Builds the .deb packages of this Debian release into build/release/packages. SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."
[ -f build/release/build.ninja ] || cmake --preset release
cmake --build --preset release --target rendercar-node rendercar-operator rendercar-sidecar rendercar-launcher rendercar-shim rendercar-backend rendercar-renderer rendercarctl rendercar_man
(cd build/release && cpack --config CPackConfig.cmake)
ls -1 build/release/packages/*.deb
