#!/usr/bin/env bash
# Installs what building, testing and the demo need on Debian 12 or 13 (root); with --build only what building needs, with
# --demo what building and the demo do.
# Idempotent; quick when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

build_packages=(
  ccache clang clang-format clang-tidy cmake g++ libbenchmark-dev libcap-dev libcli11-dev libclang-rt-dev libcurl4-openssl-dev
  libdrm-dev libegl-dev libepoxy-dev libfmt-dev libgbm-dev libgles-dev libgmock-dev libgrpc++-dev libgtest-dev libpng-dev libprotobuf-dev
  libpugixml-dev libseccomp-dev libspdlog-dev libudev-dev libumockdev-dev libvirglrenderer-dev libyaml-cpp-dev make ninja-build
  nlohmann-json3-dev pkg-config prometheus-cpp-dev protobuf-compiler protobuf-compiler-grpc umockdev edid-decode
)
run_packages=(
  binutils busybox-static ca-certificates cpio curl dpkg-dev file git kmod libegl-mesa0 libgl1-mesa-dri openssl python3 python3-grpcio python3-protobuf
  python3-jsonschema python3-yaml
  xz-utils zstd
)
# A pod without a cluster: podman, and buildah with a debootstrapped base where no registry answers.
pod_packages=(buildah catatonit conmon debootstrap podman runc)
qemu_packages=(ipxe-qemu qemu-system-common qemu-system-data qemu-system-gui qemu-system-x86 seabios)
# libvirtd and virsh without the package that configures and starts system services (libvirt-daemon-system).
libvirt_packages=(libvirt-clients libvirt-common libvirt-daemon libvirt-daemon-common libvirt-daemon-driver-qemu libvirt-daemon-log libvirt0)

say() { printf '==> %s\n' "$*"; }
die() { printf 'install-deps: %s\n' "$*" >&2; exit 1; }

. /etc/os-release
[ "${ID:-}" = debian ] || die "this is ${PRETTY_NAME:-an unknown system}; Debian 12 or 13 is needed"
case "${VERSION_ID:-}" in
  12) libclang_rt=libclang-rt-14-dev ;;
  13) libclang_rt=libclang-rt-dev ;;
  *) die "this is ${PRETTY_NAME}; Debian 12 or 13 is needed" ;;
esac
packages=("${build_packages[@]/libclang-rt-dev/$libclang_rt}" "${run_packages[@]}")
case "${1:-}" in
  '') packages+=("${pod_packages[@]}") ;;
  --demo) libvirt_packages=() ;;
  --build) qemu_packages=() libvirt_packages=() ;;
  *) die "unknown argument '$1'; use --build, --demo or none" ;;
esac

missing() { # the packages of "$@" that are not installed
  local p
  for p in "$@"; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null | grep -q '^ii' || printf '%s\n' "$p"
  done
}

# QEMU 10 and libvirt 11 are what the product is tested with; Debian 12 has them in bookworm-backports only.
is_old() { # is_old PACKAGE VERSION: what is installed is older, or nothing is
  ! dpkg --compare-versions "$(dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo 0)" ge "$2"
}
qemu_is_old() { [ ${#qemu_packages[@]} -gt 0 ] && is_old qemu-system-x86 1:10; }
libvirt_is_old() { [ ${#libvirt_packages[@]} -gt 0 ] && is_old libvirt-daemon 11; }

add_backports() { # adds bookworm-backports from the mirror that this machine already uses
  grep -rqs bookworm-backports /etc/apt/sources.list /etc/apt/sources.list.d --include=*.list --include=*.sources && return
  local uri
  uri=$(awk '$1 == "URIs:" {print $2; exit}' /etc/apt/sources.list.d/debian.sources 2>/dev/null || true)
  [ -n "$uri" ] || uri=$(awk '$1 == "deb" && / bookworm / {for (i = 2; i <= NF; i++) if ($i ~ /^https?:/) {print $i; exit}}' \
    /etc/apt/sources.list 2>/dev/null || true)
  [ -n "$uri" ] || die "no Debian mirror found in /etc/apt; add bookworm and bookworm-backports there"
  say "adding the suite bookworm-backports"
  printf 'Types: deb\nURIs: %s\nSuites: bookworm-backports\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' \
    "$uri" > /etc/apt/sources.list.d/rendercar-backports.sources
}

mapfile -t wanted < <(missing "${packages[@]}")
qemu_wanted=()
if qemu_is_old || [ -n "$(missing "${qemu_packages[@]}")" ]; then qemu_wanted=("${qemu_packages[@]}"); fi
libvirt_wanted=()
if libvirt_is_old || [ -n "$(missing "${libvirt_packages[@]}")" ]; then libvirt_wanted=("${libvirt_packages[@]}"); fi
if [ ${#wanted[@]} -eq 0 ] && [ ${#qemu_wanted[@]} -eq 0 ] && [ ${#libvirt_wanted[@]} -eq 0 ]; then
  say "all packages are there"
  exit 0
fi

[ "$(id -u)" = 0 ] || die "packages are missing (${wanted[*]} ${qemu_wanted[*]} ${libvirt_wanted[*]}); run this once as root"
export DEBIAN_FRONTEND=noninteractive
target=()
if [ "$VERSION_ID" = 12 ] && [ $((${#qemu_wanted[@]} + ${#libvirt_wanted[@]})) -gt 0 ]; then
  add_backports
  target=(-t bookworm-backports)
  # Each one by name: with -t, systemd-container would bring systemd itself from backports.
  libvirt_wanted=("${libvirt_wanted[@]/%//bookworm-backports}")
fi
say "updating the package lists"
apt-get update -q
if [ ${#wanted[@]} -gt 0 ]; then
  say "installing ${#wanted[@]} packages: ${wanted[*]}"
  apt-get install -y -q --no-install-recommends "${wanted[@]}"
fi
if [ ${#qemu_wanted[@]} -gt 0 ]; then
  say "installing QEMU 10"
  apt-get install -y -q --no-install-recommends "${target[@]}" "${qemu_wanted[@]}"
fi
if [ ${#libvirt_wanted[@]} -gt 0 ]; then
  say "installing libvirt 11"
  # Where QEMU brought systemd from backports (a machine that had none), its container part must fit.
  if [ "$VERSION_ID" = 12 ] && ! is_old systemd 253; then libvirt_wanted+=(systemd-container/bookworm-backports); fi
  apt-get install -y -q --no-install-recommends "${libvirt_wanted[@]}"
fi
