#!/bin/sh
# The installer of nemoclaw:
#
#   curl -fsSL https://…/install.sh | sh
#
# looks at the machine, installs Node where it is missing, puts nemoclaw where
# PATH finds it, and starts the wizard. Arguments go to the wizard:
#
#   … | sh -s -- --yes
#
# Where the program comes from:
#   NEMOCLAW_RELEASE_URL   a folder or base URL (https://, file://) that holds
#                          nemoclaw-linux-ARCH and SHA256SUMS
#   a clone of the source  when this is run inside one, it is built from there
#   else                   the newest release
#
# It runs as whoever calls it and never calls sudo. What it makes is noted in
# ~/.local/share/nemoclaw/installed; `nemoclaw uninstall` removes exactly that.

set -eu

release=${NEMOCLAW_RELEASE_URL:-}
newest=https://github.com/nemoclaw/nemoclaw/releases/latest/download
module=github.com/nemoclaw/nemoclaw
note=$HOME/.local/share/nemoclaw/installed
scratch=
fresh=

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "error: $1"
    [ -z "${2:-}" ] || say "→ $2"
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

sweep() {
    [ -z "$scratch" ] || rm -rf "$scratch"
    [ -z "$fresh" ] || rm -rf "$fresh"
}

# remember notes a line of what was made, once.
remember() {
    mkdir -p "$(dirname "$note")"
    grep -qxF "$1" "$note" 2>/dev/null || printf '%s\n' "$1" >>"$note"
}

# machine_fits refuses what cannot work, before anything is changed.
machine_fits() {
    [ "$(uname -s)" = Linux ] || fail "this is $(uname -s): nemoclaw needs Linux" "use a Linux machine, or one in a virtual machine"
    case $(uname -m) in
    x86_64 | amd64) arch=amd64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *) fail "processor $(uname -m): nemoclaw is built for x86_64 and aarch64" ;;
    esac
    kernel=$(uname -r)
    major=${kernel%%.*}
    rest=${kernel#*.}
    minor=${rest%%[!0-9]*}
    if [ "$major" -lt 5 ] || { [ "$major" -eq 5 ] && [ "${minor:-0}" -lt 19 ]; }; then
        fail "kernel $kernel: the filesystem wall (Landlock ABI 2) needs 5.19 or later" "install a newer kernel: on Ubuntu 22.04 linux-generic-hwe-22.04"
    fi
    if [ -r /sys/kernel/security/lsm ] && ! grep -q landlock /sys/kernel/security/lsm; then
        fail "kernel $kernel: Landlock is not switched on" "add landlock to the lsm= list on the kernel's command line"
    fi
    say "✓ Linux $kernel, $arch"
}

# node_major prints the major version of a node binary, or 0.
node_major() {
    v=$("$1" --version 2>/dev/null) || v=v0
    v=${v#v}
    v=${v%%.*}
    case $v in '' | *[!0-9]*) v=0 ;; esac
    printf '%s' "$v"
}

# find_node looks along PATH and where nvm and fnm keep their versions.
find_node() {
    for n in "$(command -v node || :)" "$bin"/node \
        "$HOME"/.nvm/versions/node/*/bin/node "$HOME"/.local/share/fnm/node-versions/*/installation/bin/node; do
        if [ -n "$n" ] && [ -x "$n" ] && [ "$(node_major "$n")" -ge 20 ]; then
            printf '%s' "$n"
            return
        fi
    done
}

# node_by_npm puts Node beside nemoclaw, with whatever npm there is.
node_by_npm() {
    have npm || return 1
    prefix=$(dirname "$bin")
    say "installing Node 24 with npm into $prefix …"
    npm install --global --no-fund --no-audit --prefix "$prefix" node@24 >&2 || return 1
    [ "$(node_major "$bin/node")" -ge 20 ] || return 1
    remember "file $bin/node"
    remember "folder $prefix/lib/node_modules/node"
}

# node_by_system uses the distribution's packages; only root can.
node_by_system() {
    [ "$(id -u)" -eq 0 ] || return 1
    say "installing Node with the system's packages …"
    if have apt-get; then
        apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nodejs npm >&2
    elif have dnf; then
        dnf install -y -q nodejs npm >&2
    elif have apk; then
        apk add -q nodejs npm >&2
    elif have zypper; then
        zypper -nq install nodejs npm >&2
    elif have pacman; then
        pacman -S --noconfirm --needed nodejs npm >&2
    else
        return 1
    fi || return 1
    remember "package nodejs"
}

# need_node is the article's first promise. The openclaw blueprint carries a
# Node of its own into the sandbox, so a machine that cannot have one loses
# nothing that nemoclaw needs.
need_node() {
    found=$(find_node)
    if [ -z "$found" ]; then
        say "Node v20 or later: not found"
        node_by_npm || { node_by_system && { [ -n "$(find_node)" ] || node_by_npm; }; } || :
        found=$(find_node)
    fi
    if [ -n "$found" ]; then
        say "✓ Node $("$found" --version) ($found)"
        return
    fi
    say "! Node v20 or later could not be installed: the sandbox brings its own, so nemoclaw works without"
    say "→ to have it on this machine too: sudo apt-get install nodejs npm"
}

