#!/usr/bin/env bash
# Runs the pause, reset and crash tests against our backend and against QEMU's own, and prints the table of docs/reliability.md.
# usage: scripts/reliability.sh [ROUNDS]
set -euo pipefail
cd "$(dirname "$0")/.."
export RENDERCAR_BACKEND=$PWD/build/release/bin/rendercar-backend RENDERCAR_E2E_KEEP=$PWD/build/reliability
export RENDERCAR_E2E_ROUNDS=${1:-5} RENDERCAR_E2E_STEP_TIMEOUT=30
[ -x "$RENDERCAR_BACKEND" ] || { echo "reliability: build first: scripts/build.sh release" >&2; exit 1; }

verdict() { # BACKEND TEST
  local log="$RENDERCAR_E2E_KEEP/$1-$2.log"
  mkdir -p "$RENDERCAR_E2E_KEEP"
  if RENDERCAR_E2E_BACKEND=$1 tests/e2e/run.py "$2" >"$log" 2>&1; then
    echo "survives"
  elif grep -q 'backend (exit code -[0-9]' "$log"; then
    echo "**backend ends by signal $(sed -n 's/.*backend (exit code -\([0-9]*\)).*/\1/p' "$log" | head -n 1)**"
  elif grep -q 'backend (exit code [0-9]' "$log"; then
    echo "**backend exits**"
  else
    echo "**the screen does not come back**"
  fi
}

row() { # TITLE TEST [ours only]
  printf '| %s | %s | %s |\n' "$1" "$(verdict rendercar "$2")" "$(if [ -n "${3:-}" ]; then echo "$3"; else verdict qemu "$2"; fi)"
}

no_node='cannot run without a render node (segfaults at the first scanout)'
echo '| what happens to the running VM | rendercar | QEMU 10.0 vhost-user-gpu |'
echo '| --- | --- | --- |'
row "pause and resume, idle, 2D" test_lifecycle.Lifecycle2d.test_an_idle_machine_survives_pause_and_resume
row "pause and resume while drawing, 2D" test_lifecycle.Lifecycle2d.test_a_drawing_machine_survives_pause_and_resume
row "\`system_reset\`, idle, 2D" test_lifecycle.Lifecycle2d.test_an_idle_machine_survives_resets
row "\`system_reset\` while drawing, 2D; no leak" test_lifecycle.Lifecycle2d.test_a_drawing_machine_survives_resets_and_nothing_leaks
row "reboot by the guest, 2D" test_lifecycle.Lifecycle2d.test_a_reboot_by_the_guest_itself_shows_the_picture_again
row "pause and resume, idle, 3D" test_lifecycle.Lifecycle3d.test_an_idle_machine_survives_pause_and_resume "$no_node"
row "pause and resume while drawing, 3D" test_lifecycle.Lifecycle3d.test_a_drawing_machine_survives_pause_and_resume "$no_node"
row "\`system_reset\` while drawing, 3D" test_lifecycle.Lifecycle3d.test_a_drawing_machine_survives_resets "$no_node"
row "GPU code is killed while drawing; new programs" test_survival.Survival.test_new_gl_programs_draw_right_after_the_renderer_is_killed "GPU code is the backend: the GPU is lost for good"
row "GPU code is killed; last picture, console" test_survival.Survival.test_the_last_picture_stays_and_the_console_comes_back "the GPU is lost for good"
row "GPU code crashes (SIGSEGV)" test_survival.Survival.test_a_renderer_that_crashes_is_like_one_that_is_killed "the GPU is lost for good"
