package confine

import (
	"cmp"
	"math"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/filter"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/confine/wire"
)

// Main is PID 1 of a sandbox. It obeys the spec that comes over fd, proves the
// walls, then answers the supervisor until that end is closed. It does not
// return.
func Main(fd int) {
	// First: whatever the supervisor was started with and did not mark
	// close-on-exec is the host's. The runtime has opened nothing yet.
	if err := unix.CloseRange(uint(fd+1), math.MaxInt32, 0); err != nil {
		os.Exit(1)
	}
	call("nemoclaw-init")
	ignoreSignals() // before there is an agent
	child := childSignals()
	in := &inside{up: wire.New(fd), domain: openDomain(), turns: make(chan struct{}, atOnce)}
	// While the spec is awaited, and files are built.
	compiled := in.domain.begin(func() (err error) { in.program, err = filter.Compile(); return err })
	s, handed, err := in.up.ReceiveSpec()
	if err == nil {
		err = in.enclose(s, handed, compiled)
	}
	if err == nil {
		in.nursery = newNursery(in.up, in.domain, s)
		go in.nursery.reap(child)
		err = in.open(s)
	}
	if err == nil && !s.Once { // one that ends with its command has no time for it
		keepSpares()
	}
	if err != nil {
		// Nothing else can be done with an error here than to tell it.
		_ = in.up.Send(failed(0, err))
		os.Exit(1)
	}
	in.answer()
	os.Exit(0)
}

// inside is what PID 1 holds.
type inside struct {
	up       *wire.Conn
	domain   *domain
	sockets  sockets
	rules    int // the Landlock ruleset, until the domain has entered it; negative without
	program  []unix.SockFilter
	listener int // of seccomp, until it is handed out
	abi      int
	gate     uint16
	prover   *prepared
	nursery  *nursery
	diag     diag
	own      int           // a second one, of the thread that tell starts
	looking  atomic.Int32  // questions being answered
	turns    chan struct{} // one token each of those that look at this moment
}

// step is one part of a wall. Steps stand in lists: what stands later may rely
// on what stands earlier, and where one must not move, it says why.
type step struct {
	wall spec.Wall
	on   bool
	do   func() error
}

func follow(list []step) error {
	for _, s := range list {
		if !s.on {
			continue
		}
		if err := s.do(); err != nil {
			return &failure{wall: s.wall, err: err}
		}
	}
	return nil
}

// enclose builds every wall around this process. Files and network know
// nothing of each other, so they are built side by side; the privileges with
// which they are built go last. compiled says that the filter is.
func (in *inside) enclose(s spec.Spec, handed []int, compiled <-chan error) error {
	// Before the files are: meanwhile /proc goes from one root to the other.
	first := !s.Network.CaptureOff && withoutCookies()
	withoutPacing()
	network := in.domain.begin(func() error {
		if err := follow(in.networkSteps(s.Network, first)); err != nil {
			return err
		}
		return follow(in.domainSteps(s))
	})
	files := follow(in.fileSteps(s, handed))
	if err := cmp.Or(files, <-compiled, <-network); err != nil {
		return err
	}
	if choice := (filter.Choice{Allow: s.Seccomp.Allow, Audit: s.Seccomp.Audit}); choice.Audit || len(choice.Allow) > 0 {
		var err error
		if in.program, err = filter.CompileFor(choice); err != nil {
			return err
		}
	}
	return follow(in.privilegeSteps(s))
}

func (in *inside) fileSteps(s spec.Spec, handed []int) []step {
	const w = spec.FilesystemWall
	r := &root{}
	in.rules = -1
	return []step{
		// First of all: until now a mount made on the host appears here too.
		{w, true, func() error {
			return act("make private", "/", unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		}},
		// Before lay, which hides the host's tree.
		{w, true, func() error { return r.openSources(s.Mounts, handed) }},
		{w, true, r.lay},
		{w, true, func() error { return r.build(s.Mounts) }},
		{w, !s.Landlock.Off, r.canary},
		// Last of what writes into the root: folders lose their write rights.
		{w, true, r.finish},
		{w, true, r.pivot},
		{w, true, r.close},
		// From here on no path leads to the host; what is opened by name is
		// the sandbox's.
		{w, true, in.standIO},
		// Rules name paths inside, so they are opened after pivot.
		{w, !s.Landlock.Off, func() (err error) { in.rules, in.abi, err = landlockRules(s.Landlock.Rules); return err }},
	}
}

// first says that the capture may look at first packets alone.
func (in *inside) networkSteps(n spec.Network, first bool) []step {
	const w = spec.NetworkWall
	var v6 bool
	on := !n.CaptureOff
	return []step{
		{w, on, func() (err error) { v6, err = hasIPv6(); return err }},
		// The rules stand before the interface and the routes do: no packet
		// ever finds a way without them.
		{w, on, func() error { return capture(n.GatePort, v6, first) }},
		{w, on, raiseLoopback},
		{w, on, func() error { return routeAll(v6) }},
		{w, on, func() error { return in.sockets.open(n, v6) }},
		{w, true, in.diag.open},
		{w, on, func() (err error) { in.own, err = talk(unix.NETLINK_SOCK_DIAG); return err }},
	}
}

// domainSteps are what the domain's thread can become, and make, while files are
// still being built.
func (in *inside) domainSteps(s spec.Spec) []step {
	const w = spec.ProcessWall
	return []step{
		{w, true, in.domain.part},
		{w, true, func() (err error) { in.prover, err = prepareProver(s); return err }},
	}
}

func (in *inside) privilegeSteps(s spec.Spec) []step {
	const w = spec.ProcessWall
	return []step{
		{w, true, func() error { return act("set", "host name", unix.Sethostname([]byte(s.Name))) }},
		{w, true, func() error { return in.domain.enter(in.rules) }},
		// After the last namespace of our own, which domainSteps makes. Nothing
		// after the next needs capabilities.
		{w, true, limitKernel},
		{w, true, dropCapabilities},
		// After the last change of credentials, which would undo it.
		{w, true, hide},
		// Last of all: it refuses calls that the steps above make. It holds on
		// all threads, the domain's too, or not at all.
		{w, !s.Seccomp.Off, func() (err error) { in.listener, err = filter.Install(in.program, true); return err }},
	}
}

// standIO puts the sandbox's own /dev/null in the place of what the supervisor
// gave as standard input and output. Standard error stays: it is a pipe on
// which a crash of this process is told.
func (in *inside) standIO() error {
	fd, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return act("open", "/dev/null", err)
	}
	defer unix.Close(fd)
	for _, to := range []int{0, 1} {
		if err := unix.Dup3(fd, to, 0); err != nil {
			return act("open", "standard streams", err)
		}
	}
	return nil
}

