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
		dir := t.TempDir()
		fifo := filepath.Join(dir, "begun")
		if err := errors.Join(syscall.Mkfifo(fifo, 0), os.Chmod(fifo, 0o666)); err != nil {
			t.Fatal(err)
		}
		if err := k.start(ctx, o, policy.Closed(), dir); err != nil {
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
