package native_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/driver"
	"github.com/nemoclaw/nemoclaw/internal/driver/native"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// The driver starts the program that it is part of. In this test that is the
// test itself, which then keeps a sandbox without walls: real locks, pipes,
// sockets and signals, nothing inside. The sandbox's name says how it behaves.
func TestMain(m *testing.M) {
	if os.Args[0] == "nemoclaw" {
		os.Exit(supervise(os.Args[2], os.Args[4]))
	}
	os.Exit(m.Run())
}

func supervise(name, fd string) int {
	n, _ := strconv.Atoi(fd)
	report, err := native.OpenReport(n)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	home, _ := state.Find()
	s := home.Sandbox(state.Name(name))
	unlock, err := s.Lock()
	if err != nil {
		report.Fail(err)
		return 1
	}
	defer unlock()
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	report.Tell("building the walls")
	switch name {
	case "silent":
		fmt.Fprintln(os.Stderr, "out of luck")
		return 1
	case "refused":
		report.Fail(&state.Edited{Name: "refused"})
		return 1
	case "slow":
		<-ended.Done()
		return 0
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		report.Ready()
		select {}
	}
	l, err := control.Listen(s.ControlSocket())
	if err != nil {
		report.Fail(err)
		return 1
	}
	report.Ready()
	ctx, cancel := context.WithCancel(ended)
	defer cancel()
	_ = control.Serve(ctx, l, keeper{name, cancel})
	return 0
}

// keeper is a supervisor with nothing inside.
type keeper struct {
	name string
	end  func()
}

func (k keeper) Status(context.Context) control.Status {
	return control.Status{Name: k.name, State: control.Running, Healthy: true, SupervisorPID: os.Getpid()}
}
func (k keeper) Calls(context.Context) (<-chan control.Underway, error) { return nil, nil }
func (k keeper) Watched() func()                                        { return func() {} }
func (k keeper) Verify(context.Context) (v control.Verified, _ error)   { return v, nil }
func (k keeper) Stop(context.Context) error                             { k.end(); return nil }
func (k keeper) Approvals(context.Context) ([]control.Approval, error)  { return nil, nil }
func (k keeper) ReloadPolicy(context.Context) (control.Reloaded, error) {
	return control.Reloaded{}, nil
}
func (k keeper) ReloadInference(context.Context) (control.Reloaded, error) {
	return control.Reloaded{}, nil
}
func (k keeper) Inference(context.Context) (control.InferencePolicy, error) {
	return control.InferencePolicy{}, nil
}
func (k keeper) Events(context.Context) (<-chan audit.Event, error)     { return nil, nil }
func (k keeper) Logs(context.Context, int, bool) (<-chan string, error) { return nil, nil }
func (k keeper) SSH(context.Context, net.Conn) error                    { return nil }
func (k keeper) Exec(context.Context, *control.Carrier) error           { return nil }
func (k keeper) Answer(context.Context, string, control.Answer) (control.Approval, error) {
	return control.Approval{}, nil
}

func made(t *testing.T, name string) (native.Driver, state.Sandbox) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "home")
	t.Setenv("NEMOCLAW_HOME", dir)
	home, err := state.Find()
	if err != nil {
		t.Fatal(err)
	}
	s := home.Sandbox(state.Name(name))
	d := native.Driver{}
	if err := d.Create(t.Context(), s, state.Settings{Agent: "none"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(context.Background(), s, false); err != nil && !errors.As(err, new(*state.NotFound)) {
			t.Error(err)
		}
	})
	return d, s
}

