#!/usr/bin/env bash
# Builds the real Ollama into .cache/ollama of this repository, from its Go
# module, for the tests and the demo. Does nothing when it is there.
#
# Takes about 4 minutes on two cores the first time (it compiles llama.cpp).
# Needs Go, a C++ compiler and two header packages; those it installs with apt,
# as root or by sudo.
set -euo pipefail

version=0.17.4
malgo=v0.11.24 # ships miniaudio.h, which Go's module archives leave out of Ollama

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
out=$root/.cache/ollama

say() { printf 'ollama: %s\n' "$*" >&2; }
die() { say "$1"; [ $# -lt 2 ] || printf '→ %s\n' "$2" >&2; exit 1; }

if [ -x "$out/ollama" ]; then
  say "already there: .cache/ollama/ollama"
  exit 0
fi

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Headers and a compiler, where they are missing.
missing=()
command -v go >/dev/null || die "needs Go" "install Go 1.26 and put it into PATH"
command -v g++ >/dev/null || missing+=(g++)
[ -e /usr/include/nlohmann/json.hpp ] || missing+=(nlohmann-json3-dev)
[ -e /usr/include/stb ] || missing+=(libstb-dev)
if [ ${#missing[@]} -gt 0 ]; then
  say "installing ${missing[*]} with apt"
  command -v apt-get >/dev/null || die "needs ${missing[*]}, and this machine has no apt" "install them and run this again"
  as_root apt-get update -qq >&2 || die "apt-get update failed" "sudo apt-get install ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
    die "apt-get install failed" "sudo apt-get install ${missing[*]}"
fi

# One builder at a time; the second finds the work done.
mkdir -p "$out"
exec 9>"$out/lock"
flock 9
if [ -x "$out/ollama" ]; then
  say "already there: .cache/ollama/ollama"
  exit 0
fi

work=$(mktemp -d "$out/build.XXXXXX")
trap 'kill "${watch:-}" 2>/dev/null || true; rm -rf "$work"' EXIT

say "fetching the source (Ollama $version)"
mkdir -p "$work/include/miniaudio"
cd "$work" # outside of this module
audio=$(GOFLAGS=-mod=mod go mod download -json "github.com/gen2brain/malgo@$malgo" | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')
[ -n "$audio" ] || die "fetching miniaudio.h failed" "go mod download github.com/gen2brain/malgo@$malgo"
cp "$audio/miniaudio.h" "$work/include/miniaudio/"

say "compiling: about 4 minutes on two cores, 10 on a busy machine"
start=$SECONDS
(
  exec 9>&-
  while sleep 15 >/dev/null 2>&1; do say "still compiling, $((SECONDS - start)) s"; done
) &
watch=$!
CGO_ENABLED=1 CGO_CPPFLAGS="-I$work/include" GOBIN="$work/bin" GOFLAGS= \
  go install -ldflags "-s -w -X=github.com/ollama/ollama/version.Version=$version" \
  "github.com/ollama/ollama@v$version" 2>"$work/log" || {
  tail -20 "$work/log" >&2
  die "compiling failed; the last lines of the compiler are above"
}
mv "$work/bin/ollama" "$out/ollama" # complete or not at all
say "built .cache/ollama/ollama in $((SECONDS - start)) s"
