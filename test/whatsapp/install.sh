#!/usr/bin/env bash
# Builds the stand-in for WhatsApp's server into .cache/whatsapp of this
# repository. It is a module of its own, so that what it needs is no dependency of
# the product. Does nothing when it is there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(cd "$here/../.." && mkdir -p .cache/whatsapp && cd .cache/whatsapp && pwd -P)

exec 9>"$out/lock" # one at a time; the second finds the work done
flock 9
want=$(cat "$here"/go.mod "$here"/go.sum "$here"/*.go | sha256sum)
if [ "$want" = "$(cat "$out/done" 2>/dev/null)" ]; then
  exit 0
fi
rm -f "$out/done"
printf 'whatsapp: building\n' >&2
(cd "$here" && CGO_ENABLED=0 go build -trimpath -o "$out/whatsapp" .)
echo "$want" >"$out/done"
