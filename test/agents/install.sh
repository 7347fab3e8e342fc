#!/usr/bin/env bash
# Fetches agents from npm into .cache/agents of this repository, each at the
# version that its lockfile pins, with its hash checked; and the Node that they
# run on. Does nothing for those that are there. About 1.5 GB in all.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(cd "$here/../.." && mkdir -p .cache/agents && cd .cache/agents && pwd -P)

say() { printf 'agents: %s\n' "$*" >&2; }

exec 9>"$out/lock" # one at a time; the second finds the work done
flock 9
for lock in "$here"/*/package-lock.json; do
  from=$(dirname "$lock")
  to=$out/$(basename "$from")
  if cmp -s "$lock" "$to/done"; then
    continue
  fi
  say "fetching $(basename "$from")"
  rm -rf "$to"
  mkdir "$to"
  cp "$from/package.json" "$lock" "$to/"
  # Their scripts only choose one of several programs that are there already.
  (cd "$to" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
  cp "$lock" "$to/done"
done
say "all there: .cache/agents"
