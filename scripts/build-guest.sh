#!/usr/bin/env bash
# Builds the test guest from Debian packages of this release: Debian's kernel and an initramfs with busybox (2d) or with
# busybox, Mesa's virgl driver and our 3D program (3d). Cached under .cache/guest by a hash of everything that goes in.
# usage: scripts/build-guest.sh 2d|3d ; the last line on stdout is the folder with `vmlinuz` and `initrd`.
# Nothing is installed: packages are downloaded and unpacked into a temporary folder.
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:-}
case $kind in 2d | 3d) ;; *) echo "build-guest: the kind of guest is 2d or 3d, not '$kind'" >&2; exit 64 ;; esac

cache=.cache/guest
source=tests/guest
arch=$(dpkg --print-architecture)
multiarch=$(gcc -print-multiarch)
modules=(virtio_pci virtio_console virtio_gpu)
mesa_packages=(libegl1 libegl-mesa0 libgbm1 libgl1-mesa-dri libgles2 libdrm2)
if apt-cache show mesa-libgallium >/dev/null 2>&1; then mesa_packages+=(mesa-libgallium); fi
started=$SECONDS

say() { printf '==> guest %s: %s\n' "$kind" "$*" >&2; }
die() { printf 'build-guest: %s\n' "$*" >&2; exit 1; }
for tool in apt-get apt-cache cpio depmod dpkg-deb gcc modprobe sha256sum xz; do
  PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null || die "$tool is missing; run scripts/install-deps.sh"
done
PATH=$PATH:/usr/sbin:/sbin

candidate() { apt-cache policy "$1" | awk '$1 == "Candidate:" && $2 != "(none)" {print $2}'; }

kernel_package() { # the real package behind linux-image-ARCH, of the release itself (not of backports)
  local version
  version=$(candidate "linux-image-$arch")
  [ -n "$version" ] || return 1
  apt-cache show "linux-image-$arch=$version" | sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p' | head -1
}

closure() { # every real package that "$@" need, themselves included
  apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$@" |
    grep '^[a-z0-9]' | sort -u
}

resolve() { # prints NAME=VERSION lines of all packages that go in
  local kernel names name version
  kernel=$(kernel_package) || return 1
  [ -n "$kernel" ] || return 1
  names=("$kernel" busybox-static)
  if [ "$kind" = 3d ]; then mapfile -t -O 2 names < <(closure "${mesa_packages[@]}"); fi
  for name in "${names[@]}"; do
    version=$(candidate "$name")
    [ -n "$version" ] || continue # virtual
    printf '%s=%s\n' "$name" "$version"
  done
}

mkdir -p "$cache/debs"
exec 9>"$cache/lock"
flock 9 # two builds at once share the work
if ! packages=$(resolve); then
  say "updating the package lists"
  apt-get update -q >&2 || die "apt-get update failed; is a Debian mirror reachable?"
  packages=$(resolve) || die "no package linux-image-$arch in /etc/apt's sources"
