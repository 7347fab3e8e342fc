package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nemoclaw/nemoclaw/internal/audit"
)

// fake is a sandbox that remembers what it was asked.
type fake struct {
	answered chan Answer
	by       chan string
	events   chan audit.Event
	ended    chan struct{} // closed when Events' ctx ended
	views    atomic.Int32
}

func newFake() *fake {
	return &fake{answered: make(chan Answer, 1), by: make(chan string, 1), events: make(chan audit.Event), ended: make(chan struct{})}
}

type hinted struct{}

func (hinted) Error() string { return `line 7: port 99999: not in 1–65535` }
func (hinted) Hint() string  { return "nemoclaw demo policy test" }

func (f *fake) Status(context.Context) Status { return Status{Name: "demo", State: Running} }
func (f *fake) Approvals(context.Context) ([]Approval, error) {
	return []Approval{{ID: "a1", Host: "example.com", Port: 443, State: "pending"}}, nil
}
func (f *fake) Answer(ctx context.Context, id string, a Answer) (Approval, error) {
	if id != "a 1/2" {
		return Approval{}, errors.New("approval " + id + ": no such question")
	}
	f.by <- By(ctx)
	f.answered <- a
	return Approval{ID: id, State: "once"}, nil
}
func (f *fake) ReloadPolicy(context.Context) (Reloaded, error) { return Reloaded{}, hinted{} }
func (f *fake) ReloadInference(context.Context) (Reloaded, error) {
	return Reloaded{Revision: "0123456789ab", Rules: 3}, nil
}
func (f *fake) Inference(context.Context) (InferencePolicy, error) {
	return InferencePolicy{Revision: "0123456789ab", Text: "log: full\n"}, nil
}
func (f *fake) Calls(context.Context) (<-chan Underway, error) {
	out := make(chan Underway, 1)
	out <- Underway{ID: 7, Answer: "\x1b[31m as far"}
	close(out)
	return out, nil
}
func (f *fake) Watched() func() {
	f.views.Add(1)
	return func() { f.views.Add(-1) }
}
func (f *fake) Verify(context.Context) (Verified, error) {
	return Verified{Tries: []Tried{{ID: "A1", Refused: true}}}, nil
}
func (f *fake) Stop(context.Context) error { return nil }
func (f *fake) Events(ctx context.Context) (<-chan audit.Event, error) {
	context.AfterFunc(ctx, func() { close(f.ended) })
	return f.events, nil
}
func (f *fake) Logs(_ context.Context, lines int, follow bool) (<-chan string, error) {
	all := []string{"one", "two\r", "\x1b[31m \"three\""}
	out := make(chan string, 3)
	for _, l := range all[3-min(lines, 3):] {
		out <- l
	}
	close(out)
	return out, nil
}
func (f *fake) SSH(_ context.Context, conn net.Conn) error {
	_, err := io.Copy(conn, conn)
	return err
}

// Exec hands what was written first back, beside an end of a pipe in which it
// is written too.
func (f *fake) Exec(_ context.Context, c *Carrier) error {
	first := make([]byte, 5)
	if _, err := io.ReadFull(c, first); err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	defer w.Close()
	if _, err := w.Write(first); err != nil {
		return err
	}
	return c.Hand(first, int(r.Fd()))
}

// serve runs a control socket for s and returns its path.
func serve(t *testing.T, s Sandbox) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "demo", "run", "control.sock")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	serveAt(t, path, s)
	return path
}

func serveAt(t *testing.T, path string, s Sandbox) {
	t.Helper()
	ln, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, ln, s) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is still there after Serve: %v", err)
		}
	})
}

