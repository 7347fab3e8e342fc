#!/usr/bin/env bash
# Builds the kernel's own tests of Landlock and seccomp, of this Debian's kernel
# source, into .cache/selftests of this repository. Does nothing when they are
# there. Elsewhere than on Debian it does nothing either, and the test that wants
# them is skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$PWD/.cache/selftests
mkdir -p "$out"
exec 9>"$out/lock" # one at a time; the second finds the work done
flock 9
if [ -e "$out/done" ] || ! command -v apt-get >/dev/null; then exit 0; fi

say() { printf 'selftests: %s\n' "$*" >&2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
package=$(apt-cache depends linux-source | sed -n 's/^ *Depends: \(linux-source-[0-9.]*\)$/\1/p' | head -1)
if [ -z "$package" ]; then say "no package linux-source here"; exit 0; fi
say "fetching $package"
apt-get -o APT::Sandbox::User=root download -q "$package" >/dev/null
dpkg-deb -x ./*.deb tree
tests=$package/tools/testing/selftests
tar -xf "tree/usr/src/$package.tar.xz" "$tests/landlock" "$tests/seccomp" "$tests/clone3" "$tests/kselftest.h" "$tests/kselftest_harness.h"
cd "$tests"
say "building"
for t in landlock/base_test landlock/fs_test landlock/ptrace_test seccomp/seccomp_bpf; do
  gcc -O1 -w -static -D_GNU_SOURCE -I. -o "$out/$(basename $t)" $t.c -lpthread -lcap
done
echo "$package" >"$out/done"
