#!/usr/bin/env bash
# Makes the npm lockfile of a recipe: scripts/lock.sh blueprints/NAME/VERSION
# npm writes every package's integrity into it, and no registry's address:
# which registry a machine fetches from is its own business.
set -euo pipefail
cd "${1:?usage: scripts/lock.sh DIR}"
rm -f package-lock.json
npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved --no-audit --no-fund
if grep -n '"resolved"' package-lock.json; then
  echo "error: an address in the lockfile" >&2
  exit 1
fi
