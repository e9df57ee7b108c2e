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
for image in sidecar node shim demo-launcher; do
  say "checking $image"
  user=$(config "$image" User)
  case "$user" in '' | 0* | root*) fail "$image runs as '$user'; it must not be root" ;; esac
  [ "$(config "$image" Labels | grep -c "org.opencontainers.image.version:$version")" = 1 ] || fail "$image has no version label"
  container=$(buildah from --pull=never "localhost/rendercar/$image:$version")
  root=$(buildah mount "$container")
  [ "$(wc -l < "$root/usr/share/rendercar/sbom.tsv")" -gt 50 ] || fail "$image: /usr/share/rendercar/sbom.tsv lists too few packages"
  set_uid=$(find "$root" -xdev -perm /6000 -type f -printf '/%P ')
  [ -z "$set_uid" ] || fail "$image has set-uid files: $set_uid"
  buildah rm "$container" > /dev/null
  rm -f "$archive"
  buildah push -q --format oci "localhost/rendercar/$image:$version" "oci-archive:$archive" > /dev/null
  size=$(($(stat -c %s "$archive") / 1000000))
  say "$image: $size MB compressed"
  [ "$image" = demo-launcher ] || [ "$size" -lt "$limit_mb" ] || fail "$image is $size MB compressed, over $limit_mb"
done

says() { # says IMAGE WORD COMMAND...: the command, in the image, prints the word
  local image=$1 word=$2 output
  shift 2
  output=$(in_container "$image" "$@")
  case "$output" in *"$word"*) ;; *) fail "$image: '$*' does not print '$word', but: $output" ;; esac
}
for program in rendercar-sidecar rendercar-backend rendercarctl; do
  says sidecar "$version" "/usr/bin/$program" --version
done
says sidecar '"virgl"' /usr/bin/rendercar-backend --print-capabilities
says shim '"virgl"' /usr/bin/rendercar-shim --print-capabilities
says node software /usr/bin/rendercar-node --one-shot
says node "$version" /usr/bin/rendercar-operator --version
says demo-launcher vhost-user-gpu-pci /usr/bin/qemu-system-x86_64 -device help

# The VM pod of deploy/k8s/vm-pod is played by the test e2e_pod.
if [ "$failures" -gt 0 ]; then exit 1; fi
say "images are as promised"
