package confine

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// report is what the prove door writes on its standard output.
type report struct {
	Proofs   []spec.Proof
	Connects []connect
}

// connect is one TCP connection that was made; PID 1 says where it arrived.
type connect struct {
	To    netip.AddrPort
	From  netip.AddrPort
	Error string
}

// nobody are addresses reserved for documentation: asking them asks nobody
// (RFC 5737, RFC 3849). Port 9 is discard.
var nobody = []netip.AddrPort{
	netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 9),
	netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 1}), 9),
}

// Prove tries what must be refused at each wall, reports, and becomes the
// first command by execve(2): what is proved is the very process that will run.
// It decides nothing: PID 1 knows which walls should stand. args are TCP
// addresses to connect to beside the reserved ones.
func Prove(args []string) {
	debug.SetGCPercent(-1)
	heedSignals()
	var r report
	r.Proofs = append(r.Proofs, tryDescriptors()) // first: the others open some
	r.Proofs = append(r.Proofs, tryFiles()...)
	r.Proofs = append(r.Proofs, tryProcess()...)
	r.Proofs = append(r.Proofs, tryNetwork()...)
	for _, a := range nobody {
		r.Connects = append(r.Connects, tryConnect(a))
	}
	for _, s := range args {
		if a, err := netip.ParseAddrPort(s); err == nil {
			r.Connects = append(r.Connects, tryConnect(a))
		}
	}
	if _, err := unix.Write(proverFd, r.encode()); err != nil {
		os.Exit(1)
	}
	become(proverFd)
}

// tried is one attempt: refused when it failed in one of the ways it must.
func tried(w spec.Wall, layer, what string, err error, want ...error) spec.Proof {
	p := spec.Proof{Wall: w, Layer: layer, Tried: what, Got: "done"}
	if err != nil {
		p.Got = err.Error()
		p.Refused = slices.ContainsFunc(want, func(e error) bool { return errors.Is(err, e) })
	}
	return p
}

