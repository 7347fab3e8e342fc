#!/usr/bin/env bash
# Makes a machine for package machine: Debian 12 as it comes, with its own kernel and
# systemd, from Debian's packages, on a disk image; in
# .cache/machine of this repository. Does nothing when it is there. Elsewhere than on
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
say "Debian 12 is put together"
chmod 755 "$work" # mmdebstrap's apt is another user
# shellcheck disable=SC2016 # mmdebstrap's own shell expands it
as_root mmdebstrap --quiet --variant=minbase --mode=root \
  --include=systemd-sysv,dbus,dbus-user-session,libpam-systemd,linux-image-cloud-amd64,initramfs-tools,zstd,e2fsprogs \
  --include=ca-certificates,curl,procps,python3-minimal,libstdc++6 \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --customize-hook='chroot "$1" useradd --create-home --shell /bin/bash someone' \
  bookworm "$work/root"
cp "$work"/root/boot/vmlinuz-* "$out/vmlinuz.new"
as_root cat "$work"/root/boot/initrd.img-* >"$out/initrd.new"
rm -f "$out/root.new"
# Sparse: what is not written takes no room.
as_root mke2fs -q -t ext4 -d "$work/root" "$out/root.new" 4G
as_root chown "$(id -u)" "$out/root.new"
for f in vmlinuz initrd root; do mv -f "$out/$f.new" "$out/$f"; done
echo "$sum" >"$out/done"
