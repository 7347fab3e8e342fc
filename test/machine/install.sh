#!/usr/bin/env bash
# Makes the machines of package machine, from Debian's packages, each on a disk image
# in a folder of .cache/machine of this repository: debian is Debian 12 as it comes, with
# its own kernel and systemd; newest is Debian 13 with the newest kernel of its backports. Does nothing when it is there. Elsewhere than on
# Debian it does nothing either, and the tests that want it are skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$PWD/.cache/machine
mkdir -p "$out"
exec 9>"$out/lock" # one at a time; the second finds the work done
flock 9
say() { printf 'machine: %s\n' "$*" >&2; }

sum=$(sha256sum "test/machine/install.sh" | cut -d' ' -f1)
if [ "$(cat "$out/done" 2>/dev/null)" = "$sum" ]; then exit 0; fi
for program in qemu-system-x86_64 mmdebstrap mke2fs; do
  command -v "$program" >/dev/null || { say "no $program here"; exit 0; }
done
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

work=$(mktemp -d)
trap 'as_root rm -rf "$work"' EXIT
chmod 755 "$work" # mmdebstrap's apt is another user
# make NAME SUITE OPTION… dpkg need not wait for the disk: what is half made is not used.
make() {
  local name=$1 suite=$2 to=$out/$1 root=$work/$1
  shift 2
  say "$name is put together"
  mkdir -p "$to"
  # shellcheck disable=SC2016 # mmdebstrap's own shell expands it
  as_root mmdebstrap --quiet --variant=minbase --mode=root \
    --include=systemd-sysv,dbus,dbus-user-session,libpam-systemd,linux-image-cloud-amd64,initramfs-tools,zstd,e2fsprogs \
    --include=ca-certificates,curl,procps,python3-minimal,libstdc++6 \
    --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='chroot "$1" useradd --create-home --shell /bin/bash someone' "$@" \
    "$suite" "$root"
  cp "$root"/boot/vmlinuz-* "$to/vmlinuz"
  as_root cat "$root"/boot/initrd.img-* >"$to/initrd"
  rm -f "$to/root"
  # Sparse: what is not written takes no room.
  as_root mke2fs -q -t ext4 -d "$root" "$to/root" 4G
  as_root chown "$(id -u)" "$to/root"
  as_root rm -rf "$root"
}
rm -rf "$out/done" "$out"/{vmlinuz,initrd,root} # of an older one
make debian bookworm
# shellcheck disable=SC2016 # mmdebstrap's own shell expands it
make newest trixie \
  --setup-hook='sed -n "s/ trixie / trixie-backports /p" "$1"/etc/apt/sources.list >"$1"/etc/apt/sources.list.d/backports.list' \
  --setup-hook='printf "Package: linux-*\nPin: release n=trixie-backports\nPin-Priority: 900\n" >"$1"/etc/apt/preferences.d/backports'
echo "$sum" >"$out/done"