func tryOpen(name string, flags int) error {
	fd, err := unix.Open(name, flags|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// The layers that proofs name.
const (
	layerMounts       = "mounts"
	layerLandlock     = "Landlock"
	layerCapabilities = "capabilities"
	layerSeccomp      = "seccomp"
	layerDescriptors  = "descriptors"
	layerCapture      = "capture"
	layerInterfaces   = "interfaces"
	layerNamespaces   = "namespaces"
	layerRouter       = "router"
)

func tryFiles() []spec.Proof {
	const fs = spec.FilesystemWall
	return []spec.Proof{
		tried(fs, layerMounts, "list /home", tryOpen("/home", unix.O_RDONLY|unix.O_DIRECTORY), unix.EACCES, unix.ENOENT),
		tried(fs, layerMounts, "create /usr/.proof", tryOpen("/usr/.proof", unix.O_WRONLY|unix.O_CREAT), unix.EROFS, unix.EACCES),
		// Our user owns the root folder and Landlock does not know chmod, so
		// only the mount being read-only stops it.
		tried(fs, layerMounts, "chmod /", unix.Chmod("/", 0o777), unix.EROFS),
		tried(fs, layerLandlock, "read "+canaryFile, tryOpen(canaryFile, unix.O_RDONLY), unix.EACCES),
		tried(fs, layerLandlock, "create "+canaryDir+"/new", tryOpen(canaryDir+"/new", unix.O_WRONLY|unix.O_CREAT), unix.EACCES),
	}
}

func tryProcess() []spec.Proof {
	const pr = spec.ProcessWall
	// A process with threads, as ours, gets EINVAL from the kernel itself: an
	// EPERM is the filter's.
	userns := tried(pr, layerSeccomp, "unshare a user namespace", unix.Unshare(unix.CLONE_NEWUSER), unix.EPERM)
	_, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, 0, 0, 0)
	ring := tried(pr, layerSeccomp, "set up io_uring", e, unix.ENOSYS)
	signal := tried(pr, layerLandlock, "signal PID 1", unix.Kill(1, 0), unix.EPERM)
	return append(tryStatus(), userns, ring, signal, tryLimit())
}

// tryLimit reads how many user namespaces may be made here: the filter would
// refuse to make one before that limit could.
func tryLimit() spec.Proof {
	p := spec.Proof{Wall: spec.ProcessWall, Layer: layerNamespaces, Tried: "read " + limitOf("user")}
	b, err := os.ReadFile(limitOf("user"))
	if err != nil {
		p.Got = err.Error()
		return p
	}
	p.Got = strings.TrimSpace(string(b))
	p.Refused = p.Got == "0"
	return p
}

// tryStatus reads what this very process is allowed. See proc_pid_status(5).
func tryStatus() []spec.Proof {
	want := []struct{ layer, name, value string }{
		{layerCapabilities, "CapInh", "0000000000000000"},
		{layerCapabilities, "CapPrm", "0000000000000000"},
		{layerCapabilities, "CapEff", "0000000000000000"},
		{layerCapabilities, "CapBnd", "0000000000000000"},
		{layerCapabilities, "CapAmb", "0000000000000000"},
		{layerCapabilities, "NoNewPrivs", "1"},
		{layerSeccomp, "Seccomp", "2"},
	}
	b, err := os.ReadFile("/proc/self/status")
	var out []spec.Proof
	for _, w := range want {
		p := spec.Proof{Wall: spec.ProcessWall, Layer: w.layer, Tried: "read " + w.name + " of /proc/self/status", Got: "nothing"}
		if err != nil {
			p.Got = err.Error()
		}
		for line := range strings.Lines(string(b)) {
			if v, ok := strings.CutPrefix(line, w.name+":"); ok {
				p.Got = strings.TrimSpace(v)
				p.Refused = p.Got == w.value
			}
		}
		out = append(out, p)
	}
	return out
}

// tryDescriptors looks for descriptors that this process was not given.
func tryDescriptors() spec.Proof {
	p := spec.Proof{Wall: spec.ProcessWall, Layer: layerDescriptors, Tried: "list /proc/self/fd"}
	dir, err := unix.Open("/proc/self/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		p.Got = err.Error()
		return p
	}
	defer unix.Close(dir)
	buf := make([]byte, 8192)
	n, err := unix.ReadDirent(dir, buf)
	if err != nil {
		p.Got = err.Error()
		return p
	}
	_, _, names := unix.ParseDirent(buf[:n], -1, nil)
	names = slices.DeleteFunc(names, func(s string) bool { return s == fmt.Sprint(dir) })
	slices.Sort(names)
	p.Got = strings.Join(names, " ")
	p.Refused = p.Got == "0 1 2"
	return p
}

func tryNetwork() []spec.Proof {
	return []spec.Proof{
		tried(spec.NetworkWall, layerCapture, "send UDP to "+nobody[0].String(), trySend(nobody[0]), unix.EPERM),
		tryInterfaces(),
	}
}

func trySend(a netip.AddrPort) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, []byte("proof"), 0, address(a))
}

// tryInterfaces lists the interfaces that exist. See proc_pid_net(5).
func tryInterfaces() spec.Proof {
	p := spec.Proof{Wall: spec.NetworkWall, Layer: layerInterfaces, Tried: "list interfaces"}
	b, err := os.ReadFile("/proc/self/net/dev")
	if err != nil {
		p.Got = err.Error()
		return p
	}
	var names []string
	for line := range strings.Lines(string(b)) {
		if name, _, ok := strings.Cut(line, ":"); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	p.Got = strings.Join(names, " ")
	p.Refused = p.Got == "lo"
	return p
}

// tryConnect connects to a. Who answers is for PID 1 to say.
func tryConnect(a netip.AddrPort) connect {
	c := connect{To: a}
	family := unix.AF_INET
	if a.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		c.Error = err.Error()
		return c
	}
	// Not closed: the connection is to be there when PID 1 looks. The limit
	// holds for connect(2) too; see socket(7).
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: 2})
	if err == nil {
		err = unix.Connect(fd, address(a))
	}
	if err != nil {
		c.Error = err.Error()
		return c
	}
	from, err := unix.Getsockname(fd)
	if err != nil {
		c.Error = err.Error()
		return c
	}
	c.From = addrPort(from)
	return c
}

func address(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func addrPort(s unix.Sockaddr) netip.AddrPort {
	switch s := s.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(s.Addr), uint16(s.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(s.Addr), uint16(s.Port))
	}
	return netip.AddrPort{}
}
