#!/usr/bin/env bash
# Builds .cache/policytool/policytool: the API server's own decoding and CEL code around our manifests (tests/deploy/policytool).
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
if [ "$cache/policytool" -nt tests/deploy/policytool/main.go ]; then
  say "$cache/policytool is new enough"
  exit 0
fi
mkdir -p "$cache"
root=$cache/sid
if [ ! -e "$root/usr/bin/go" ]; then
  say "unpacking Debian sid with Go and the API server's packages"
  debootstrap --variant=minbase --include=golang-go,golang-k8s-apiserver-dev,golang-k8s-api-dev sid "$root" "$mirror"
fi
say "compiling"
mkdir -p "$root/build"
cp tests/deploy/policytool/main.go "$root/build/"
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
trap 'umount "$root/proc"' EXIT
chroot "$root" env HOME=/root GO111MODULE=off GOPATH=/usr/share/gocode CGO_ENABLED=0 GOTELEMETRY=off \
  go build -ldflags=-s -o /build/policytool /build/main.go
install -m 0755 "$root/build/policytool" "$cache/policytool"
say "built $cache/policytool"
