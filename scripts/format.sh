#!/usr/bin/env bash
# clang-format on every C++ file; --check only tells (exit 1) which would change.
# Versions format differently: Debian 12's is the project's, and another one checks nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly wanted=14
mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.cc' '*.h')
found=$(clang-format --version | sed -n 's/.*version \([0-9]*\).*/\1/p')
if [ "$found" != "$wanted" ]; then
  echo "format: clang-format $found formats differently from $wanted (Debian 12), which this code follows; nothing done" >&2
  [ "${1:-}" = --check ]
  exit
fi
if [ "${1:-}" = --check ]; then
  clang-format --dry-run --Werror "${files[@]}"
else
  clang-format -i "${files[@]}"
fi
