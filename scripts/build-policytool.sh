#!/usr/bin/env bash
# Builds .cache/policytool/policytool and crdtool: the API server's own decoding, CEL and CRD code around our manifests
# (tests/deploy/policytool, tests/deploy/crdtool).
# Its Go packages are in Debian sid only, so it is built in a debootstrapped chroot (root, about ten minutes, once).
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."

cache=.cache/policytool
mirror=$(awk '$1 == "URIs:" {print $2; exit}' /etc/apt/sources.list.d/debian.sources 2> /dev/null || true)
say() { printf '==> %s\n' "$*"; }
die() { printf 'build-policytool: %s\n' "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "debootstrap needs root"
command -v debootstrap > /dev/null || die "debootstrap is missing; install the Debian package of that name"
[ -n "$mirror" ] || die "no Debian mirror found in /etc/apt/sources.list.d/debian.sources"
tools=()
for tool in policytool crdtool; do
  if [ "$cache/$tool" -nt "tests/deploy/$tool/main.go" ]; then say "$cache/$tool is new enough"; else tools+=("$tool"); fi
done
[ ${#tools[@]} -gt 0 ] || exit 0
mkdir -p "$cache"
root=$cache/sid
if [ ! -e "$root/usr/share/gocode/src/k8s.io/apiextensions-apiserver/pkg" ]; then
  say "unpacking Debian sid with Go and the API server's packages"
  rm -rf --one-file-system "$root"
  debootstrap --variant=minbase --include=golang-go,golang-k8s-apiserver-dev,golang-k8s-apiextensions-apiserver-dev,golang-k8s-api-dev sid "$root" "$mirror"
fi
say "compiling"
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
trap 'umount "$root/proc"' EXIT
for tool in "${tools[@]}"; do
  mkdir -p "$root/build/$tool"
  cp "tests/deploy/$tool/main.go" "$root/build/$tool/"
  chroot "$root" env HOME=/root GO111MODULE=off GOPATH=/usr/share/gocode CGO_ENABLED=0 GOTELEMETRY=off \
    go build -ldflags=-s -o "/build/$tool/$tool" "/build/$tool/main.go"
  install -m 0755 "$root/build/$tool/$tool" "$cache/$tool"
  say "built $cache/$tool"
done
