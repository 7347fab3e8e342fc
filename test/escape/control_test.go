package escape

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// control runs a case outside the walls, in namespaces that are thrown away
// with it: there it must succeed.
func control(t *testing.T, c attackCase) outcome {
	t.Helper()
	w := outside(t)
	b, err := json.Marshal(w)
	check(t, err)
	leak, err := os.Open(w.Folder)
	check(t, err)
	defer leak.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 6*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", controlWord, c.id, string(b))
	cmd.ExtraFiles = []*os.File{leak}
	cmd.Env = append(os.Environ(), "KEY_OF_THE_OPERATOR="+w.Token)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	return read(out.String(), err)
}

// controlDoor is PID 1 of the throw-away namespaces: it makes them a small
// world in which attacks succeed, runs one, and ends, which ends all.
func controlDoor(args []string) int {
	if len(args) != 2 {
		return 2
	}
	var w world
	err := json.Unmarshal([]byte(args[1]), &w)
	if err == nil {
		err = errors.Join(refuseBare(w), ownMounts(w))
	}
	if err == nil {
		err = ownNetwork(w)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "control:", err)
		return 2
	}
	if forget, err := share(w.Segment, w.Token); err == nil {
		defer forget()
	}
	victim := exec.Command("/proc/self/exe", victimWord, w.Marker)
	if _, err := victim.StdinPipe(); err != nil || victim.Start() != nil {
		fmt.Fprintln(os.Stderr, "control: no victim")
		return 2
	}
	cmd := exec.Command("/proc/self/exe", attackWord, args[0], args[1])
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{os.NewFile(3, "leak")}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "control:", err)
		return 1
	}
	return 0
}

// ownMounts keeps every mount of an attack in here, and leaves it nothing of
// the machine's files to write to but the test's own folder.
func ownMounts(w world) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := unix.Mount(w.Folder, w.Folder, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", w.Folder, err)
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return fmt.Errorf("make / read-only: %w", err)
	}
	// The host's folder stands in mountinfo, as one of a launcher would.
	if err := unix.Mount(w.Bound, w.Bound, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", w.Bound, err)
	}
	return nil
}

// ownNetwork makes every address local, with somebody there who gives the
// token away.
func ownNetwork(w world) error {
	if err := raise(); err != nil {
		return err
	}
	// IPv6 may be switched off.
	_ = addRoute(netip.MustParsePrefix("::/0"))
	if err := addRoute(netip.MustParsePrefix("0.0.0.0/0")); err != nil {
		return err
	}
	// Ping sockets are for groups listed here; the control needs the kernel's
	// yes to see the filter's no.
	_ = os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 0"), 0)
	var streams net.ListenConfig
	for _, port := range []string{"80", "443", "9999"} {
		l, err := streams.Listen(context.Background(), "tcp", ":"+port)
		if err != nil {
			return err
		}
		go answerAll(l, w.Token)
	}
	l, err := net.Listen("unix", "@"+w.Name)
	if err != nil {
		return err
	}
	go answerAll(l, w.Token)
	for _, a := range []string{"203.0.113.12:443", "8.8.8.8:53", "[2001:db8::12]:443"} {
		answerPackets(a, w.Token)
	}
	return nil
}

// answerPackets answers at one address that no interface has (ip(7),
// IP_FREEBIND).
func answerPackets(address, token string) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND, 1)
			_ = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_FREEBIND, 1)
		})
	}}
	c, err := lc.ListenPacket(context.Background(), "udp", address)
	if err != nil {
		return // the control that needs it will say so
	}
	go func() {
		b := make([]byte, 512)
		for {
			_, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = c.WriteTo([]byte(token), from)
		}
	}()
}

// An attack that is started bare must not run.
func TestAttackRefusesToRunBare(t *testing.T) {
	w := outside(t)
	b, err := json.Marshal(w)
	check(t, err)
	out, err := exec.Command("/proc/self/exe", attackWord, "C50", string(b)).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "refusing to run") {
		t.Errorf("bare attack: %v: %s", err, out)
	}
}
