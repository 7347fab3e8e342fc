#!/usr/bin/env bash
# The race detector over the tests in test/: each nemoclaw that they start is built
# with it, its confined supervisor and gates too. What it finds is printed at the end,
# whichever process it was in, and fails the run. Arguments go to go test.
#
# init, which is small, has one thread that matters and is static, is as it is shipped.
set -euo pipefail
cd "$(dirname "$0")/.."
reports=$(mktemp -d)
finish() { # also when somebody stops it
  code=$?
  if [ -n "$(ls "$reports")" ]; then
    cat "$reports"/*
    echo "$(find "$reports" -type f | wc -l) processes had a race" >&2
    code=1
  fi
  rm -rf "$reports"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM
chmod 1777 "$reports" # some tests become another user
# Without the last option each nemoclaw sleeps for a second before it ends.
export CGO_ENABLED=1 GORACE="log_path=$reports/race exitcode=0 atexit_sleep_ms=0"
mkdir -p bin/race
go build -race -o bin/race/nemoclaw ./cmd/nemoclaw
go test -race -p 1 -timeout 120m "${@:-./test/...}"
