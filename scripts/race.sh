#!/usr/bin/env bash
# The race detector over the tests in test/: each nemoclaw that they start is built
# with it, its confined supervisor and gates too. A race fails the run, whichever
# process it was in.
#   scripts/race.sh [PATTERN]     only what matches of "PACKAGE TEST"
#
# Every test runs on its own, for an hour at most, with a line when it ends; what it
# said, and every race, is in bin/race/log. Started again, it leaves out what has passed
# already with the very same programs, as long as nothing is changed and not committed.
#
# init, which is small, has one thread that matters and is static, is as it is shipped.
set -euo pipefail
cd "$(dirname "$0")/.."
pattern=${1:-.} logs=$PWD/bin/race/log passed=$PWD/bin/race/passed
mkdir -p "$logs"
reports=$(mktemp -d)
child=
finish() { # also when somebody stops it
  [ -z "$child" ] || { kill "$child" 2>/dev/null && wait "$child"; } || true
  rm -rf "$reports"
}
trap finish EXIT
trap 'exit 130' INT TERM
chmod 1777 "$reports" # some tests become another user
# Without the last option each nemoclaw sleeps for a second before it ends.
export CGO_ENABLED=1 GORACE="log_path=$reports/race exitcode=0 atexit_sleep_ms=0"
go build -race -o bin/race/nemoclaw ./cmd/nemoclaw
[ -n "$(git status --porcelain 2>&1)" ] && rm -f "$passed" # or it is no repository
touch "$passed"

# try runs one test; it prints what became of it, and counts that.
try() { # PACKAGE PROGRAM TEST
  local log="$logs/${1//\//-}-$3" began=$SECONDS result=passed
  (cd "$1" && exec timeout -k 60 3660 "$2" -test.v -test.run "^$3\$" -test.timeout 60m) >"$log" 2>&1 </dev/null &
  child=$!
  wait "$child" || result=FAILED
  child=
  if [ "$result" = passed ] && grep -q "^--- SKIP: $3 " "$log"; then result=skipped; fi
  if [ -n "$(ls "$reports")" ]; then
    cat "$reports"/* >>"$log"
    result="RACE in $(find "$reports" -type f | wc -l) processes"
    rm -f "$reports"/*
  fi
  printf '%5d s  %-8s %s %s\n' $((SECONDS - began)) "$result" "$1" "$3"
  count[${result%% *}]=$((count[${result%% *}] + 1))
  case $result in
    passed | skipped) ;;
    *) bad+=("${log#"$PWD"/}") ;;
  esac
  [ "$result" != passed ] || echo "$key $3" >>"$passed"
}

bad=() all=0
for package in $(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}' ./test/...); do
  package=${package#"$PWD"/}
  program=$PWD/bin/race/${package//\//-}.test
  go test -race -c -o "$program" "./$package"
  key="$package $(cat bin/race/nemoclaw "$program" | sha256sum | cut -d' ' -f1)"
  tests=$(cd "$package" && "$program" -test.list '^(Test|Fuzz)')
  declare -A count=([passed]=0 [skipped]=0 [FAILED]=0 [RACE]=0 [before]=0)
  began=$SECONDS
  tests=$(sed "s|^|$package |" <<<"$tests" | grep -E "$pattern" | cut -d' ' -f2) || continue
  for test in $tests; do
    all=$((all + 1))
    if grep -qxF "$key $test" "$passed"; then
      count[before]=$((count[before] + 1))
    else
      try "$package" "$program" "$test"
    fi
  done
  echo "== $package: ${count[passed]} passed, ${count[before]} had passed before, ${count[skipped]} skipped, ${count[FAILED]} failed, ${count[RACE]} with a race; $((SECONDS - began)) s"
done
[ "$all" -gt 0 ] || { echo "no test matches $pattern"; exit 1; }
[ "${#bad[@]}" = 0 ] && exit 0
echo "to be looked at:"
printf '  %s\n' "${bad[@]}"
exit 1
