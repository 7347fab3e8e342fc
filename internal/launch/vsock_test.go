package launch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// A sandbox's sockets to the hypervisor are its own: even without the filter, which
// refuses to make one, they lead to nobody. Its control is the same call outside.
func TestVsockIsDivided(t *testing.T) {
	if _, err := os.Stat("/proc/sys/net/vsock/child_ns_mode"); errors.Is(err, os.ErrNotExist) {
		t.Skip("needs Linux 7.0 with vsock: network namespaces that divide it")
	}
	port := vsockListener(t)
	dial := func(cid uint32) string {
		return fmt.Sprintf("python3 -c 'import socket; s = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM); s.settimeout(5); s.connect((%d, %d)); print(\"connected\")'", cid, port)
	}
	if out, err := exec.Command("bash", "-c", dial(unix.VMADDR_CID_LOCAL)).CombinedOutput(); string(out) != "connected\n" {
		t.Fatalf("outside: %v: %s", err, out)
	}
	s := up(t, func(s *spec.Spec) { s.Seccomp.Off = true })
	s.needs("python3")
	s.wants("cat /proc/sys/net/vsock/ns_mode", "local\n")
	for _, cid := range []uint32{unix.VMADDR_CID_LOCAL, unix.VMADDR_CID_HOST} {
		if r := s.sh(dial(cid)); r.code == 0 || strings.Contains(r.out, "connected") || !strings.Contains(r.err, "Error") {
			t.Errorf("to %d: code %d, %s%s: want it refused", cid, r.code, r.out, r.err)
		}
	}
	filtered := up(t)
	filtered.refuses(dial(unix.VMADDR_CID_LOCAL), "socket(") // what is refused there is the socket itself
}

// vsockListener answers on this machine, until the test ends, and gives its port.
func vsockListener(t *testing.T) uint32 {
	t.Helper()
	fd, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrVM{CID: unix.VMADDR_CID_ANY, Port: unix.VMADDR_PORT_ANY}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 16); err != nil {
		t.Fatal(err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return bound.(*unix.SockaddrVM).Port
}