// open hands out the listener, proves the walls where everything will run, and
// hands out the sockets. Only then may anything run.
func (in *inside) open(s spec.Spec) error {
	if !s.Seccomp.Off {
		// Closed here: with a copy inside, refused calls would hang once the
		// supervisor is gone.
		err := in.up.Send(spec.Message{Op: spec.OpNotify}, in.listener)
		unix.Close(in.listener)
		if err != nil {
			return err
		}
	}
	in.gate = s.Network.GatePort
	proofs, err := in.prove(s)
	if err != nil {
		return err
	}
	if err := in.up.Send(spec.Message{Op: spec.OpSockets, Sockets: in.sockets.list}, in.sockets.fds...); err != nil {
		return err
	}
	in.sockets.close()
	if in.sockets.line > 0 {
		go in.tell(in.sockets.line)
	}
	return in.up.Send(spec.Message{Op: spec.OpProof, Proofs: proofs, ABI: in.abi})
}

// answer serves the supervisor until it is gone.
func (in *inside) answer() {
	for {
		m, fds, err := in.up.Receive()
		if err != nil {
			return
		}
		switch m.Op {
		case spec.OpRun:
			in.nursery.run(m, fds)
		case spec.OpSignal:
			in.nursery.signal(m.Target, syscall.Signal(m.Signal))
		case spec.OpAll:
			in.nursery.signalAll(syscall.Signal(m.Signal))
		case spec.OpDialers:
			in.dialers(m)
		case spec.OpUsage:
			go in.usage(m.ID)
		case spec.OpFull:
			go in.full(m.ID)
		case spec.OpWho, spec.OpLook:
			in.look(in.up, m, nil)
		}
		closeAll(fds)
	}
}

// yield makes the calling thread one that never takes a processor from whoever
// has it (sched(7), SCHED_BATCH): the road that it works for is what it would
// take it from. It gets its share all the same. Without it, all is slower.
func yield() {
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH}, 0)
}

// lookers bounds the questions that are answered at one time. An agent makes
// them, by connecting; what is asked beyond is answered "cannot be told".
const lookers = 256

// atOnce is how many of them look at one time; each needs a thread for that.
const atOnce = 4

// quickly is how many descriptors are looked at while all else waits, a
// microsecond or two each: to begin another thread for so few costs more.
const quickly = 256

// lookBeside answers m beside the rest: looking takes a while on a busy
// sandbox, and a signal need not wait. Whoever waits here has no thread of its own:
// in a full control group there is none for it (see keepSpares).
func (in *inside) lookBeside(to *wire.Conn, m spec.Message) {
	if in.looking.Add(1) > lookers {
		in.looking.Add(-1)
		_ = to.Send(spec.Message{Op: spec.OpHolders, ID: m.ID, Error: "too many questions at once"})
		return
	}
	go func() {
		defer in.looking.Add(-1)
		p, err := in.whoInTime(m)
		answer(to, m.ID, p, err)
	}()
}

// dialers makes unconnected sockets of this namespace, for the supervisor to
// connect.
func (in *inside) dialers(m spec.Message) {
	family := unix.AF_INET
	if m.IPv6 {
		family = unix.AF_INET6
	}
	var fds []int
	defer func() { closeAll(fds) }()
	for range min(m.Count, maxDialers) {
		fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
		if err != nil {
			_ = in.up.Send(failed(m.ID, act("make", "socket", err)))
			return
		}
		fds = append(fds, fd)
	}
	// An error means that the supervisor is gone, and the next Receive ends us.
	_ = in.up.Send(spec.Message{Op: spec.OpSock, ID: m.ID}, fds...)
}

// maxDialers bounds how many sockets one question gets.
const maxDialers = 16
