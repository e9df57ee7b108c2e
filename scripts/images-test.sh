#!/usr/bin/env bash
# Builds the images from this machine's packages and checks what they promise: size, user, labels, package list, programs that start
# as uid 107 without capabilities. `make images-test`. SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '==> %s\n' "$*"; }
fail() { printf 'FAIL: %s\n' "$*" >&2; failures=$((failures + 1)); }
failures=0
version=$(sed -n 's/^project(rendercar VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
limit_mb=150

scripts/package.sh
scripts/images.sh --from-host

config() { buildah inspect --type image --format "{{.OCIv1.Config.$2}}" "localhost/rendercar/$1:$version"; }

in_container() { # in_container IMAGE COMMAND...: as uid 107 without capabilities
  local image=$1 container
  shift
  container=$(buildah from --pull=never "localhost/rendercar/$image:$version")
  buildah run --isolation=chroot --user 107:107 --cap-drop all "$container" -- "$@" 2>&1 || true
  buildah rm "$container" > /dev/null
}

archive=$(mktemp)
trap 'rm -f "$archive"' EXIT
for image in sidecar node demo-launcher; do
  say "checking $image"
  user=$(config "$image" User)
  case "$user" in '' | 0* | root*) fail "$image runs as '$user'; it must not be root" ;; esac
  [ "$(config "$image" Labels | grep -c "org.opencontainers.image.version:$version")" = 1 ] || fail "$image has no version label"
  container=$(buildah from --pull=never "localhost/rendercar/$image:$version")
  root=$(buildah mount "$container")
  [ "$(wc -l < "$root/usr/share/rendercar/sbom.tsv")" -gt 50 ] || fail "$image: /usr/share/rendercar/sbom.tsv lists too few packages"
  find "$root" -xdev -perm /6000 -type f | grep -q . && say "$image: set-uid files: $(find "$root" -xdev -perm /6000 -type f -printf '/%P ')"
  buildah rm "$container" > /dev/null
  rm -f "$archive"
  buildah push -q --format oci "localhost/rendercar/$image:$version" "oci-archive:$archive" > /dev/null
  size=$(($(stat -c %s "$archive") / 1000000))
  say "$image: $size MB compressed"
  [ "$image" = demo-launcher ] || [ "$size" -lt "$limit_mb" ] || fail "$image is $size MB compressed, over $limit_mb"
done

for program in rendercar-sidecar rendercar-backend rendercarctl; do
  in_container sidecar "/usr/bin/$program" --version | grep -q "$version" || fail "$program does not start in its image"
done
in_container sidecar /usr/bin/rendercar-backend --print-capabilities | grep -q '"type"' || fail "rendercar-backend tells no capabilities in its image"
in_container node /usr/bin/rendercar-node --one-shot | grep -q software || fail "rendercar-node --one-shot fails in its image"
in_container demo-launcher /usr/bin/qemu-system-x86_64 -device help | grep -q vhost-user-gpu-pci || fail "the demo launcher's QEMU has no vhost-user-gpu-pci"

if [ "$failures" -gt 0 ]; then exit 1; fi
say "images are as promised"
