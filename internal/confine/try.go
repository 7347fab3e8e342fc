package confine

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/bare"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// report is what the prover's calls came to.
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

// attempts are what the prover is to try at each wall. It decides nothing: PID
// 1 knows which walls should stand, and reads off the calls what they came to.
type attempts struct {
	trials  *trials
	proofs  []func() []spec.Proof
	connect []func() connect
}

// newAttempts is for a prover whose end of the socket is far, which becomes its
// descriptor 0; 1 and 2 are the null device, as is PID 1's own 1. also are TCP
// addresses to connect to beside the reserved ones, limits what the prover sets
// when it has tried everything.
func newAttempts(far int, also []netip.AddrPort, limits []spec.Rlimit) *attempts {
	a := &attempts{trials: &trials{}}
	t := a.trials
	t.Must(unix.SYS_SETSID)
	t.Must(unix.SYS_DUP3, uintptr(far), 0, 0)
	t.Must(unix.SYS_DUP3, 1, 2, 0)
	t.Must(unix.SYS_CLOSE_RANGE, 3, math.MaxInt32, 0)
	a.descriptors()
	a.files()
	a.process()
	a.network()
	for i, to := range slices.Concat(nobody, also) {
		if i < mostConnects {
			a.connection(to, i)
		}
	}
	t.tell()
	// While PID 1 judges.
	t.limit(limits)
	t.HeedSignals() // ignored ones would stay ignored through execve
	t.receive()
	return a
}

// report reads off what the prover's calls gave.
func (a *attempts) report() report {
	var r report
	for _, f := range a.proofs {
		r.Proofs = append(r.Proofs, f()...)
	}
	for _, f := range a.connect {
		r.Connects = append(r.Connects, f())
	}
	return r
}

