#!/usr/bin/env bash
# Installs what building (build) or testing (test) needs and this machine
# lacks: says what, and why where it cannot.
set -euo pipefail
cd "$(dirname "$0")/.."
want=${1:-build}

say() { printf '· %s\n' "$*" >&2; }
die() { printf 'error: %s\n→ %s\n' "$1" "$2" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "install: $*: not root, and there is no sudo" "run as root: apt-get install ${*: -1}"; fi
}

updated=
apt_install() {
  command -v apt-get >/dev/null || die "install $*: no apt-get on this system" "install by hand: $*"
  if [ -z "$updated" ]; then as_root apt-get update -q >/dev/null; updated=1; fi
  say "installing $*"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >/dev/null
}

need() { # need COMMAND PACKAGE…
  local command=$1; shift
  command -v "$command" >/dev/null || apt_install "$@"
}

need curl curl ca-certificates
need git git
need make make
need go golang-go
# A Go from 1.21 on fetches the toolchain that go.mod names by itself.
go_minor=$(go env GOVERSION | sed -E 's/^go1\.([0-9]+).*/\1/')
[ "$go_minor" -ge 21 ] || die "build: $(go env GOVERSION): too old" "install Go 1.26 or newer from https://go.dev/dl/"
need node nodejs
need npm npm

if [ "$want" = test ]; then
  need python3 python3
  python3 -c 'import ensurepip' 2>/dev/null || apt_install python3-venv
  need tmux tmux
  need shellcheck shellcheck
  need gcc gcc libc6-dev
  need bwrap bubblewrap
  need capsh libcap2-bin
  need stress-ng stress-ng
  need strace strace
  need javac default-jdk-headless
  need rustc cargo rustc
  need chromium chromium
  need certutil libnss3-tools
  [ "$(uname -m)" != x86_64 ] || need linux.uml user-mode-linux # control groups of version 2
  [ "$(uname -m)" != x86_64 ] || need qemu-system-x86_64 qemu-system-x86 # and a whole machine with them
  need mmdebstrap mmdebstrap
  need mke2fs e2fsprogs
  [ -e /usr/include/node/node.h ] || apt_install libnode-dev
  [ -e /usr/include/sys/capability.h ] || apt_install libcap-dev
  # The other processor's first instructions.
  need qemu-aarch64 qemu-user
  test/escape/selftests.sh
  test/machine/install.sh
  test/model/ollama.sh
  go run ./demo/modelserver --install
  test/libraries/install.sh
  test/registry/install.sh
  internal/audit/export/schema.sh
  test/whatsapp/install.sh
fi
