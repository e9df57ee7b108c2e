#!/usr/bin/env bash
# Caches buf (lint and breaking-change checks of proto/rendercar) under .cache/buf: a static binary from its npm package. Exits 77 where npm
# cannot fetch it, so that tests skip. SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.57.2
dir=.cache/buf
skip() { printf 'SKIP: %s\n' "$*" >&2; exit 77; }
case "$(uname -m)" in
  x86_64) arch=x64 ;;
  aarch64) arch=aarch64 ;;
  *) skip "there is no buf for $(uname -m)" ;;
esac
if ! [ -x "$dir/buf" ]; then
  command -v npm > /dev/null || skip "npm is not installed; buf comes from an npm package"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && timeout 60 npm pack --silent "@bufbuild/buf-linux-$arch@$version" > name) || skip "npm cannot fetch buf"
  tar -xzf "$work"/*.tgz -C "$work"
  mkdir -p "$dir"
  install -m 0755 "$work/package/bin/buf" "$dir/buf"
fi
"$dir/buf" --version
