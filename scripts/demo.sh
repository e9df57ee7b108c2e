#!/usr/bin/env bash
# The main job, end to end, on this machine: node agent, kubelet (a stand-in), sidecar, backend, QEMU and a Linux guest that
# draws in 3D; ends with the path of a PNG. Everything runs below a temporary folder and is ended at the end.
# Nothing is left behind but build/ and .cache/.
# usage: scripts/demo.sh [--prebuilt=DIR] ; with DIR the programs there are used and nothing is installed or built but the guest.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=$PWD/build/release/bin
out=$PWD/build/demo
prebuilt=
case ${1:-} in
  '') ;;
  --prebuilt=*) prebuilt=${1#--prebuilt=} ;;
  *) echo "demo: '$1' is not known; usage: scripts/demo.sh [--prebuilt=DIR]" >&2; exit 64 ;;
esac
if [ -n "$prebuilt" ]; then bin=$prebuilt; fi
by_hand=/tmp/rendercar-by-hand # how the printed commands name the run's folder
scene=cube background=203040 angle=30
memory_mib=1280
started=$SECONDS
run=
names=() pids=() commands=()

step() { printf '\n==> [%3d s] %s\n' $((SECONDS - started)) "$*"; }
quoted() { # the arguments as one would type them
  local word
  for word in "$@"; do
    case $word in *[!a-zA-Z0-9_=,./:@%+-]* | '') word="'${word//\'/\'\\\'\'}'" ;; esac
    printf '%s ' "$word"
  done
}
show() { printf '    $ %s\n' "$*"; commands+=("$*"); }
die() {
  printf '\ndemo: %s\n' "$*" >&2
  exit 1
}
die_of() { # with the end of the log of the part that failed
  local name=$1
  shift
  printf '\n--- last lines of %s\n' "$name" >&2
  tail -n 25 "$run/$name.log" >&2 2>/dev/null || true
  die "$*"
}