// refused is an attempt that must fail in one of the ways that are wanted.
func (a *attempts) refused(w spec.Wall, layer, what string, call *bare.Call, want ...error) {
	a.proofs = append(a.proofs, func() []spec.Proof {
		_, err := call.Got()
		return []spec.Proof{tried(w, layer, what, err, want...)}
	})
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

func (a *attempts) files() {
	const fs = spec.FilesystemWall
	t := a.trials
	a.refused(fs, layerMounts, "list /home", t.open("/home", unix.O_RDONLY|unix.O_DIRECTORY), unix.EACCES, unix.ENOENT)
	a.refused(fs, layerMounts, "create /usr/.proof", t.open("/usr/.proof", unix.O_WRONLY|unix.O_CREAT), unix.EROFS, unix.EACCES)
	// Our user owns the root folder and Landlock does not know chmod, so only
	// the mount being read-only stops it.
	a.refused(fs, layerMounts, "chmod /", t.May(unix.SYS_FCHMODAT, cwd, t.text("/"), 0o777), unix.EROFS)
	a.refused(fs, layerLandlock, "read "+canaryFile, t.open(canaryFile, unix.O_RDONLY), unix.EACCES)
	a.refused(fs, layerLandlock, "create "+canaryDir+"/new", t.open(canaryDir+"/new", unix.O_WRONLY|unix.O_CREAT), unix.EACCES)
}

func (a *attempts) process() {
	const pr = spec.ProcessWall
	t := a.trials
	a.status()
	a.refused(pr, layerSeccomp, "unshare a user namespace", t.May(unix.SYS_UNSHARE, unix.CLONE_NEWUSER), unix.EPERM)
	a.refused(pr, layerSeccomp, "set up io_uring", t.May(unix.SYS_IO_URING_SETUP), unix.ENOSYS)
	a.refused(pr, layerLandlock, "signal PID 1", t.May(unix.SYS_KILL, 1, 0), unix.EPERM)
	a.limit()
}

// reads is an attempt that reads a file; judge says what of its text proves.
func (a *attempts) reads(p spec.Proof, file string, nr uintptr, into []byte, judge func(text string, p spec.Proof) []spec.Proof) {
	call := a.trials.read(file, nr, into)
	a.proofs = append(a.proofs, func() []spec.Proof {
		text, err := said(call, into)
		if err != nil {
			p.Got = err.Error()
			return []spec.Proof{p}
		}
		return judge(text, p)
	})
}

// limit reads how many user namespaces may be made here: the filter would
// refuse to make one before that limit could.
func (a *attempts) limit() {
	p := spec.Proof{Wall: spec.ProcessWall, Layer: layerNamespaces, Tried: "read " + limitOf("user_namespaces")}
	a.reads(p, limitOf("user_namespaces"), unix.SYS_READ, a.trials.most[:], func(text string, p spec.Proof) []spec.Proof {
		p.Got = strings.TrimSpace(text)
		p.Refused = p.Got == "0"
		return []spec.Proof{p}
	})
}

// status reads what the prover is allowed. See proc_pid_status(5).
func (a *attempts) status() {
	want := []struct{ layer, name, value string }{
		{layerCapabilities, "CapInh", "0000000000000000"},
		{layerCapabilities, "CapPrm", "0000000000000000"},
		{layerCapabilities, "CapEff", "0000000000000000"},
		{layerCapabilities, "CapBnd", "0000000000000000"},
		{layerCapabilities, "CapAmb", "0000000000000000"},
		{layerCapabilities, "NoNewPrivs", "1"},
		{layerSeccomp, "Seccomp", "2"},
	}
	failed := spec.Proof{Wall: spec.ProcessWall, Layer: layerCapabilities, Tried: "read /proc/self/status"}
	a.reads(failed, "/proc/self/status", unix.SYS_READ, a.trials.status[:], func(text string, _ spec.Proof) []spec.Proof {
		var out []spec.Proof
		for _, w := range want {
			p := spec.Proof{Wall: spec.ProcessWall, Layer: w.layer, Tried: "read " + w.name + " of /proc/self/status", Got: "nothing"}
			for line := range strings.Lines(text) {
				if v, ok := strings.CutPrefix(line, w.name+":"); ok {
					p.Got = strings.TrimSpace(v)
					p.Refused = p.Got == w.value
				}
			}
			out = append(out, p)
		}
		return out
	})
}

// descriptors looks for those that the prover was not given. They are listed
// first of all: the other attempts open some.
func (a *attempts) descriptors() {
	p := spec.Proof{Wall: spec.ProcessWall, Layer: layerDescriptors, Tried: "list /proc/self/fd"}
	a.reads(p, "/proc/self/fd", unix.SYS_GETDENTS64, a.trials.descriptors[:], func(text string, p spec.Proof) []spec.Proof {
		_, _, names := unix.ParseDirent([]byte(text), -1, nil)
		// 3 is the folder itself, the lowest that was free.
		names = slices.DeleteFunc(names, func(s string) bool { return s == "3" })
		slices.Sort(names)
		p.Got = strings.Join(names, " ")
		p.Refused = p.Got == "0 1 2"
		return []spec.Proof{p}
	})
}

func (a *attempts) network() {
	a.refused(spec.NetworkWall, layerCapture, "send UDP to "+nobody[0].String(), a.trials.send(nobody[0]), unix.EPERM)
	// See proc_pid_net(5).
	p := spec.Proof{Wall: spec.NetworkWall, Layer: layerInterfaces, Tried: "list interfaces"}
	a.reads(p, "/proc/self/net/dev", unix.SYS_READ, a.trials.devices[:], func(text string, p spec.Proof) []spec.Proof {
		var names []string
		for line := range strings.Lines(text) {
			if name, _, ok := strings.Cut(line, ":"); ok {
				names = append(names, strings.TrimSpace(name))
			}
		}
		p.Got = strings.Join(names, " ")
		p.Refused = p.Got == "lo"
		return []spec.Proof{p}
	})
}

// connection connects to to. Who answers is for PID 1 to say.
func (a *attempts) connection(to netip.AddrPort, i int) {
	name := &a.trials.names[i]
	calls := a.trials.connect(to, name)
	a.connect = append(a.connect, func() connect {
		c := connect{To: to}
		for _, call := range calls {
			if _, err := call.Got(); err != nil {
				c.Error = err.Error()
				return c
			}
		}
		if c.From = name.from(); !c.From.IsValid() {
			c.Error = fmt.Sprintf("a name of family %d", name.address.Addr.Family)
		}
		return c
	})
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
