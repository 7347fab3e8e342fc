#!/usr/bin/env bash
# Fetches OCSF's schema into .cache/ocsf of this repository, pinned and with its
# hashes checked, for TestOCSFSchema. Does nothing when it is there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(cd "$here/../../.." && mkdir -p .cache/ocsf && cd .cache/ocsf && pwd -P)

exec 9>"$out/lock" # one at a time; the second finds the work done
flock 9
want=$(sha256sum <"$here/testdata/requirements.txt")
if [ "$want" = "$(cat "$out/done" 2>/dev/null)" ]; then
  exit 0
fi
rm -rf "${out:?}/lib" "$out/done"
printf 'ocsf: fetching its schema\n' >&2
/usr/bin/python3 -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
  --target "$out/lib" -r "$here/testdata/requirements.txt" >&2
echo "$want" >"$out/done"
