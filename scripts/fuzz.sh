#!/usr/bin/env bash
# Runs every fuzz target that there is, each for some CPU time (default: ten
# minutes), and fails at the end if any did. The targets are found, not listed.
#   scripts/fuzz.sh [SECONDS-OF-CPU [PATTERN]]
set -euo pipefail
cd "$(dirname "$0")/.."
cpu=${1:-600} pattern=${2:-.}
cores=$(nproc)
each=$(( cpu / cores > 0 ? cpu / cores : 1 ))
failed=0 count=0
while read -r package target; do
  count=$((count + 1))
  echo "== $package $target: ${each}s on $cores cores"
  if ! go test -run '^$' -fuzz "^$target\$" -fuzztime "${each}s" -parallel "$cores" "$package"; then
    failed=$((failed + 1))
  fi
done < <(
  for package in $(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do
    dir=$(go list -f '{{.Dir}}' "$package")
    grep -ho '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go 2>/dev/null | sed "s|^func |$package |" || true
  done | grep -E "$pattern" | sort
)
[ "$count" -gt 0 ] || { echo "no fuzz target matches $pattern"; exit 1; }
echo "$count targets, $failed failed"
[ "$failed" = 0 ]