# fetch URL FILE
fetch() {
    case $1 in
    file://*) cp -- "${1#file://}" "$2" ;;
    /*) cp -- "$1" "$2" ;;
    https://* | http://127.0.0.1* | http://localhost*)
        if have curl; then
            curl -fsSL --proto-redir =https -o "$2" "$1"
        elif have wget; then
            wget -q -O "$2" "$1"
        else
            fail "neither curl nor wget is installed" "install curl"
        fi
        ;;
    *) fail "release address $1: want https://, file:// or a folder" "set NEMOCLAW_RELEASE_URL" ;;
    esac
}

# clone_dir prints the clone that this runs in, if it does.
clone_dir() {
    for d in "$(dirname "$0")" .; do
        if [ -f "$d/go.mod" ] && grep -qx "module $module" "$d/go.mod"; then
            (cd "$d" && pwd)
            return
        fi
    done
}

# from_source builds the clone at $1.
from_source() {
    have go || fail "build from source at $1: Go is not installed" "install Go 1.26 or later, or set NEMOCLAW_RELEASE_URL"
    have make || fail "build from source at $1: make is not installed" "install make"
    say "building from $1 …"
    make -C "$1" build >&2
    cp -- "$1/bin/nemoclaw" "$scratch/nemoclaw"
}

# from_release takes the program and its checksum from $1, and compares them.
from_release() {
    name=nemoclaw-linux-$arch
    have sha256sum || fail "sha256sum is not installed: the checksum cannot be verified" "install coreutils"
    fetch "$1/SHA256SUMS" "$scratch/SHA256SUMS" || fail "fetch $1/SHA256SUMS: no answer" "check NEMOCLAW_RELEASE_URL and the network"
    fetch "$1/$name" "$scratch/nemoclaw" || fail "fetch $1/$name: no answer" "check NEMOCLAW_RELEASE_URL and the network"
    want=$(awk -v name="$name" '$2 == name || $2 == "*" name { print $1; exit }' "$scratch/SHA256SUMS")
    [ -n "$want" ] || fail "SHA256SUMS of $1 does not list $name: it cannot be verified"
    got=$(sha256sum "$scratch/nemoclaw")
    got=${got%% *}
    [ "$got" = "$want" ] || fail "checksum of $name: have $got, want $want: nothing was installed" "download again; if it differs again, do not go on"
    say "✓ checksum $got"
}

get_program() {
    clone=$(clone_dir)
    if [ -n "$release" ]; then
        from_release "${release%/}"
    elif [ -n "$clone" ]; then
        from_source "$clone"
    else
        from_release "$newest"
    fi
}

# put_program moves it into place in one step: whoever runs the old one keeps it.
put_program() {
    fresh=$bin/.nemoclaw-$$
    mkdir -p "$fresh"
    cp -- "$scratch/nemoclaw" "$fresh/nemoclaw"
    chmod 0755 "$fresh/nemoclaw"
    "$fresh/nemoclaw" --version >/dev/null || fail "the program does not run on this machine"
    mv -f "$fresh/nemoclaw" "$bin/nemoclaw"
    remember "file $bin/nemoclaw"
    if [ ! -e "$bin/openshell" ] || [ "$(readlink "$bin/openshell" || :)" = nemoclaw ]; then
        ln -sf nemoclaw "$bin/openshell"
        remember "file $bin/openshell"
    else
        say "! $bin/openshell is another program: left as it is"
    fi
    say "✓ $("$bin/nemoclaw" --version) in $bin"
}

# path_line adds the folder to PATH in one shell's file, between markers.
path_line() {
    if ! grep -qF '# >>> nemoclaw >>>' "$1" 2>/dev/null; then
        # shellcheck disable=SC2016 # PATH is for the shell that reads the line
        printf '\n# >>> nemoclaw >>>\nexport PATH="%s:$PATH"\n# <<< nemoclaw <<<\n' "$bin" >>"$1"
    fi
    remember "lines $1"
    say "✓ PATH in $1: run \`source $1\`, or open a new terminal"
}

need_path() {
    case ":$PATH:" in *":$bin:"*) return ;; esac
    path_line "$HOME/.bashrc"
    if have zsh || [ -e "$HOME/.zshrc" ]; then
        path_line "$HOME/.zshrc"
    fi
}

# wizard hands over to the program. Its questions are answered on the terminal,
# never by the pipe that this script may come through.
wizard() {
    sweep
    trap - EXIT
    if (: </dev/tty) 2>/dev/null; then
        exec "$bin/nemoclaw" onboard "$@" </dev/tty
    fi
    if [ $# -gt 0 ]; then
        exec "$bin/nemoclaw" onboard "$@" </dev/null
    fi
    say "No terminal to ask on. To set up a sandbox, run:"
    say "  $bin/nemoclaw onboard        or, with the defaults: $bin/nemoclaw onboard --yes"
}

main() {
    if [ "${1:-}" = --from-source ]; then
        release=
        shift
    fi
    if [ "$(id -u)" -eq 0 ]; then bin=/usr/local/bin; else bin=$HOME/.local/bin; fi
    bin=${NEMOCLAW_BIN:-$bin}
    machine_fits
    scratch=$(mktemp -d)
    trap sweep EXIT
    trap 'exit 130' INT TERM HUP
    get_program
    need_node
    put_program
    need_path
    wizard "$@"
}

# The last line: a download that was cut short does nothing.
main "$@"
