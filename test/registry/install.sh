#!/usr/bin/env bash
# Fetches what test/registry serves into .cache/registry of this repository: npm
# packages and Python wheels, pinned and with their hashes checked. Does nothing
# when they are there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(cd "$here/../.." && mkdir -p .cache/registry && cd .cache/registry && pwd -P)

say() { printf 'registry: %s\n' "$*" >&2; }

exec 9>"$out/lock" # one at a time; the second finds the work done
flock 9
want=$(cat "$here"/npm/package-lock.json "$here"/python/requirements.txt | sha256sum)
if [ "$want" = "$(cat "$out/done" 2>/dev/null)" ]; then
  exit 0
fi
rm -rf "$out/npm" "$out/wheels" "$out/done"

say "fetching npm packages"
mkdir "$out/npm"
cp "$here"/npm/package.json "$here"/npm/package-lock.json "$out/npm/"
(cd "$out/npm" && npm ci --cache "$out/npm/cache" --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
rm -rf "$out/npm/node_modules"

say "fetching Python wheels"
/usr/bin/python3 -m pip download --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
  -d "$out/wheels" -r "$here/python/requirements.txt" >&2

echo "$want" >"$out/done"
