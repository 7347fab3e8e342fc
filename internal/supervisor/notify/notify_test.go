package notify

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/child"
)

// This program is also the process that notifies.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == Word {
		place := state.Home{Dir: os.Getenv("NEMOCLAW_HOME")}.Sandbox(state.Name(os.Args[2]))
		if err := Serve(os.NewFile(child.Descriptor, "supervisor"), place, Usual()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// ground is a sandbox whose notify is argv.
func ground(t *testing.T, argv ...string) state.Sandbox {
	t.Helper()
	place := state.Home{Dir: filepath.Join(t.TempDir(), "state")}.Sandbox("box")
	if err := place.Create(state.Settings{Agent: "none", Driver: "native", Notify: argv}); err != nil {
		t.Fatal(err)
	}
	return place
}

var curl = Question{ID: "a4f2", Host: "suspicious-host.com", Port: 443, Program: "/usr/bin/curl", Time: time.Date(2026, 11, 27, 11, 42, 3, 0, time.UTC)}

// started is a notifier that serves until the test ends.
func started(t *testing.T, place state.Sandbox, wants func(string) bool) *Notifier {
	t.Helper()
	n, err := Start(place, wants)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { n.Serve(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done; n.Dismiss() })
	return n
}

// pipe is a named pipe and what comes out of it, a line at a time.
func pipe(t *testing.T) (path string, lines *bufio.Reader) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "heard")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0) // both ends, so that a reader never sees an end
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return path, bufio.NewReader(f)
}

func line(t *testing.T, from *bufio.Reader) string {
	t.Helper()
	l, err := from.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A real command of the operator's is told the question, and by which words it
// is answered; of what need not be told nothing is.
func TestNotifier(t *testing.T) {
	heard, lines := pipe(t)
	n := started(t, ground(t, "/bin/sh", "-c", `cat > "$0"; echo "$1" > "$0"`, heard, "and an argument"),
		func(id string) bool { return id != "x9x9" })
	n.Tell(Question{ID: "x9x9", Host: "answered.example", Port: 443})
	n.Tell(curl)
	first, second := line(t, lines), line(t, lines)
	var got map[string]any
	if err := json.Unmarshal([]byte(first), &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"sandbox": "box", "id": "a4f2", "host": "suspicious-host.com", "port": 443.0, "program": "/usr/bin/curl",
		"time": "2026-11-27T11:42:03Z", "allow": "nemoclaw box approvals allow a4f2", "deny": "nemoclaw box approvals deny a4f2",
	} {
		if got[key] != want {
			t.Errorf("%s: %v, want %v", key, got[key], want)
		}
	}
	if second != "and an argument\n" || strings.Contains(first, "answered") {
		t.Errorf("%q, %q", first, second)
	}
	if why := n.Failed(); why != "" {
		t.Error(why)
	}
}

func TestNotifierThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		argv []string
		want string
	}{
		"it ends badly": {[]string{"/bin/sh", "-c", `printf 'no\033[2J route' >&2; exit 3`}, `exit status 3 no\x1b[2J route`},
		"it is missing": {[]string{"/nonexistent/alert"}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			r := runner{argv: c.argv, sandbox: "box", pace: Usual()}
			if got := r.run(t.Context(), curl); !strings.Contains(got.Error, c.want) {
				t.Errorf("%q, want %q", got.Error, c.want)
			}
		})
	}
}

func TestCommand(t *testing.T) {
	for _, argv := range [][]string{{"alert"}, {"./alert"}, {""}} {
		if _, err := Command(state.Settings{Name: "box", Notify: argv}); err == nil {
			t.Errorf("%q is taken", argv)
		}
	}
	if argv, err := Command(state.Settings{Notify: []string{"/bin/alert", "x"}}); err != nil || len(argv) != 2 {
		t.Errorf("%q, %v", argv, err)
	}
}

