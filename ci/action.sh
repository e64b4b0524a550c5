#!/bin/sh
# What the action of action.yml does: its inputs become the arguments of `gate`. It runs where the workflow does.
set -eu

here=$(dirname -- "$0")
out=${INPUT_OUT:-hotspec-report}

if [ -n "${INPUT_COMMAND:-}" ] && [ -n "${INPUT_TARGET:-}" ]; then
  echo "hotspec: expected a command or a target, found both" >&2
  exit 64
fi

# Both are shell words written by the workflow's author, as a `run:` step is.
eval "set -- ${INPUT_COMMAND:-}"
[ $# -eq 0 ] || set -- -- "$@"
[ -z "${INPUT_TARGET:-}" ] || set -- --target "$INPUT_TARGET" "$@"
[ -z "${INPUT_BASELINE:-}" ] || set -- --baseline "$INPUT_BASELINE" "$@"
[ -z "${INPUT_RESTART:-}" ] || set -- --restart "$INPUT_RESTART" "$@"
[ -z "${INPUT_PROFILE:-}" ] || set -- --profile "$INPUT_PROFILE" "$@"
[ -z "${INPUT_LEVEL:-}" ] || set -- --level "$INPUT_LEVEL" "$@"
eval "set -- ${INPUT_ARGUMENTS:-} \"\$@\""

status=0
HOTSPEC_OUT=$out "$here/gate" "$@" || status=$?

# The first such line is the run's: those of clauses are indented further.
verdict=$(sed -n 's/^  "verdict": "\(.*\)",$/\1/p' "$out/results.json" 2>/dev/null || true)
if [ -n "${GITHUB_OUTPUT:-}" ]; then
  printf 'status=%s\nverdict=%s\nreport=%s\n' "$status" "${verdict:-none}" "$out" >>"$GITHUB_OUTPUT"
fi
exit "$status"
