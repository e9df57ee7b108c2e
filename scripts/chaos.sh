#!/usr/bin/env bash
# The long form of the chaos tests: prints what happened how often, and the times (lines that begin with CHAOS).
# usage: scripts/chaos.sh [log file]; counts by RENDERCAR_CHAOS_* and RENDERCAR_E2E_* as below
set -uo pipefail
cd "$(dirname "$0")/.."
build=$PWD/build/release log=${1:-$PWD/build/chaos.log}
export RENDERCAR_BIN=$build/bin RENDERCAR_BACKEND=$build/bin/rendercar-backend RENDERCAR_E2E_KEEP=$build/e2e-failures PYTHONDONTWRITEBYTECODE=1
export RENDERCAR_CHAOS_KILLS=${RENDERCAR_CHAOS_KILLS:-200} RENDERCAR_CHAOS_CONTROL_KILLS=${RENDERCAR_CHAOS_CONTROL_KILLS:-50}
export RENDERCAR_CHAOS_MUTATIONS=${RENDERCAR_CHAOS_MUTATIONS:-10000000} RENDERCAR_E2E_KILLS=${RENDERCAR_E2E_KILLS:-200}
export RENDERCAR_E2E_UPGRADES=${RENDERCAR_E2E_UPGRADES:-50}
export RENDERCAR_E2E_ROUNDS=${RENDERCAR_E2E_ROUNDS:-50} RENDERCAR_E2E_RESETS=${RENDERCAR_E2E_RESETS:-50}
cmake --preset release >/dev/null && cmake --build --preset release --target programs chaos_frontend_test hostile_renderer_test || exit 1
: >"$log"
failed=0
run() { # TITLE COMMAND...
  local title=$1 began=$SECONDS
  shift
  echo "== $title" | tee -a "$log"
  if "$@" >>"$log" 2>&1; then echo "   survived, $((SECONDS - began)) s" | tee -a "$log"; else failed=1; echo "   FAILED: $log" | tee -a "$log"; fi
}
run "no guest: renderer kills, shortages, mutated commands, memory bound" "$build/test/chaos_frontend_test"
run "a renderer that writes garbage into the rings" "$build/test/hostile_renderer_test"
run "the control process is killed" tests/chaos/chaos.py test_control_process
run "the memory limit is hit" tests/chaos/chaos.py test_memory_limit
run "the renderer is killed while a Linux guest draws" tests/e2e/run.py test_survival
run "the backend is upgraded under a Linux guest" tests/e2e/run.py test_upgrade
run "stop, cont and reset, 2D" tests/e2e/run.py test_lifecycle.Lifecycle2d
run "stop, cont and reset, 3D" tests/e2e/run.py test_lifecycle.Lifecycle3d
grep -E '^CHAOS|seconds until' "$log"
exit $failed