fi
hash=$({ printf '%s\n' "$packages"; cat scripts/build-guest.sh "$source"/*; } | sha256sum | cut -c1-16)
result=$PWD/$cache/$kind-$hash
if [ -e "$result/initrd" ]; then
  say "up to date ($(du -sh "$result" | cut -f1))"
  printf '%s\n' "$result"
  exit 0
fi

work=$(mktemp -d "$PWD/$cache/.building-XXXXXX")
trap 'rm -rf "$work"' EXIT

deb_of() { # the cached file of NAME=VERSION, if it is there
  local file="$cache/debs/${1%%=*}_${1#*=}_"
  file=${file//:/%3a}
  ls "$file"*.deb 2>/dev/null | head -1
}
download() {
  local wanted=() spec
  for spec in $packages; do [ -n "$(deb_of "$spec")" ] || wanted+=("$spec"); done
  [ ${#wanted[@]} -gt 0 ] || return 0
  say "downloading ${#wanted[@]} packages"
  mkdir -p "$work/debs"
  (cd "$work/debs" && apt-get download -q -o APT::Sandbox::User=root "${wanted[@]}" >/dev/null) || return 1
  mv "$work"/debs/*.deb "$cache/debs/"
}
if ! download; then
  say "a package is gone from the mirror: updating the package lists"
  apt-get update -q >&2 || die "apt-get update failed; is a Debian mirror reachable?"
  packages=$(resolve)
  download || die "cannot download: ${packages//$'\n'/ }"
fi

say "unpacking"
for spec in $packages; do
  deb=$(deb_of "$spec")
  [ -n "$deb" ] || die "$spec was downloaded under another name; remove $cache/debs and try again"
  dpkg-deb -x "$deb" "$work/all"
done
root=$work/root
libs=$root/usr/lib/$multiarch
mkdir -p "$root"/usr/{bin,lib,lib64,sbin} "$root"/{dev,etc,proc,run,sys,tmp} "$libs" "$work/out"
for d in bin lib lib64 sbin; do ln -s "usr/$d" "$root/$d"; done

kernel=$(basename "$(echo "$work"/all/boot/vmlinuz-*)")
release=${kernel#vmlinuz-}
say "kernel $release"
cp "$work/all/boot/$kernel" "$work/out/vmlinuz"
[ -d "$work/all/lib/modules" ] || { mkdir -p "$work/all/lib"; ln -s ../usr/lib/modules "$work/all/lib/modules"; }
depmod -b "$work/all" "$release"
add_module() { # with what it needs, in loading order, uncompressed so that busybox's insmod takes it
  local verb path name
  while read -r verb path _; do
    [ "$verb" = insmod ] || continue
    name=$(basename "${path%.xz}")
    [ ! -e "$root/usr/lib/modules/$name" ] || continue
    mkdir -p "$root/usr/lib/modules"
    case $path in *.xz) xz -dc "$path" >"$root/usr/lib/modules/$name" ;; *) cp "$path" "$root/usr/lib/modules/" ;; esac
    echo "/usr/lib/modules/$name" >>"$root/modules.list"
  done < <(modprobe -d "$work/all" -S "$release" --show-depends "$1")
}
for module in "${modules[@]}"; do add_module "$module"; done

busybox=$(echo "$work"/all/{usr/,}bin/busybox | tr ' ' '\n' | while read -r f; do [ -f "$f" ] && echo "$f" && break; done)
cp "$busybox" "$root/usr/bin/busybox"
install -m 755 "$source/init" "$root/init"
install -m 755 "$source/console" "$root/usr/bin/console"
say "compiling the guest's programs"
gcc -O2 -static -o "$root/usr/bin/paint" "$source/paint.c"

add_mesa() {
  local loader path file
  gcc -O2 -o "$root/usr/bin/scene" "$source/scene.c" "$source/display.c" \
    $(pkg-config --cflags --libs egl glesv2 gbm libdrm) -lm
  path=$(find "$work/all" -type d -path "*/lib/$multiarch" | tr '\n' ':')
  loader=$(find "$work/all" -name 'ld-linux*.so*' -path "*/lib*" | head -1)
  local wanted=("$root/usr/bin/scene")
  for file in "$work"/all/usr/lib/"$multiarch"/{libEGL_mesa.so.0,dri/virtio_gpu_dri.so,gbm/dri_gbm.so}; do
    [ -e "$file" ] && wanted+=("$file")
  done
  say "collecting the libraries that Mesa needs"
  for file in "${wanted[@]}"; do
    "$loader" --library-path "$path" --list "$file" || die "$file lacks a library"
  done | awk '$2 == "=>" && $3 ~ /^\// {print $3}' | sort -u >"$work/libraries"
  if grep -v "^$work" "$work/libraries" >&2; then die "the libraries above come from this machine, not from the packages"; fi
  while read -r file; do cp -L "$file" "$libs/"; done <"$work/libraries"
  cp -L "$loader" "$root/usr/lib64/"
  cp -L "${wanted[1]}" "$libs/"
  for file in "${wanted[@]:2}"; do
    mkdir -p "$libs/$(basename "$(dirname "$file")")"
    cp -L "$file" "$libs/$(basename "$(dirname "$file")")/"
  done
  mkdir -p "$root/usr/share/glvnd"
  cp -r "$work/all/usr/share/glvnd/egl_vendor.d" "$root/usr/share/glvnd/"
  strip --strip-unneeded "$libs"/*.so* 2>/dev/null || true
}
if [ "$kind" = 3d ]; then add_mesa; fi

say "packing the initramfs"
(cd "$root" && find . -print0 | LC_ALL=C sort -z | cpio --null --create --format=newc --quiet --owner=0:0) >"$work/out/initrd"
rm -rf "$cache/$kind"-*
mv "$work/out" "$result"
say "ready in $((SECONDS - started)) s ($(du -sh "$result" | cut -f1)): $result"
printf '%s\n' "$result"
