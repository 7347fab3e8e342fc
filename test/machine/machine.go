package machine

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// made is where install.sh puts the machine, below the repository.
const made = ".cache/machine"

// patience bounds one run: an emulated machine on a busy one is slow.
const patience = 15 * time.Minute

// Folder is where the machine sees the test's folder.
const Folder = "/mnt"

// command is the kernel's. systemd starts nothing but what run needs, and switches off
// when it has ended. The emulator's timers may be late, which is no broken hardware.
const command = `root=/dev/vda rw console=ttyS0 quiet panic=-1 no_timer_check ` +
	`systemd.run="/bin/sh -c 'mount /dev/vdb ` + Folder + ` && exec ` + Folder + `/run >/dev/ttyS1 2>&1 </dev/null'" ` +
	`systemd.run_success_action=poweroff-force systemd.run_failure_action=poweroff-force`

// Machine is one of those that there are.
type Machine string

// The machines.
const (
	Debian Machine = "debian" // 12, with its own kernel
	Newest Machine = "newest" // Debian with the newest kernel of its backports
)

// Run boots m with a copy of dir at Folder, runs the program run that is in it, as
// root, and returns what that printed. repository is the way to the top of it.
func (m Machine) Run(t testing.TB, repository, dir string) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(repository, made, "done")); err != nil {
		t.Skip("needs test/machine/install.sh to have run, on Debian")
	}
	root := filepath.Join(repository, made, string(m))
	own := t.TempDir()
	disk, console := filepath.Join(own, "disk"), filepath.Join(own, "console")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "mke2fs", "-q", "-t", "ext4", "-d", dir, disk, "2G").CombinedOutput(); err != nil {
		t.Fatalf("make a disk of %s: %v: %s", dir, err, out)
	}
	c := exec.CommandContext(ctx, "qemu-system-x86_64", "-nodefaults", "-no-reboot", "-display", "none", "-nic", "none",
		"-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "3G",
		"-kernel", filepath.Join(root, "vmlinuz"), "-initrd", filepath.Join(root, "initrd"), "-append", command,
		"-drive", "if=virtio,format=raw,snapshot=on,file="+filepath.Join(root, "root"),
		"-drive", "if=virtio,format=raw,file="+disk,
		"-device", "virtio-rng-pci", "-serial", "file:"+console, "-serial", "stdio")
	c.Env = append(os.Environ(), "TMPDIR="+own) // of what is thrown away
	var said, wrong bytes.Buffer
	c.Stdout, c.Stderr = &said, &wrong
	err := c.Run()
	t.Cleanup(func() {
		if t.Failed() {
			last, _ := os.ReadFile(console)
			t.Logf("the machine: %v: %s\nits console:\n%s", err, wrong.String(), last)
		}
	})
	if err != nil {
		t.Errorf("the machine did not switch off: %v", err)
	}
	return strings.ReplaceAll(said.String(), "\r\n", "\n")
}
