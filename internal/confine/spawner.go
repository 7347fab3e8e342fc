package confine

import (
	"errors"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/confine/wire"
)

// Spawn is the spawner: it forks every command of the sandbox. It starts
// behind all walls, and adds only limits. It ends with the wire on fd.
func Spawn(fd int) {
	call("nemoclaw-spawn")
	heedSignals()
	c := wire.New(fd)
	s, _, err := c.ReceiveSpec()
	if err != nil {
		os.Exit(1)
	}
	p := &spawner{up: c, env: s.Env, dir: s.Dir}
	if err := p.settle(s.Rlimits); err != nil {
		_ = c.Send(failed(0, err))
		os.Exit(1)
	}
	for {
		m, fds, err := c.Receive()
		if err != nil {
			os.Exit(0)
		}
		if m.Op == spec.OpRun && m.Command != nil {
			p.run(m.ID, *m.Command, fds)
		}
		closeAll(fds)
	}
}

// spawner forks commands.
type spawner struct {
	up  *wire.Conn
	env []string
	dir string
}

// settle sets the limits, which every command inherits, and hides this
// process: its memory and descriptors are no agent's business.
func (p *spawner) settle(limits []spec.Rlimit) error {
	for _, l := range limits {
		err := syscall.Setrlimit(l.Resource, &syscall.Rlimit{Cur: l.Soft, Max: l.Hard})
		if err != nil {
			return act("set", "limit", err)
		}
	}
	return act("hide", "spawner", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
}

// run starts one command and tells it. Its end is told later. program holds
// what is to be executed, where it is not looked up.
func (p *spawner) run(id uint64, c spec.Command, program []int) {
	pid, ours, err := p.start(c, program)
	if err != nil {
		p.tell(failed(id, err))
		return
	}
	p.tell(spec.Message{Op: spec.OpStarted, ID: id, PID: pid}, ours...)
	closeAll(ours)
	go p.await(id, pid)
}

func (p *spawner) await(id uint64, pid int) {
	var ws syscall.WaitStatus
	for {
		_, err := syscall.Wait4(pid, &ws, 0, nil)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	p.tell(exited(id, ws))
}

// tell answers PID 1; without it there is nothing left to do.
func (p *spawner) tell(m spec.Message, fds ...int) {
	if err := p.up.Send(m, fds...); err != nil {
		os.Exit(1)
	}
}

// place is where and as what a command runs.
type place struct {
	exe, dir string
	env      []string
}

func (p *spawner) place(c spec.Command, program ...int) (place, error) {
	if len(c.Argv) == 0 {
		return place{}, act("run", "command", syscall.EINVAL)
	}
	at := place{env: merged(p.env, c.Env), dir: c.Dir}
	if at.dir == "" {
		at.dir = p.dir
	}
	if len(program) > 0 {
		// Close-on-exec, like all that comes over the wire: it is opened before.
		at.exe = "/proc/self/fd/" + strconv.Itoa(program[0])
		return at, nil
	}
	var err error
	at.exe, err = find(c.Argv[0], at.env, at.dir)
	return at, act("find", c.Argv[0], err)
}

// start forks c in a session of its own, and returns our ends of its streams.
func (p *spawner) start(c spec.Command, program []int) (pid int, ours []int, err error) {
	at, err := p.place(c, program...)
	if err != nil {
		return 0, nil, err
	}
	st, err := openStreams(c)
	if err != nil {
		return 0, nil, act("open streams of", c.Argv[0], err)
	}
	defer closeAll(st.theirs)
	pid, err = syscall.ForkExec(at.exe, c.Argv, &syscall.ProcAttr{
		Dir: at.dir, Env: at.env,
		Files: st.files(),
		Sys:   &syscall.SysProcAttr{Setsid: true, Setctty: c.TTY, Ctty: 0},
	})
	if err != nil {
		closeAll(st.ours)
		return 0, nil, act("execute", c.Argv[0], err)
	}
	return pid, st.ours, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}
