package internet

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The names by which the test binary knows which of its three runs this is.
const (
	keeperDoor = "internet-keeper"
	testsDoor  = "internet-tests"
)

// Runner is what *testing.M is.
type Runner interface{ Run() int }

// M runs M.M's tests inside a world.
type M struct{ M Runner }

// Main runs the tests of m inside a world and exits with their code.
func Main(m Runner) { os.Exit(M{m}.Run()) }

// Run is the code with which the tests ended.
func (m M) Run() int {
	switch os.Args[0] {
	case keeperDoor:
		restoreName()
		return keep()
	case insideDoor:
		return inside()
	case testsDoor:
		restoreName()
		if err := enter(); err != nil {
			return fail(err)
		}
		return m.M.Run()
	}
	if fuzzing() {
		absent = fmt.Errorf("needs a run without -test.fuzz: fuzz workers start themselves")
		return m.M.Run()
	}
	return outside(m.M)
}

// outside makes the namespaces, runs the keeper in them and waits. Where they
// cannot be made the tests run here, and Use skips.
func outside(m Runner) int {
	// Pdeathsig fires when the starting thread ends, so this one stays.
	runtime.LockOSThread()
	dir, err := os.MkdirTemp("", "internet-")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	keeper := keeperCommand(dir)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT)
	if err := keeper.Start(); err != nil {
		signal.Stop(signals)
		absent = fmt.Errorf("needs new namespaces: %w", err)
		return m.Run()
	}
	go func() {
		for s := range signals {
			keeper.Process.Signal(s)
		}
	}()
	keeper.Wait()
	return keeper.ProcessState.ExitCode()
}

func keeperCommand(dir string) *exec.Cmd {
	c := exec.Command("/proc/self/exe")
	c.Args = append([]string{keeperDoor}, os.Args[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(withoutProxies(os.Environ()), "SSL_CERT_FILE="+dir+"/bundle.pem", "NODE_EXTRA_CA_CERTS="+dir+"/ca.pem")
	c.ExtraFiles = []*os.File{folder(dir)}
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWIPC,
		Pdeathsig:  unix.SIGKILL,
	}
	if os.Getuid() == 0 {
		return c
	}
	// The caller stays who he is: a single-identity map lets programs in the
	// world nest user namespaces of their own, exactly as on the machine.
	c.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
	c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
	c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	c.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE, unix.CAP_DAC_OVERRIDE}
	return c
}

// folder opens dir, which crosses as descriptor 3.
func folder(dir string) *os.File {
	f, err := os.Open(dir)
	if err != nil {
		panic(err) // it was made a moment ago by this process
	}
	return f
}

// withoutProxies drops the variables that would lead programs past the world.
func withoutProxies(env []string) []string {
	var kept []string
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if !strings.HasSuffix(strings.ToLower(name), "_proxy") {
			kept = append(kept, e)
		}
	}
	return kept
}

// restoreName gives os.Args[0] back what tests expect there.
func restoreName() {
	if exe, err := os.Executable(); err == nil {
		os.Args[0] = exe
	}
}

func fuzzing() bool {
	for _, a := range os.Args[1:] {
		if strings.HasPrefix(strings.TrimLeft(a, "-"), "test.fuzz=") || strings.HasPrefix(strings.TrimLeft(a, "-"), "test.fuzzworker") {
			return true
		}
	}
	return false
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "internet:", err)
	return 1
}
