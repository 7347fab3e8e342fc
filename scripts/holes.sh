#!/usr/bin/env bash
# Known holes of the modules and of the Go library that we are built from, by
# govulncheck: one that our code can reach fails. It is looked for with the toolchain
# that go.mod names, whichever this machine has.
#
# Where its database cannot be asked, one is made from golang.org/x/vulndb, the module
# that it comes from, which is wherever modules are. Without that, too, it is said.
set -euo pipefail
cd "$(dirname "$0")/.."
here=$(go env GOVERSION)
GOTOOLCHAIN=$(sed -n 's/^toolchain //p' go.mod)
export GOTOOLCHAIN
check=golang.org/x/vuln/cmd/govulncheck@v1.9.0
said=$(mktemp)
trap 'rm -f "$said"' EXIT

without() { echo "known holes are not looked for: $1 cannot be had" >&2; exit 0; }
look() { go run "$check" "$@" ./... >"$said" 2>&1; }

go version >/dev/null 2>&1 || without "$GOTOOLCHAIN"
go mod download "${check/\/cmd\/govulncheck/}" 2>/dev/null || without govulncheck
code=0
look || code=$?
if [ $code != 0 ] && grep -q 'fetching vulnerabilities' "$said"; then
  module=$(go mod download -json golang.org/x/vulndb@latest | sed -n 's/.*"Dir": "\(.*\)".*/\1/p') || without "its database"
  database=$PWD/.cache/vulndb/${module##*@}
  if [ ! -e "$database/index/vulns.json.gz" ]; then
    rm -rf .cache/vulndb && mkdir -p "$database"
    go run -C "$module" ./cmd/indexdb -vulns "$module/data/osv" -out "$database"
  fi
  code=0
  look -db "file://$database" || code=$?
fi
cat "$said"
[ "$here" = "$GOTOOLCHAIN" ] || echo "this is true of $GOTOOLCHAIN, but go builds with $here here: GOTOOLCHAIN=$GOTOOLCHAIN make build" >&2
exit $code
