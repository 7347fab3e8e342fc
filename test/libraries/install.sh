#!/usr/bin/env bash
# Fetches the official libraries of the model providers into .cache/libraries of
# this repository, each at the version that its lockfile pins, with its hash
# checked. Does nothing when they are there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(cd "$here/../.." && mkdir -p .cache/libraries && cd .cache/libraries && pwd -P)

say() { printf 'libraries: %s\n' "$*" >&2; }

exec 9>"$out/lock" # one at a time; the second finds the work done
flock 9
want=$(cat "$here"/js/package-lock.json "$here"/js/client.mjs "$here"/python/requirements.txt "$here"/python/client.py "$here"/go/go.sum "$here"/go/*.go | sha256sum)
if [ "$want" = "$(cat "$out/done" 2>/dev/null)" ]; then
  say "already there: .cache/libraries"
  exit 0
fi
rm -rf "$out/js" "$out/python" "$out/done"

say "fetching for JavaScript"
mkdir "$out/js"
cp "$here"/js/package.json "$here"/js/package-lock.json "$here"/js/client.mjs "$out/js/"
(cd "$out/js" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)

say "fetching for Python"
python3 -m venv "$out/python"
cp "$here/python/client.py" "$out/"
"$out/python/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r "$here/python/requirements.txt" >&2

say "building for Go"
(cd "$here/go" && go build -o "$out/client" .)

echo "$want" >"$out/done"
