#!/usr/bin/env bash
# Builds the container images localhost/rendercar/{sidecar,node,shim,demo-launcher} with buildah (root).
#
#   scripts/images.sh              Debian 13 images; our packages are compiled in a build stage (long)
#   scripts/images.sh --from-host  images of this machine's Debian release from build/release/packages (minutes)
#   --only=sidecar,node            just these
#   --virglrenderer=release        Debian 13's own 1.1.0 instead of sid's source (docs/security-model.md), where sid is not to be had
#
# The base is docker.io/library/debian:RELEASE, or, where no registry can be reached, a debootstrapped system of that name.
# Exit code 69: this machine can make no images at all (no root, no buildah, no base); 1: making ours failed.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '==> %s\n' "$*"; }
die() { printf 'images: %s\n' "$*" >&2; exit 1; }
unavailable() { printf 'images: %s\n' "$*" >&2; exit 69; }

from_host='' only=sidecar,node,shim,demo-launcher virglrenderer=sid
for argument in "$@"; do
  case "$argument" in
    --from-host) from_host=1 ;;
    --only=*) only=${argument#--only=} ;;
    --virglrenderer=sid | --virglrenderer=release) virglrenderer=${argument#--virglrenderer=} ;;
    *) die "unknown argument '$argument'; use --from-host, --only=sidecar,node,shim,demo-launcher or --virglrenderer=release" ;;
  esac
done
[ "$(id -u)" = 0 ] || unavailable "buildah and debootstrap need root here"
command -v buildah > /dev/null || unavailable "buildah is missing; install the Debian package of that name"

. /etc/os-release
release=13 codename=trixie
if [ -n "$from_host" ]; then release=$VERSION_ID codename=$VERSION_CODENAME; fi
base=docker.io/library/debian:$release
version=$(sed -n 's/^project(rendercar VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
revision=$(git rev-parse --short HEAD 2> /dev/null || echo unknown)
# chroot isolation runs where no user namespaces and no cgroups can be made: in a CI container.
# Its default limits may be above ours, which a machine without CAP_SYS_RESOURCE refuses.
build=(buildah build --isolation=chroot --pull=never --layers=false --ulimit "nofile=$(ulimit -Hn):$(ulimit -Hn)" --build-arg "BASE=$base" --build-arg "VERSION=$version" --build-arg "REVISION=$revision")

# The mirror that this machine's apt uses, in either format of its sources.
mirror() {
  {
    awk '$1 == "URIs:" {print $2}' /etc/apt/sources.list.d/*.sources
    awk '$1 == "deb" {for (i = 2; i <= NF; i++) if ($i ~ /^https?:/) {print $i; break}}' /etc/apt/sources.list /etc/apt/sources.list.d/*.list
  } 2> /dev/null | head -1 || true # one of the files may be missing
}

make_base() {
  if buildah inspect --type image "$base" > /dev/null 2>&1 && [ -z "${RENDERCAR_NEW_BASE:-}" ]; then return; fi
  if timeout 60 buildah pull -q --policy=always "$base" > /dev/null 2>&1; then return; fi
  command -v debootstrap > /dev/null || unavailable "$base cannot be pulled, and debootstrap is missing (Debian package of that name)"
  local mirror container root=$context/base
  mirror=$(mirror)
  [ -n "$mirror" ] || unavailable "$base cannot be pulled, and apt's sources in /etc/apt name no Debian mirror"
  say "no registry answers; making $base by debootstrap"
  debootstrap --variant=minbase "$codename" "$root" "$mirror" > "$context/log" 2>&1 || {
    tail -20 "$context/log" "$root/debootstrap/debootstrap.log" >&2
    unavailable "$base cannot be pulled, and debootstrap of $codename failed"
  }
  local suites="$codename $codename-updates"
  [ "$release" != 12 ] || suites="$suites bookworm-backports"
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' "$mirror" "$suites" \
    > "$root/etc/apt/sources.list.d/debian.sources"
  rm -f "$root/etc/apt/sources.list"
  # A mirror that is updated seldom has "expired" lists; where this machine's apt takes them, the base does.
  apt-config dump | grep -i '^Acquire::Check-Valid-Until' > "$root/etc/apt/apt.conf.d/01this-mirror" || true
  rm -rf "$root/var/cache/apt/archives/"*.deb "$root/var/lib/apt/lists/"*
  container=$(buildah from scratch)
  buildah add -q "$container" "$root" / > /dev/null
  buildah config --cmd bash "$container"
  buildah commit -q --rm "$container" "$base" > /dev/null
  rm -rf "$root"
}

make_packages() { # into $context/packages
  mkdir -p "$context/packages"
  if [ -n "$from_host" ]; then
    [ -n "$(ls build/release/packages/*.deb 2> /dev/null)" ] || die "build/release/packages has no packages; run scripts/package.sh"
    cp build/release/packages/*.deb "$context/packages/"
    return
  fi
  say "compiling packages on Debian $release (long)"
  "${build[@]}" -q --build-arg "VIRGLRENDERER=$virglrenderer" -f deploy/images/packages.Containerfile -t localhost/rendercar/packages:"$version" . > /dev/null
  local container mounted
  container=$(buildah from --pull=never localhost/rendercar/packages:"$version")
  mounted=$(buildah mount "$container")
  cp "$mounted"/packages/*.deb "$context/packages/"
  buildah rm "$container" > /dev/null
}

make_guest() { # into $context/guest
  local guest
  guest=$(scripts/build-guest.sh 3d | tail -1)
  mkdir -p "$context/guest"
  cp "$guest/vmlinuz" "$guest/initrd" "$context/guest/"
}

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
make_base
case ",$only," in *,sidecar,* | *,node,* | *,shim,*) make_packages ;; esac
case ",$only," in *,demo-launcher,*) make_guest ;; esac
for image in ${only//,/ }; do
  [ -f "deploy/images/$image.Containerfile" ] || die "there is no image '$image'; choose from sidecar, node, shim, demo-launcher"
  say "building localhost/rendercar/$image:$version"
  "${build[@]}" -q -f "deploy/images/$image.Containerfile" -t "localhost/rendercar/$image:$version" "$context" > /dev/null
done
buildah images --format '{{.Name}}:{{.Tag}} {{.Size}}' | grep '^localhost/rendercar/'
