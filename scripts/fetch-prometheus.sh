#!/usr/bin/env bash
# Caches promtool, prometheus and alertmanager under .cache/prometheus: Debian's packages unpacked, so that no service of the
# machine is installed or started. Exits 77 where apt cannot fetch them, so that tests skip. SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."

cache=.cache/prometheus
programs=(promtool prometheus prometheus-alertmanager)
all_there() { local p; for p in "${programs[@]}"; do [ -x "$cache/$p" ] || return 1; done; }

if ! all_there; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  chown _apt "$work" 2> /dev/null || true  # apt downloads as a user of its own
  packages=(prometheus prometheus-alertmanager)
  if apt-cache show promtool > /dev/null 2>&1; then packages+=(promtool); fi  # a package of its own since Debian 13
  if ! (cd "$work" && apt-get download -q "${packages[@]}"); then
    printf 'SKIP: apt cannot download %s (apt-get update may help)\n' "${packages[*]}" >&2
    exit 77
  fi
  for deb in "$work"/*.deb; do dpkg -x "$deb" "$work/root"; done
  mkdir -p "$cache"
  for p in "${programs[@]}"; do install -m 0755 "$work/root/usr/bin/$p" "$cache/$p"; done
  templates=usr/share/prometheus/alertmanager
  if [ -d "$work/root/$templates" ] && [ ! -d "/$templates" ]; then
    # Debian 13's Alertmanager ends where its templates are not in /usr/share: there they are, for it alone (root).
    mkdir -p "$cache/share/prometheus"
    cp -r "$work/root/$templates" "$cache/share/prometheus/"
    mv "$cache/prometheus-alertmanager" "$cache/alertmanager"
    cat > "$cache/prometheus-alertmanager" << 'END'
#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
exec unshare --mount --propagation private sh -c 'mount -t overlay overlay -o "lowerdir=$0/share:/usr/share" /usr/share && exec "$@"' \
  "$here" "$here/alertmanager" "$@"
END
    chmod 0755 "$cache/prometheus-alertmanager"
  fi
fi
"$cache/promtool" --version | head -1
