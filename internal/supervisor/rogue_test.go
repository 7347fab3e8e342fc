package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/approval"
	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/clerk"
)

// rogueWord is the door of the misbehaving supervisor.
const rogueWord = "rogue"

// wrong is one thing that it must not do.
type wrong struct {
	what string
	do   func() error
}

// report prints one line for judge.
func report(s said) { _ = json.NewEncoder(os.Stdout).Encode(s) }

func word(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// crew is how many threads try everything, each locked to its goroutine.
const crew = 24

// rogue prepares as a supervisor does, confines itself in the same way, and
// misbehaves.
func rogue(place state.Sandbox) error {
	r, err := newRogue(place)
	if err != nil {
		return err
	}
	before := map[string]error{}
	all := r.wrongs()
	for _, w := range all {
		before[w.what] = onThread(w.do)
	}
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	after := make([]map[string]error, crew)
	for i := range crew {
		ready.Add(1)
		done.Go(func() {
			runtime.LockOSThread() // a thread that was there before the limits
			ready.Done()
			<-start
			after[i] = map[string]error{}
			for _, w := range all {
				after[i][w.what] = w.do()
			}
		})
	}
	ready.Wait()
	if _, err := limits(place, nil, r.init.Process.Pid).Prove(limitTries(place)); err != nil {
		return err
	}
	close(start)
	done.Wait()
	for _, w := range all {
		s := said{What: w.what, Before: word(before[w.what]), Control: !isRefusal(before[w.what]), Refused: true}
		for i := range crew {
			err := after[i][w.what]
			s.After = word(err)
			if !isRefusal(err) {
				s.Refused = false
				break
			}
		}
		report(s)
	}
	return r.work()
}

// onThread runs f on a thread that ends with it, whatever f does to it.
func onThread(f func() error) error {
	c := make(chan error)
	go func() {
		runtime.LockOSThread()
		c <- f()
	}()
	return <-c
}

// isRefusal: io_uring does not exist behind the filter, and a move between
// folders without the right to refer is EXDEV (landlock(7)).
func isRefusal(err error) bool {
	for _, e := range []error{unix.EPERM, unix.EACCES, unix.ENOSYS, unix.EXDEV} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// rogueState is what it opened while it could.
type rogueState struct {
	place    state.Sandbox
	book     *audit.Book
	policies *policies
	clerk    *clerk.Clerk
	answers  net.Listener // of the operator
	agents   net.Listener // in place of a capture socket
	init     *exec.Cmd    // stands for init
	stranger *exec.Cmd    // some other process of the operator
}

func newRogue(place state.Sandbox) (r *rogueState, err error) {
	if err := ownWorld(); err != nil {
		return nil, fmt.Errorf("make a world: %w", err)
	}
	r = &rogueState{place: place}
	if r.book, err = audit.Open(place.AuditDir(), place.Anchor()); err != nil {
		return nil, err
	}
	r.policies = &policies{networkFile: place.PolicyFile(), inferenceFile: place.InferenceFile(), files: onDisk{place.PolicyFile(), place.InferenceFile()}}
	if _, err := r.policies.loadNetwork(); err != nil {
		return nil, err
	}
	if r.clerk, err = clerk.Hire(place); err != nil {
		return nil, err
	}
	if err := r.clerk.Await(context.Background()); err != nil {
		return nil, err
	}
	r.policies.files = r.clerk
	if r.answers, err = control.Listen(place.ControlSocket()); err != nil {
		return nil, err
	}
	if r.agents, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	for _, c := range []**exec.Cmd{&r.init, &r.stranger} {
		*c = exec.Command("cat")
		if _, err := (*c).StdinPipe(); err != nil { // it ends with us
			return nil, err
		}
		if err := (*c).Start(); err != nil {
			return nil, err
		}
	}
	return r, serveNames()
}

// ownWorld puts the folder of the test over /etc and brings loopback up.
func ownWorld() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount(os.Getenv("ETC"), "/etc", "", unix.MS_BIND, ""); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
}

// serveNames answers every name with the address of whoever was asked.
func serveNames() error {
	for _, at := range []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(127, 0, 0, 2)} {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: at, Port: 53})
		if err != nil {
			return err
		}
		go func() {
			b := make([]byte, 1500)
			for {
				n, from, err := c.ReadFrom(b)
				if err != nil {
					return
				}
				if a, err := nameAnswer(b[:n], at); err == nil {
					_, _ = c.WriteTo(a, from)
				}
			}
		}()
	}
	return nil
}

