package escape

import (
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// outside is what a sandbox must not reach, made by the test on the host: real
// files, sockets, memory and a process.
func outside(t *testing.T) world {
	t.Helper()
	marker := "outside-" + rand.Text()[:12]
	dir, err := os.MkdirTemp("", marker)
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	// Readable by all, so that nothing but the walls protects them.
	check(t, os.Chmod(dir, 0o755))
	w := world{
		Token: rand.Text(), Marker: marker, Name: marker,
		Folder: dir, Secret: filepath.Join(dir, "secret"), Socket: filepath.Join(dir, "stream"), Packets: filepath.Join(dir, "packets"),
		Shared: filepath.Join(dir, "shared"), Bound: filepath.Join(dir, "bound"),
		Root: filepath.Join(dir, "root"), System: filepath.Join(dir, "program"), Scratch: filepath.Join(dir, "scratch"),
		Memory: filepath.Join("/dev/shm", marker), Temp: filepath.Join(os.TempDir(), marker+".txt"),
		Segment: 0x10000000 + unix.Getpid()<<8 + int(dir[len(dir)-1]),
		Host:    ownAddress(t),
	}
	w.Outside, err = here()
	check(t, err)
	for _, d := range []string{w.Shared, w.Bound, w.Root, w.Scratch} {
		check(t, os.Mkdir(d, 0o755))
	}
	for _, f := range []string{w.Secret, w.Memory, w.Temp, w.System, filepath.Join(w.Shared, "file")} {
		check(t, os.WriteFile(f, []byte(w.Token), 0o644))
		t.Cleanup(func() { os.Remove(f) })
	}
	lendRoot(t, filepath.Join(w.Shared, "id"))
	for _, s := range []string{w.Socket, filepath.Join(w.Shared, "socket"), "@" + w.Name} {
		answerAt(t, s, w.Token)
	}
	hearAt(t, w.Packets)
	if forget, err := share(w.Segment, w.Token); err == nil {
		t.Cleanup(forget)
	}
	standBy(t, w.Marker)
	return w
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ownAddress is one of this machine's that is not loopback; a reserved one
// where it has none.
func ownAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	check(t, err)
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return "192.0.2.77"
}

// lendRoot makes a setuid copy of id(1), where root runs the test.
func lendRoot(t *testing.T, to string) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	from, err := exec.LookPath("id")
	check(t, err)
	b, err := os.ReadFile(from)
	check(t, err)
	check(t, os.WriteFile(to, b, 0o755))
	check(t, unix.Chmod(to, 0o4755))
}

// answerAt gives the token to whoever connects and says something.
func answerAt(t *testing.T, path, token string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	check(t, err)
	t.Cleanup(func() { l.Close() })
	if path[0] != '@' {
		check(t, os.Chmod(path, 0o666))
	}
	go answerAll(l, token)
}

// answerAll serves l until it is closed.
func answerAll(l net.Listener, token string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			if _, err := c.Read(make([]byte, 512)); err == nil {
				fmt.Fprintf(c, "HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(token), token)
			}
		}()
	}
}

func hearAt(t *testing.T, path string) {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	check(t, err)
	t.Cleanup(func() { c.Close() })
	check(t, os.Chmod(path, 0o666))
}

// standBy keeps a process of the host running whose command line ends in
// marker.
func standBy(t *testing.T, marker string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", victimWord, marker)
	in, err := cmd.StdinPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() { in.Close(); cmd.Wait() })
}
