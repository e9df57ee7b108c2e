#!/usr/bin/env bash
# Builds the test guest from Debian packages of this release: Debian's kernel and an initramfs with busybox (2d) or with
# busybox, Mesa's virgl driver and our 3D program (3d), or that and glmark2 (glmark). Cached under .cache/guest by a hash
# of everything that goes in.
# usage: scripts/build-guest.sh 2d|3d|glmark ; the last line on stdout is the folder with `vmlinuz` and `initrd`.
# Nothing is installed: packages are downloaded and unpacked into a temporary folder.
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:-}
case $kind in
  2d | 3d | glmark) ;;
  *) echo "build-guest: the kind of guest is 2d, 3d or glmark, not '$kind'" >&2; exit 64 ;;
esac

cache=.cache/guest
source=tests/guest
arch=$(dpkg --print-architecture)
multiarch=$(gcc -print-multiarch)
modules=(virtio_pci virtio_console virtio_gpu)
spare_modules=(vgem) # in the guest, but loaded only by a test that wants them
mesa_packages=(libegl1 libegl-mesa0 libgbm1 libgl1-mesa-dri libgles2 libdrm2)
if [ "$kind" = glmark ]; then mesa_packages+=(glmark2-es2-drm glmark2-data); fi
started=$SECONDS

say() { printf '==> guest %s: %s\n' "$kind" "$*" >&2; }
die() { printf 'build-guest: %s\n' "$*" >&2; exit 1; }
for tool in apt-get apt-cache cpio depmod dpkg-deb gcc modprobe sha256sum xz; do
  PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null || die "$tool is missing; run scripts/install-deps.sh"
done
PATH=$PATH:/usr/sbin:/sbin

candidates() { # NAME=VERSION of those of "$@" that exist (virtual packages do not)
  apt-cache policy "$@" | awk '/^[^ ]/ {name = substr($1, 1, length($1) - 1)}
    $1 == "Candidate:" && $2 != "(none)" {print name "=" $2}'
}