func TestStart(t *testing.T) {
	d, s := made(t, "well")
	var told []string
	if err := d.Start(t.Context(), s, func(l string) { told = append(told, l) }); err != nil {
		t.Fatal(err)
	}
	if len(told) != 1 || told[0] != "building the walls" {
		t.Errorf("told %q", told)
	}
	st, err := d.Status(t.Context(), s)
	if err != nil || st.State != control.Running || !s.Wanted() {
		t.Fatalf("status %+v, %v, wanted %t", st, err, s.Wanted())
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", st.SupervisorPID))
	if err != nil || !strings.HasPrefix(string(line), "nemoclaw\x00supervisor\x00well\x00") {
		t.Errorf("its command line is %q, %v", line, err)
	}
	if err := d.Start(t.Context(), s, nil); err != nil {
		t.Errorf("starting what runs: %v", err)
	}
	if again, _ := d.Status(t.Context(), s); again.SupervisorPID != st.SupervisorPID {
		t.Error("a second supervisor was started")
	}
	if err := d.Remove(t.Context(), s); err != nil || s.Exists() {
		t.Errorf("remove: %v, still there: %t", err, s.Exists())
	}
	if _, held := s.Holder(); held {
		t.Error("the supervisor outlives its sandbox")
	}
	if _, err := d.Status(t.Context(), s); !errors.As(err, new(*state.NotFound)) {
		t.Errorf("status of a removed sandbox: %v", err)
	}
}

// A start that fails leaves nothing running, and says why.
func TestStartFails(t *testing.T) {
	for name, want := range map[string]string{
		"refused": "sandbox.yaml was edited",
		"silent":  "out of luck",
	} {
		t.Run(name, func(t *testing.T) {
			d, s := made(t, name)
			err := d.Start(t.Context(), s, func(string) {})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("error %v, want one with %q", err, want)
			}
			if h := (interface {
				error
				Hint() string
			})(nil); !errors.As(err, &h) || h.Hint() == "" {
				t.Errorf("no hint with %v", err)
			}
			if _, held := s.Holder(); held || s.Wanted() {
				t.Error("something is left")
			}
		})
	}
}

func TestStartInterrupted(t *testing.T) {
	d, s := made(t, "slow")
	ctx, cancel := context.WithCancel(t.Context())
	err := d.Start(ctx, s, func(string) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	if _, held := s.Holder(); held || s.Wanted() {
		t.Error("something is left")
	}
}

func TestEditedDoesNotStart(t *testing.T) {
	d, s := made(t, "well")
	f, err := os.OpenFile(s.Settings(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("# a word\n")
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if err := d.Start(t.Context(), s, nil); !errors.As(err, new(*state.Edited)) {
		t.Fatalf("error %v", err)
	}
	st, err := d.Status(t.Context(), s)
	if err != nil || st.State != control.Failed || st.Why == "" {
		t.Errorf("status %+v, %v", st, err)
	}
}

func TestStop(t *testing.T) {
	for _, name := range []string{"well", "deaf"} {
		t.Run(name, func(t *testing.T) {
			if name == "deaf" && testing.Short() {
				t.Skip("needs twelve seconds of patience")
			}
			d, s := made(t, name)
			if err := d.Start(t.Context(), s, func(string) {}); err != nil {
				t.Fatal(err)
			}
			if err := d.Stop(t.Context(), s, true); err != nil {
				t.Fatal(err)
			}
			if _, held := s.Holder(); held || !s.Wanted() {
				t.Errorf("held %t, wanted %t", held, s.Wanted())
			}
			if _, err := d.Dial(t.Context(), s); !errors.As(err, new(*driver.NotRunning)) {
				t.Errorf("dial after stop: %v", err)
			}
			if err := d.Stop(t.Context(), s, false); err != nil || s.Wanted() {
				t.Errorf("stopping what is stopped: %v", err)
			}
		})
	}
}

// A supervisor that died is told apart from one that was stopped.
func TestStatusOfTheDead(t *testing.T) {
	d, s := made(t, "well")
	if st, err := d.Status(t.Context(), s); err != nil || st.State != control.Stopped {
		t.Fatalf("before the first start: %+v, %v", st, err)
	}
	if err := d.Start(t.Context(), s, func(string) {}); err != nil {
		t.Fatal(err)
	}
	pid, _ := s.Holder()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for _, held := s.Holder(); held && time.Now().Before(deadline); _, held = s.Holder() {
	}
	if st, err := d.Status(t.Context(), s); err != nil || st.State != control.Failed {
		t.Errorf("killed: %+v, %v", st, err)
	}
}
