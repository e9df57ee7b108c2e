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
says node software /usr/bin/rendercar-node --one-shot
says demo-launcher vhost-user-gpu-pci /usr/bin/qemu-system-x86_64 -device help

# The VM pod of deploy/k8s/vm-pod: two containers, uid 107, no capabilities, read-only roots; a guest that draws in 3D.
pod_dir=$(mktemp -d)
pod() { CONTAINERS_CONF=$pod_dir/containers.conf podman "$@"; }
play_pod() {
  # On hosts with cgroup v1 podman needs runc and no systemd; the host's network, since the metrics stay on loopback then.
  printf '[engine]\ncgroup_manager = "cgroupfs"\nruntime = "runc"\nevents_logger = "file"\n[containers]\ndefault_ulimits = []\n' > "$pod_dir/containers.conf"
  sed -e 's/0\.0\.0\.0:9465/127.0.0.1:9465/' -e 's/^spec:$/spec:\n  hostNetwork: true/' -e '/^      ports:$/,/containerPort/d' \
    deploy/k8s/vm-pod/podman.yaml > "$pod_dir/pod.yaml"
  pod play kube --start=true "$pod_dir/pod.yaml" > /dev/null || { fail "podman cannot play deploy/k8s/vm-pod/podman.yaml"; return; }
  local tries=180
  until pod logs vm-compute > "$pod_dir/log" 2>&1 && grep -q 'SCENE READY' "$pod_dir/log" || [ $((tries -= 1)) -le 0 ]; do sleep 1; done
  grep -q 'GL_RENDERER: virgl' "$pod_dir/log" || fail "the pod's guest has no virgl: $(pod logs vm-rendercar 2>&1 | tail -3)"
  pod exec vm-rendercar rendercarctl sessions list > "$pod_dir/sessions" || true
  grep -q ready "$pod_dir/sessions" || fail "the pod's session is not ready"
  curl -s http://127.0.0.1:9465/metrics > "$pod_dir/metrics" || true
  grep -q '^rendercar_renderer_up.* 1$' "$pod_dir/metrics" || fail "the pod's metrics show no renderer"
  [ "$(pod exec vm-rendercar sed -n 's/^CapEff:\t//p' /proc/1/status)" = 0000000000000000 ] || fail "the sidecar has capabilities"
  if pod exec vm-rendercar touch /written 2> /dev/null; then fail "the sidecar's root can be written"; fi
}
if command -v podman > /dev/null && command -v runc > /dev/null && command -v catatonit > /dev/null; then
  say "playing the VM pod"
  play_pod
  pod play kube --down "$pod_dir/pod.yaml" > /dev/null 2>&1 || true
else
  say "SKIP: the VM pod needs podman, runc and catatonit (Debian packages)"
fi
rm -rf "$pod_dir"

if [ "$failures" -gt 0 ]; then exit 1; fi
say "images are as promised"