func TestEveryRoute(t *testing.T) {
	f := newFake()
	c := Dial(serve(t, f))
	defer c.Close()
	ctx := t.Context()

	if got, err := c.Status(ctx); err != nil || got.Name != "demo" || got.State != Running {
		t.Errorf("Status = %+v, %v", got, err)
	}
	if got, err := c.Approvals(ctx); err != nil || len(got) != 1 || got[0].Host != "example.com" {
		t.Errorf("Approvals = %+v, %v", got, err)
	}
	word := Answer{Verdict: "allow", Scope: "for", Seconds: 3600}
	if got, err := c.Answer(ctx, "a 1/2", word); err != nil || got.State != "once" {
		t.Errorf("Answer = %+v, %v", got, err)
	}
	if got := <-f.answered; got != word {
		t.Errorf("the sandbox was answered %+v, want %+v", got, word)
	}
	if by := <-f.by; !strings.Contains(by, "uid ") {
		t.Errorf("By = %q, want the peer's uid", by)
	}
	if got, err := c.ReloadInference(ctx); err != nil || got.Rules != 3 {
		t.Errorf("ReloadInference = %+v, %v", got, err)
	}
	if got, err := c.Inference(ctx); err != nil || got.Text != "log: full\n" {
		t.Errorf("Inference = %+v, %v", got, err)
	}
	if err := c.Stop(ctx); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

func TestARefusalKeepsItsHint(t *testing.T) {
	c := Dial(serve(t, newFake()))
	_, err := c.ReloadPolicy(t.Context())
	var refused *Refusal
	if !errors.As(err, &refused) || refused.Status != http.StatusConflict {
		t.Fatalf("error %v, want a Refusal of 409", err)
	}
	if refused.Error() != (hinted{}).Error() || refused.Hint() != (hinted{}).Hint() {
		t.Errorf("got %q → %q", refused.Error(), refused.Hint())
	}
}

func TestOnlyAWrittenAllowOpens(t *testing.T) {
	c := Dial(serve(t, newFake()))
	for _, a := range []Answer{
		{}, {Verdict: "allow"}, {Verdict: "Allow", Scope: "once"}, {Verdict: "allow", Scope: "for"},
		{Verdict: "allow", Scope: "for", Seconds: -1}, {Verdict: "deny", Scope: "for", Seconds: 5},
		{Verdict: "allow", Scope: "once", Seconds: 5},
	} {
		if _, err := c.Answer(t.Context(), "a 1/2", a); err == nil {
			t.Errorf("answer %+v was taken", a)
		}
	}
}

func TestBadRequests(t *testing.T) {
	c := Dial(serve(t, newFake()))
	for _, row := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/v1/approvals/x", `{"verdict":"allow","scope":"once","extra":1}`, 400},
		{"POST", "/v1/approvals/x", `{"verdict":"allow","scope":"once"} {}`, 400},
		{"POST", "/v1/approvals/x", `"` + strings.Repeat("a", maxBody+1) + `"`, 400},
		{"POST", "/v1/approvals/x", `{"verdict":"allow","scope":"once"}`, 409}, // the control: well formed, no such question
		{"GET", "/v1/nothing", "", 404},
		{"GET", "/v1/stop", "", 404},
		{"GET", "/v1/logs?lines=-1", "", 400},
		{"POST", "/v1/ssh", "", 426},
	} {
		request, err := http.NewRequestWithContext(t.Context(), row.method, "http://sandbox"+row.path, strings.NewReader(row.body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := c.http.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var said Error
		err = json.NewDecoder(answer.Body).Decode(&said)
		_ = answer.Body.Close()
		if answer.StatusCode != row.status || err != nil || said.Message == "" {
			t.Errorf("%s %s: %d %+v %v, want %d and a reason", row.method, row.path, answer.StatusCode, said, err, row.status)
		}
	}
}

func TestEventsArriveOneByOne(t *testing.T) {
	f := newFake()
	c := Dial(serve(t, f))
	stream, err := c.Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for seq := range uint64(3) {
		want := audit.Event{Seq: seq, Why: "data: \n\n\x1b]52;c;aGk=\x07 \u2028 [ALLOW]"}
		f.events <- want // unbuffered: the next is sent only after this one was read
		got, err := stream.Next()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-f.ended:
	case <-time.After(5 * time.Second):
		t.Error("the sandbox was not told that the reader left")
	}
}

// A view counts as long as it is open; one that only reads events does not.
func TestViewsAreCounted(t *testing.T) {
	for _, c := range []struct {
		open func(*Client) (*Stream[audit.Event], error)
		want int32
	}{
		{func(c *Client) (*Stream[audit.Event], error) { return c.View(t.Context()) }, 1},
		{func(c *Client) (*Stream[audit.Event], error) { return c.Events(t.Context()) }, 0},
	} {
		f := newFake()
		stream, err := c.open(Dial(serve(t, f)))
		if err != nil {
			t.Fatal(err)
		}
		if n := f.views.Load(); n != c.want {
			t.Errorf("%d views, want %d", n, c.want)
		}
		if err := stream.Close(); err != nil {
			t.Error(err)
		}
		<-f.ended
		for deadline := time.Now().Add(5 * time.Second); f.views.Load() != 0; runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatal("a view that was closed still counts")
			}
		}
	}
}

func TestCalls(t *testing.T) {
	stream, err := Dial(serve(t, newFake())).Calls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if got, err := stream.Next(); err != nil || got.ID != 7 || got.Answer != "\x1b[31m as far" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := stream.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last: %v, want EOF", err)
	}
}