resolve() { # NAME=VERSION of all packages that go in; the kernel is the release's own, not that of backports
  local meta kernel names=(busybox-static)
  meta=$(candidates "linux-image-$arch")
  [ -n "$meta" ] || return 1
  kernel=$(apt-cache show "$meta" | sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p' | head -1)
  [ -n "$kernel" ] || return 1
  if [ "$kind" != 2d ]; then
    mapfile -t -O 1 names < <(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
      --no-replaces --no-enhances "${mesa_packages[@]}" | grep '^[a-z0-9]' | sort -u)
  fi
  candidates "$kernel" "${names[@]}"
}

hash_of() { sha256sum | cut -c1-16; }
mkdir -p "$cache/debs"
exec 9>"$cache/lock"
flock 9 # two builds at once share the work

# Nothing that decides the outcome has changed since the last run: no need to ask apt.
inputs=$({ ls -l --time-style=full-iso /var/lib/apt/lists /etc/apt/sources.list*; cat scripts/build-guest.sh "$source"/*; } 2>/dev/null | hash_of)
if [ "$(head -n 1 "$cache/$kind.last" 2>/dev/null)" = "$inputs" ]; then
  result=$(sed -n 2p "$cache/$kind.last")
  if [ -e "$result/initrd" ]; then
    say "up to date"
    printf '%s\n' "$result"
    exit 0
  fi
fi
finish() { # MESSAGE
  printf '%s\n' "$inputs" "$result" >"$cache/$kind.last.new"
  mv "$cache/$kind.last.new" "$cache/$kind.last"
  say "$1"
  printf '%s\n' "$result"
}

if ! packages=$(resolve); then
  say "updating the package lists"
  apt-get update -q >&2 || die "apt-get update failed; is a Debian mirror reachable?"
  packages=$(resolve) || die "no package linux-image-$arch in /etc/apt's sources"
fi
# Two cached parts: what comes from packages (slow, seldom new), and that plus our own files (quick).
base=$PWD/$cache/base-$kind-$({ printf '%s\n' "$packages"; cat scripts/build-guest.sh; } | hash_of)
result=$PWD/$cache/$kind-$({ echo "$base"; cat "$source"/*; } | hash_of)
if [ -e "$result/initrd" ]; then
  finish "up to date"
  exit 0
fi

work=$(mktemp -d "$PWD/$cache/.building-XXXXXX")
trap 'rm -rf "$work"' EXIT

pack() { # FOLDER ARCHIVE
  (cd "$1" && find . -print0 | LC_ALL=C sort -z | cpio --null --create --format=newc --quiet --owner=0:0) >"$2"
}

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

add_module() { # RELEASE MODULE LIST: with what it needs, in loading order, uncompressed so that busybox's insmod takes it
  local verb path name
  while read -r verb path _; do
    [ "$verb" = insmod ] || continue
    name=$(basename "${path%.xz}")
    [ ! -e "$root/usr/lib/modules/$name" ] || continue
    mkdir -p "$root/usr/lib/modules"
    case $path in *.xz) xz -dc "$path" >"$root/usr/lib/modules/$name" ;; *) cp "$path" "$root/usr/lib/modules/" ;; esac
    echo "/usr/lib/modules/$name" >>"$root/$3"
  done < <(modprobe -d "$work/all" -S "$1" --show-depends "$2")
}

add_kernel() {
  local kernel release module
  kernel=$(basename "$(echo "$work"/all/boot/vmlinuz-*)")
  release=${kernel#vmlinuz-}
  say "kernel $release"
  cp "$work/all/boot/$kernel" "$work/base/vmlinuz"
  [ -d "$work/all/lib/modules" ] || { mkdir -p "$work/all/lib"; ln -s ../usr/lib/modules "$work/all/lib/modules"; }
  depmod -b "$work/all" "$release"
  for module in "${modules[@]}"; do add_module "$release" "$module" modules.list; done
  for module in "${spare_modules[@]}"; do add_module "$release" "$module" "$module.list"; done
}

add_mesa() { # the GL, GBM and DRM libraries, what Mesa opens at run time, and all that these need
  local loader path file wanted=() from=$work/all/usr/lib/$multiarch
  path=$(find "$work/all" -type d -path "*/lib/$multiarch" | tr '\n' ':')
  loader=$(find "$work/all" -name 'ld-linux*.so*' -path "*/lib*" | head -1)
  for file in lib{EGL.so.1,GLESv2.so.2,gbm.so.1,drm.so.2,EGL_mesa.so.0} dri/virtio_gpu_dri.so gbm/dri_gbm.so; do
    [ -e "$from/$file" ] || continue
    wanted+=("$from/$file")
    mkdir -p "$(dirname "$libs/$file")"
    cp -L "$from/$file" "$libs/$file"
  done
  if [ "$kind" = glmark ]; then
    wanted+=("$work/all/usr/bin/glmark2-es2-drm")
    cp "$work/all/usr/bin/glmark2-es2-drm" "$root/usr/bin/"
    mkdir -p "$root/usr/share"
    cp -r "$work/all/usr/share/glmark2" "$root/usr/share/"
  fi
  # One file holds all drivers; by these names Mesa finds the software ones for a render node without a driver of its own.
  if [ -e "$libs/dri/virtio_gpu_dri.so" ]; then
    for file in kms_swrast swrast; do ln -s virtio_gpu_dri.so "$libs/dri/${file}_dri.so"; done
  fi
  say "collecting the libraries that Mesa needs"
  for file in "${wanted[@]}" "$(find "$work/all" -name libm.so.6 | head -1)"; do
    echo "x => $file"
    "$loader" --library-path "$path" --list "$file" || die "$file lacks a library"
  done | awk '$2 == "=>" && $3 ~ /^\// {print $3}' | grep -v '/\(dri\|gbm\)/' | sort -u >"$work/libraries"
  if grep -v "^$work" "$work/libraries" >&2; then die "the libraries above come from this machine, not from the packages"; fi
  while read -r file; do cp -L "$file" "$libs/"; done <"$work/libraries"
  cp -L "$loader" "$root/usr/lib64/"
  mkdir -p "$root/usr/share/glvnd"
  cp -r "$work/all/usr/share/glvnd/egl_vendor.d" "$root/usr/share/glvnd/"
  strip --strip-unneeded "$libs"/*.so* 2>/dev/null || true
}

build_base() { # all that comes from packages
  local spec deb d file root=$work/root libs=$work/root/usr/lib/$multiarch
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
  mkdir -p "$root"/usr/{bin,lib,lib64,sbin} "$root"/{dev,etc,proc,run,sys,tmp} "$libs" "$work/base"
  for d in bin lib lib64 sbin; do ln -s "usr/$d" "$root/$d"; done
  add_kernel
  for file in "$work"/all/{usr/,}bin/busybox; do [ ! -f "$file" ] || cp "$file" "$root/usr/bin/busybox"; done
  if [ "$kind" != 2d ]; then add_mesa; fi
  say "packing"
  pack "$root" "$work/base/initrd"
  rm -rf "$cache/base-$kind"-*
  mv "$work/base" "$base"
}

build_own() { # our own files; the kernel unpacks one archive after the other into the same tree
  local own=$work/own
  mkdir -p "$own/usr/bin" "$work/out"
  install -m 755 "$source/init" "$own/init"
  install -m 755 "$source/console" "$own/usr/bin/console"
  say "compiling the guest's programs"
  gcc -O2 -static -o "$own/usr/bin/paint" "$source/paint.c"
  if [ "$kind" != 2d ]; then
    gcc -O2 -o "$own/usr/bin/scene" "$source/scene.c" "$source/display.c" \
      $(pkg-config --cflags --libs egl glesv2 gbm libdrm) -lm
    gcc -O2 -o "$own/usr/bin/redraw" "$source/redraw.c" $(pkg-config --cflags --libs libdrm)
  fi
  pack "$own" "$work/own.cpio"
  ln "$base/vmlinuz" "$work/out/vmlinuz"
  cat "$base/initrd" "$work/own.cpio" >"$work/out/initrd"
  rm -rf "$cache/$kind"-*
  mv "$work/out" "$result"
}

if [ ! -e "$base/initrd" ]; then build_base; fi
build_own
finish "ready in $((SECONDS - started)) s ($(du -sh "$result" | cut -f1)): $result"
