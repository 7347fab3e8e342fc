package internet

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// keep is PID 1 of the world: it builds it, starts the tests in it as a plain
// child, and reaps until they end. Everything left then dies with it.
func keep() int {
	dir, err := os.Readlink("/proc/self/fd/3")
	if err != nil {
		return fail(err)
	}
	if err := build(dir); err != nil {
		return fail(fmt.Errorf("build the world: %w", err))
	}
	sockets, err := openSockets(port)
	if err != nil {
		return fail(fmt.Errorf("open the world's sockets: %w", err))
	}
	pid, err := startTests(sockets)
	if err != nil {
		return fail(fmt.Errorf("start the tests: %w", err))
	}
	forward(pid)
	return reap(pid)
}

func build(dir string) error {
	if err := buildNet(); err != nil {
		return err
	}
	if err := writeFiles(dir); err != nil {
		return err
	}
	return bindFiles(dir)
}

// startTests runs the test binary with the sockets as descriptors 4 and up,
// without the rights that the keeper has.
func startTests(sockets []*os.File) (pid int, err error) {
	// Ambient capabilities belong to a thread; the child takes this one's.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return 0, err
	}
	exe, err := os.Executable()
	if err != nil {
		return 0, err
	}
	files := []uintptr{0, 1, 2, 3}
	for _, s := range sockets {
		files = append(files, s.Fd())
	}
	return syscall.ForkExec(exe, append([]string{testsDoor}, os.Args[1:]...), &syscall.ProcAttr{Env: os.Environ(), Files: files})
}

func forward(pid int) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT)
	go func() {
		for s := range signals {
			unix.Kill(pid, s.(syscall.Signal))
		}
	}()
}

// reap waits for every child, the orphans of the world too, until tests ended.
func reap(tests int) int {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return fail(err)
		case pid == tests && status.Signaled():
			return 128 + int(status.Signal())
		case pid == tests:
			return status.ExitStatus()
		}
	}
}

// The files that stand in for the machine's, where the machine has them.
var bound = map[string][]string{
	"resolv.conf":   {"/etc/resolv.conf"},
	"hosts":         {"/etc/hosts"},
	"nsswitch.conf": {"/etc/nsswitch.conf"}, // else a module may ask a socket of the machine
	"bundle.pem":    bundles,
}

// bundles are the places of the system's certificate bundle (crypto/x509).
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/etc/ssl/cert.pem",
}

func writeFiles(dir string) error {
	ca, err := newAuthority()
	if err != nil {
		return err
	}
	var bundle []byte
	for _, p := range bundles {
		if b, err := os.ReadFile(p); err == nil {
			bundle = append(b, '\n')
			break
		}
	}
	name, _ := os.Hostname()
	public := map[string][]byte{
		"resolv.conf":   []byte("nameserver " + resolver + "\noptions timeout:2 attempts:2\n"),
		"hosts":         []byte("127.0.0.1 localhost " + name + "\n::1 localhost ip6-localhost\n"),
		"nsswitch.conf": []byte("passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n"),
		"bundle.pem":    append(bundle, ca.certPEM...),
		"ca.pem":        ca.certPEM,
	}
	for name, data := range public {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.key"), ca.keyPEM, 0o600); err != nil {
		return err
	}
	return os.Chmod(dir, 0o755) // other users of the world read the bundle
}

// bindFiles hides the machine's files behind the world's, in the world alone.
func bindFiles(dir string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for name, targets := range bound {
		for _, target := range targets {
			real, err := filepath.EvalSymlinks(target)
			if err != nil {
				continue // the machine has none there
			}
			if err := unix.Mount(filepath.Join(dir, name), real, "", unix.MS_BIND, ""); err != nil {
				return fmt.Errorf("bind %s: %w", target, err)
			}
		}
	}
	if _, err := net.LookupHost("localhost"); err != nil {
		return fmt.Errorf("read the world's hosts: %w", err)
	}
	return nil
}