end_process() { # SIGTERM, after 10 s SIGKILL
  local pid=$1 i
  kill "$pid" 2>/dev/null || return 0
  for ((i = 0; i < 100; i++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}
end_all() {
  local i
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do end_process "${pids[i]}"; done
  pids=() names=()
}
clean_up() {
  local status=$?
  trap - EXIT
  end_all
  if [ -n "$run" ]; then rm -rf "$run"; fi
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

start() { # NAME COMMAND...: in the background, with a log
  local name=$1
  shift
  show "$(quoted "$@")&"
  "$@" >"$run/$name.log" 2>&1 </dev/null &
  names+=("$name") pids+=($!)
}
perform() { # NAME COMMAND...: in the foreground; its output is shown
  local name=$1
  shift
  show "$(quoted "$@")"
  "$@" >"$run/$name.log" 2>&1 </dev/null || die_of "$name" "$name failed with exit code $?"
  sed 's/^/      /' "$run/$name.log"
}
running() {
  local i
  for i in "${!names[@]}"; do
    if [ "${names[i]}" = "$1" ]; then kill -0 "${pids[i]}" 2>/dev/null; return; fi
  done
  return 1
}
await() { # NAME SECONDS WHAT TEST...: until the test holds, while NAME runs
  local name=$1 limit=$2 what=$3 i
  shift 3
  for ((i = 0; i < limit * 10; i++)); do
    if "$@"; then return 0; fi
    running "$name" || die_of "$name" "$name ended before $what"
    sleep 0.1
  done
  die_of "$name" "$what did not come within $limit s"
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

step "1 of 10: packages"
if [ -z "$prebuilt" ]; then scripts/install-deps.sh --demo; fi
step "2 of 10: build"
if [ -z "$prebuilt" ]; then scripts/build.sh release programs; fi
step "3 of 10: the guest (Debian's kernel, Mesa and our small 3D program)"
guest=$(scripts/build-guest.sh 3d)

run=$(mktemp -d /tmp/rc-demo-XXXXXX)
mkdir -p "$run"/{kubelet,shares,sockets} "$out"
metrics=127.0.0.1:$(free_port)

step "4 of 10: the node agent offers this machine's render nodes as shares"
start rendercar-node "$bin/rendercar-node" --kubelet-dir="$run/kubelet" --session-root="$run/shares" --metrics-address=none
step "5 of 10: a kubelet (a stand-in; the only part that is not real) allocates one share for a pod"
perform fake-kubelet "$bin/fake-kubelet" --dir="$run/kubelet" --allocate=rendercar.dev/render=1 --host-paths \
  --output="$run/allocation.json" --output-env="$run/allocation.env"
sed 's/^/      /' "$run/allocation.env"

step "6 of 10: the sidecar starts with just what the kubelet allocated"
start rendercar-sidecar env -i bash -c '. "$0"; exec "$@"' "$run/allocation.env" "$bin/rendercar-sidecar" \
  --socket-dir="$run/sockets" --control-socket="$run/control.sock" --metrics-address="$metrics"
await rendercar-sidecar 20 "the control socket" test -S "$run/control.sock"

step "7 of 10: rendercarctl creates a session and prints its device definition"
ctl=("$bin/rendercarctl" --socket="$run/control.sock")
perform create-session "${ctl[@]}" sessions create demo --display=primary --resolution=800x600
perform define "${ctl[@]}" define demo --format=qemu-args --guest-memory=${memory_mib}MiB
definition=$(cat "$run/define.log")
eval "gpu=($definition)"

step "8 of 10: QEMU boots the guest with that definition (emulated, no KVM: about 15 s)"
start qemu qemu-system-x86_64 -accel tcg -machine q35 -cpu max -m ${memory_mib}M -nodefaults -no-user-config -display none \
  "${gpu[@]}" -kernel "$guest/vmlinuz" -initrd "$guest/initrd" \
  -append "console=ttyS0 panic=-1 no_timer_check rendercar.run=scene:$scene,color=$background,angle=$angle,frames=30" \
  -serial "file:$run/console.log" -qmp "unix:$run/qmp.sock,server=on,wait=off"
scene_ended() { grep -qE '^(SCENE (READY|ERROR)|GUEST ERROR)|Kernel panic' "$run/console.log" 2>/dev/null; }
guest_is_up() { grep -q '^GUEST READY' "$run/console.log" 2>/dev/null || scene_ended; }
await qemu 180 "the guest's first line" guest_is_up
grep '^GUEST READY' "$run/console.log" | sed 's/^/      /' || true
await qemu 180 "the guest's 3D picture" scene_ended
if ! grep -q '^SCENE READY' "$run/console.log"; then
  tail -n 25 "$run/console.log" >&2
  die_of rendercar-sidecar "the guest's 3D program failed"
fi
grep -E '^(GL_|SCENE)' "$run/console.log" | sed 's/^/      /'

step "9 of 10: the picture on the guest's screen, compared with what the scene must look like"
perform screenshot tests/e2e/screenshot.py "$run/qmp.sock" "$out/screen.png" --expect="$scene,$background,$angle"
perform device-screenshot "${ctl[@]}" screenshot demo --file="$run/device.png"
perform compare tests/e2e/screenshot.py "$run/qmp.sock" "$out/screen.png" --same-as="$run/device.png"

step "10 of 10: the session's metrics, as Prometheus scrapes them"
show "curl -s http://$metrics/metrics"
curl -sS --max-time 10 "http://$metrics/metrics" >"$run/metrics.log" 2>&1 || die_of metrics "no metrics at $metrics"
grep '^rendercar_' "$run/metrics.log" | grep -v '_bucket{' | grep -v ' 0$' | sed 's/^/      /'
printf '      (those that are not zero; all of them are in %s)\n' "${out#"$PWD"/}/metrics.txt"
cp "$run/metrics.log" "$out/metrics.txt"
cp "$run/console.log" "$out/console.log"

below() { # all processes below the given one
  local child
  for child in $(cat "/proc/$1"/task/*/children 2>/dev/null); do
    echo "$child"
    below "$child"
  done
}
mapfile -t mine < <(for pid in "${pids[@]}"; do echo "$pid"; below "$pid"; done)
step "ending everything (${#mine[@]} processes)"
end_all
for pid in "${mine[@]}"; do
  if kill -0 "$pid" 2>/dev/null; then die "process $pid ($(tr '\0' ' ' <"/proc/$pid/cmdline")) is left behind"; fi
done

printf '\nThe same by hand:\n    mkdir -p %s/{kubelet,shares,sockets}\n' "$by_hand"
for command in "${commands[@]}"; do printf '    %s\n' "${command//$run/$by_hand}"; done
renderer=$(sed -n 's/^GL_RENDERER: //p' "$out/console.log" | tail -n 1)
printf '\nGL_RENDERER: %s\nThe picture: %s\nDone in %d s.\n' "$renderer" "${out#"$PWD"/}/screen.png" $((SECONDS - started))