func nameAnswer(question []byte, a net.IP) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil, err
	}
	m.Response, m.Additionals = true, nil
	if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, Type: q.Type},
			Body:   &dnsmessage.AResource{A: [4]byte(a.To4())},
		}}
	}
	return m.Pack()
}

// work is what a supervisor does all day.
func (r *rogueState) work() error {
	did := func(what string, err error) { report(said{What: what, Work: true, After: word(err)}) }
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()

	did("write the book", r.book.Sync(ctx, audit.Event{Kind: audit.Start}))
	did("read the book", audit.Read(r.place.AuditDir(), func(audit.Event) error { return nil }))
	did("begin a new file of the book", os.WriteFile(filepath.Join(r.place.AuditDir(), "000002.jsonl"), nil, 0o600))
	did("save the questions", state.WriteDurable(filepath.Join(r.place.RunDir(), "approvals.json"), []byte("{}"), 0o600))
	did("keep an answer in the policy", r.policies.keep(approval.Item{Question: approval.Question{Host: "always.example.com", Port: 443, Program: "/usr/bin/curl"}}, true, "me"))
	text, err := r.clerk.Network()
	if err == nil && r.policies.network.Load().Rules() != 1 {
		err = fmt.Errorf("the policy is %q", text)
	}
	did("read the edited policy", err)
	did("take a save of an editor", r.saved(ctx))
	did("have its key", keyIs(r.clerk, "mine", "value of mine"))
	if _, err := r.clerk.Key("theirs"); err == nil {
		err = errors.New("it has the key of another sandbox")
		did("have no other key", err)
	} else {
		did("have no other key", nil)
	}
	did("accept and dial", r.talk())
	did("look a name up", looksUp(ctx, "127.0.0.1"))
	report(said{What: doNames})
	did("look a name up after the network changed", looksUp(ctx, "127.0.0.2"))
	_, err = net.InterfaceAddrs()
	did("read the host's addresses", err)
	did("answer the operator", r.answerOperator(ctx))
	_, known := innerPID(os.Getpid())
	did("read a process's status", map[bool]error{true: errors.New("a process of this namespace is inside")}[known])
	did("end the sandbox", killed(r.init))
	did("close the book", r.book.Close())
	r.clerk.Dismiss()
	return nil // the stranger ends with its parent's namespace or its own time
}

func keyIs(c *clerk.Clerk, name, want string) error {
	v, err := c.Key(name)
	if err == nil && string(v) != want {
		err = fmt.Errorf("%q", v)
	}
	return err
}

// killed ends init as launch.Box does.
func killed(c *exec.Cmd) error {
	if err := unix.Kill(c.Process.Pid, unix.SIGKILL); err != nil {
		return err
	}
	_, err := c.Process.Wait()
	return err
}

func (r *rogueState) saved(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	seen := make(chan struct{}, 64)
	ended := make(chan error, 1)
	go func() { ended <- watchFolder(ctx, r.place.Dir(), func(string) { seen <- struct{}{} }) }()
	for {
		report(said{What: doSave})
		select {
		case <-seen:
		case err := <-ended:
			return err
		case <-time.After(100 * time.Millisecond): // the watch did not stand yet
			continue
		}
		if _, err := r.policies.loadNetwork(); err != nil {
			return err
		}
		if r.policies.network.Load().Rules() == 1 {
			return nil
		}
	}
}

func (r *rogueState) talk() error {
	go func() {
		c, err := r.agents.Accept()
		if err == nil {
			_, _ = c.Write([]byte("hi"))
			c.Close()
		}
	}()
	c, err := net.Dial("tcp", r.agents.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Read(make([]byte, 2))
	return err
}

// looksUp waits until names come from the server at want: the resolver looks
// at its configuration every five seconds.
func looksUp(ctx context.Context, want string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	r := net.Resolver{PreferGo: true}
	for tick := time.NewTicker(200 * time.Millisecond); ; {
		got, err := r.LookupNetIP(ctx, "ip4", "some.example.com.")
		if err == nil && got[0].String() == want {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%v %s", got, word(err))
		}
	}
}

// status is a sandbox that only says its name, once.
type status struct {
	control.Sandbox
	asked chan struct{}
}

func (s status) Status(context.Context) control.Status {
	close(s.asked)
	return control.Status{Name: "mine"}
}

func (r *rogueState) answerOperator(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	asked := make(chan struct{})
	served := make(chan error, 1)
	go func() { served <- control.Serve(ctx, r.answers, status{asked: asked}) }()
	report(said{What: doStatus})
	select {
	case <-asked:
	case err := <-served:
		return err
	}
	cancel() // a reply under way is finished
	return <-served
}