// TestNotifierIsNotHurried: whatever a supervisor sends, the command runs a few
// times and then at its pace, and one that hangs is ended with all it started.
func TestNotifierIsNotHurried(t *testing.T) {
	heard := filepath.Join(t.TempDir(), "heard")
	pace := Pace{Burst: 2, Every: 400 * time.Millisecond, Timeout: 30 * time.Second}
	near, far := net.Pipe()
	r := runner{argv: []string{"/bin/sh", "-c", `cat >> "$0"`, heard}, sandbox: "box", pace: pace}
	end := make(chan error, 1)
	go func() { end <- r.serve(far) }()
	began := time.Now()
	in, out := json.NewDecoder(near), json.NewEncoder(near)
	for i := range 4 {
		if err := out.Encode(curl); err != nil {
			t.Fatal(err)
		}
		var a outcome
		if err := in.Decode(&a); err != nil || a.Error != "" {
			t.Fatalf("run %d: %+v, %v", i, a, err)
		}
	}
	if took := time.Since(began); took < 2*pace.Every {
		t.Errorf("4 runs in %s: 2 are free, and then one each %s", took, pace.Every)
	}
	near.Close()
	<-end
}

func TestNotifierEndsWhatHangs(t *testing.T) {
	told, lines := pipe(t)
	ended := make(chan outcome, 1)
	go func() {
		r := runner{argv: []string{"/bin/sh", "-c", `sleep 1000 & echo $! > "$0"; wait`, told}, sandbox: "box",
			pace: Pace{Burst: 1, Every: time.Hour, Timeout: 500 * time.Millisecond}}
		ended <- r.run(t.Context(), curl)
	}()
	pid, err := strconv.Atoi(strings.TrimSpace(line(t, lines)))
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if got := <-ended; !strings.Contains(got.Error, "longer than") {
		t.Errorf("%+v", got)
	}
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10_000); n != 1 || err != nil {
		t.Errorf("what it started lives: %d, %v", n, err)
	}
}

// What came while the command ran is one run, which says how many more wait.
func TestFloodIsOneRun(t *testing.T) {
	var answered atomic.Bool
	n := &Notifier{wants: func(id string) bool { return !answered.Load() }, told: make(chan struct{}, 1)}
	for range 100_000 {
		n.Tell(curl)
	}
	if q, any := n.next(); !any || q.More != most-1 {
		t.Errorf("%+v", q)
	}
	if _, any := n.next(); any {
		t.Error("told of twice")
	}
	n.Tell(curl)
	answered.Store(true)
	if _, any := n.next(); any {
		t.Error("told of what was answered")
	}
}

// FuzzQuestion: whatever a supervisor that was taken over sends, the command is
// told one line of JSON with nothing in it that acts on a terminal, or nothing.
func FuzzQuestion(f *testing.F) {
	f.Add(`{"id":"a4f2","host":"a.example","port":443,"program":"/usr/bin/curl","time":"2026-11-27T11:42:03Z"}`)
	f.Add(`{"id":"a4f2; rm -rf /","host":"a","port":443}`)
	f.Add(`{"id":"a4f2","host":"\u001b[2J\n\u202e","port":1,"program":"\u0000","notice":"\u001b]52;c;x\u0007"}`)
	f.Add(`{"id":"a4f2","host":"a","port":1,"more":-1}`)
	f.Fuzz(func(t *testing.T, text string) {
		var q Question
		if decoder(strings.NewReader(text))(&q) != nil {
			return
		}
		line, err := q.words("box")
		if err != nil {
			return
		}
		if n := bytes.Count(line, []byte("\n")); n != 1 || line[len(line)-1] != '\n' || len(line) > longest {
			t.Fatalf("%d lines, %d bytes", n, len(line))
		}
		var got told
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{got.Host, got.Program, got.Address, got.Notice, got.Allow, got.Deny, got.ID} {
			if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) }) {
				t.Errorf("%q", s)
			}
		}
		if strings.ContainsFunc(got.Allow, func(r rune) bool { return r != ' ' && r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
			t.Errorf("a command that is more than one: %q", got.Allow)
		}
	})
}