func TestLogs(t *testing.T) {
	c := Dial(serve(t, newFake()))
	stream, err := c.Logs(t.Context(), 2, false)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for _, want := range []string{"two\r", "\x1b[31m \"three\""} {
		if got, err := stream.Next(); err != nil || got != want {
			t.Errorf("Next = %q, %v, want %q", got, err, want)
		}
	}
	if _, err := stream.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last line: %v, want EOF", err)
	}
}

func TestSSHUpgradesToBytes(t *testing.T) {
	c := Dial(serve(t, newFake()))
	conn, err := c.SSH(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "SSH-2.0-x\r\n"); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	if line, err := in.ReadString('\n'); err != nil || line != "SSH-2.0-x\r\n" {
		t.Errorf("echoed %q, %v", line, err)
	}
	ended := make(chan error)
	go func() { _, err := in.ReadByte(); ended <- err }()
	conn.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("a read after the end: %v", err)
	}
}

func TestExecCarriesDescriptors(t *testing.T) {
	c := Dial(serve(t, newFake()))
	conn, err := c.Exec(t.Context(), []byte("first"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got := make([]byte, 5)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "first" {
		t.Errorf("%q, %v", got, err)
	}
	fds := conn.Take()
	if len(fds) != 1 {
		t.Fatalf("%d descriptors", len(fds))
	}
	f := os.NewFile(uintptr(fds[0]), "pipe")
	defer f.Close()
	if b, err := io.ReadAll(f); err != nil || string(b) != "first" {
		t.Errorf("through the pipe: %q, %v", b, err)
	}
}

// Over a connection that carries bytes alone, a command goes another way.
func TestExecFarAway(t *testing.T) {
	near := Dial(serve(t, newFake()))
	far := New("demo", func(ctx context.Context) (net.Conn, error) {
		conn, err := near.open(ctx)
		return struct{ net.Conn }{conn}, err
	})
	if _, err := far.Exec(t.Context(), []byte("first")); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
	conn, err := far.SSH(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestNotRunning(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo", "run")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "control.sock")
	check := func(what string) {
		t.Helper()
		_, err := Dial(path).Status(t.Context())
		var down *NotRunning
		if !errors.As(err, &down) || down.Hint() != "nemoclaw demo start" {
			t.Errorf("%s: error %v, want NotRunning with its hint", what, err)
		}
		if _, err := Dial(path).SSH(t.Context()); !errors.As(err, &down) {
			t.Errorf("%s: ssh: error %v, want NotRunning", what, err)
		}
	}
	check("no socket")
	leaveStale(t, path)
	check("a killed supervisor's socket")
}

// leaveStale leaves what a killed supervisor leaves: a socket file that nobody
// listens on.
func leaveStale(t *testing.T, path string) {
	t.Helper()
	ln, err := bind(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestListen(t *testing.T) {
	t.Run("mode 0600 under any umask", func(t *testing.T) {
		info, err := os.Stat(serve(t, newFake()))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v", info.Mode())
		}
	})
	t.Run("a stale socket is replaced", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		leaveStale(t, path)
		serveAt(t, path, newFake())
		if _, err := Dial(path).Status(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("a living one is not", func(t *testing.T) {
		path := serve(t, newFake())
		if ln, err := Listen(path); err == nil {
			_ = ln.Close()
			t.Fatal("two listeners on one socket")
		}
		if _, err := Dial(path).Status(t.Context()); err != nil {
			t.Errorf("the first one suffered: %v", err)
		}
	})
	t.Run("nothing else is removed", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		if ln, err := Listen(path); err == nil {
			_ = ln.Close()
			t.Fatal("listened over a file")
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != "precious" {
			t.Errorf("file is %q, %v", got, err)
		}
	})
	t.Run("a path longer than a socket address", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 40), "demo", "run")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "control.sock")
		serveAt(t, path, newFake())
		if _, err := Dial(path).Status(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// stopper ends Serve from within Stop, as a supervisor does.
type stopper struct {
	*fake
	end context.CancelFunc
}

func (s stopper) Stop(context.Context) error { s.end(); return nil }

func TestTheReplyToStopOutlivesServe(t *testing.T) {
	ln, err := Listen(filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, ln, stopper{newFake(), cancel}) }()
	if err := Dial(ln.Addr().String()).Stop(t.Context()); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestServeEndsStreamsAndUpgrades(t *testing.T) {
	f := newFake()
	ln, err := Listen(filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, ln, untilCancelled{f}) }()
	c := Dial(ln.Addr().String())
	if _, err := c.Events(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := c.SSH(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Serve did not end")
	}
}

// untilCancelled never ends an SSH connection by itself.
type untilCancelled struct{ *fake }

func (untilCancelled) SSH(ctx context.Context, _ net.Conn) error { <-ctx.Done(); return nil }
