package supervisor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/throwaway"
)

// What a command is refused is told, however early it tries: also where whoever
// is to hear it has no processor meanwhile.
func TestOnceTellsWhatIsRefusedAtOnce(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var done atomic.Bool
	defer done.Store(true)
	go func() {
		for !done.Load() { // in the way of all others
		}
	}()
	for range 10 {
		var told []string
		_, err := RunOnce(t.Context(), Once{
			Command: []string{"bash", "-c", "exec 2>/dev/null; : >/dev/udp/192.0.2.1/9; echo x >/dev/udp/192.0.2.1/9"},
			Refused: func(all []audit.Event) {
				for _, e := range all {
					told = append(told, e.Target)
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.Join(told, " "), "192.0.2.1:9") {
			t.Fatalf("told of %q", told)
		}
	}
}

// A signal that comes as the command begins ends it, or is the command's: it is
// never lost, and nothing goes on without the gate.
func TestOnceHeedsASignalAsItBegins(t *testing.T) {
	for range 8 {
		signals := make(chan os.Signal, 1)
		k := &once{refused: map[refusal]*counted{}}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		k.stop = stop
		begun, err := BeginOnce()
		if err != nil {
			t.Fatal(err)
		}
		defer begun.Close()
		o := Once{Command: []string{"sh", "-c", "echo >begun; exec sleep 1000"}, Begun: begun}
		if k.place, err = o.place(); err != nil {
			t.Fatal(err)
		}
		defer k.place.Remove(os.RemoveAll)
		fifo := filepath.Join(k.place.Workspace(), "begun")
		if err := errors.Join(syscall.Mkfifo(fifo, 0), os.Chmod(fifo, 0o666)); err != nil {
			t.Fatal(err)
		}
		if err := k.start(ctx, o, policy.Closed()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.ReadFile(fifo); err != nil { // it has begun, and we do not know yet
			t.Fatal(err)
		}
		go k.passSignals(ctx, signals)
		signals <- syscall.SIGTERM
		<-ctx.Done()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = k.run(ctx, o)
			k.end(o)
		}()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = k.box.Kill()
			t.Fatal("the signal was lost")
		}
	}
}

// A run that lasts takes away what one that was killed has left, and leaves
// nothing itself, whatever its command has closed.
func TestOnceSweeps(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dead := filepath.Join(os.TempDir(), "nemoclaw-run.1234")
	if err := os.MkdirAll(filepath.Join(dead, "sandbox"), 0o700); err != nil {
		t.Fatal(err)
	}
	signals := make(chan os.Signal, 1)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := os.Lstat(dead); errors.Is(err, os.ErrNotExist) || t.Context().Err() != nil {
				signals <- syscall.SIGTERM
				return
			}
		}
	}()
	code, err := RunOnce(t.Context(), Once{
		Command: []string{"sh", "-c", "mkdir -p d/e && >d/e/f && chmod 0 d/e d && exec sleep 20"}, Signals: signals,
	})
	if err != nil || code != 128+int(syscall.SIGTERM) {
		t.Errorf("code %d, %v: it was not swept within 20 s", code, err)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// A sandbox that was begun before anything was known of what it is to be has no
// policy, mount or base: it is not taken for one that has.
func TestOnceAheadIsPlain(t *testing.T) {
	for what, o := range map[string]Once{
		"policy": {PolicyFile: "policy.yaml"},
		"mount":  {Mounts: []state.Mount{{Host: "/opt", Sandbox: "/sandbox/opt"}}},
		"base":   {Base: "/base"},
		"":       {},
	} {
		t.Setenv("TMPDIR", t.TempDir())
		begun, err := BeginOnce()
		if err != nil {
			t.Fatal(err)
		}
		o.Command, o.Ahead = []string{"true"}, throwaway.Begin(begun)
		if _, err := RunOnce(t.Context(), o); errors.Is(err, errAhead) != (what != "") || what == "" && err != nil {
			t.Errorf("with a %s: %v", what, err)
		}
		if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
			t.Errorf("with a %s: left %v, %v", what, left, err)
		}
	}
}
