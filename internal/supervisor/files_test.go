package supervisor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A save is seen when the file is whole: closed after writing, or renamed into
// place; never while an editor is in the middle of it.
func TestWatchFolder(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	seen := make(chan string, 16)
	done := make(chan error, 1)
	go func() { done <- watchFolder(ctx, dir, func(name string) { seen <- name }) }()

	next := func() string {
		t.Helper()
		select {
		case name := <-seen:
			return name
		case <-time.After(10 * time.Second):
			t.Fatal("no save was seen")
			return ""
		}
	}
	// The watch stands once a save is seen; until then saves are repeated.
	for stands := false; !stands; {
		write(t, filepath.Join(dir, "first"), "x")
		select {
		case <-seen:
			stands = true
		case <-time.After(10 * time.Millisecond):
		}
	}
	for len(seen) > 0 {
		<-seen
	}

	half, err := os.Create(filepath.Join(dir, "policy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(half, "egress: [")
	write(t, filepath.Join(dir, "other"), "x")
	if name := next(); name != "other" {
		t.Errorf("a half-written file was reported as %q", name)
	}
	half.Close()
	if name := next(); name != "policy.yaml" {
		t.Errorf("after it was closed: %q", name)
	}
	if err := os.Rename(filepath.Join(dir, "other"), filepath.Join(dir, "policy.yaml")); err != nil {
		t.Fatal(err)
	}
	if name := next(); name != "policy.yaml" {
		t.Errorf("after a rename: %q", name)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("the watch ended with %v", err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A reader of the log gets its last lines and what comes, each once.
func TestAgentLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.log")
	l, err := openAgentLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fmt.Fprint(l, "one\ntwo\nthr")
	ctx, cancel := context.WithCancel(t.Context())
	last, next := l.follow(ctx, 1)
	if !slices.Equal(last, []string{"two"}) {
		t.Errorf("the last line is %q", last)
	}
	fmt.Fprint(l, "ee\r\nfour\n")
	for _, want := range []string{"three", "four"} {
		if got := <-next; got != want {
			t.Errorf("next line %q; want %q", got, want)
		}
	}
	cancel()
	for range next { // closed by the end of ctx
	}
}

// Only we speak as ourselves.
func TestAgentCannotSpeakAsUs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.log")
	l, err := openAgentLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fmt.Fprint(l, "[nemoclaw] all is well\n \t[nemoclaw] allowed\nplain\n")
	l.Say("stopped: %s", "x\n[nemoclaw] allowed")
	want := []string{"agent: [nemoclaw] all is well", "agent:  \t[nemoclaw] allowed", "plain", "[nemoclaw] stopped: x", "  | [nemoclaw] allowed"}
	if got := lastLines(path, 9); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// An agent that prints for ever fills neither the disk nor the memory.
func TestAgentLogIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.log")
	l, err := openAgentLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	endless := strings.Repeat("x", 1<<20)
	for range 120 {
		fmt.Fprint(l, endless)
	}
	fmt.Fprint(l, "\nlast\n")
	var size int64
	for _, p := range []string{path, path + ".1"} {
		fi, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		size += fi.Size()
	}
	if size > 2*logLimit+2*maxLine {
		t.Errorf("120 MiB of output left %d bytes of log", size)
	}
	if last, _ := l.follow(t.Context(), 1); !slices.Equal(last, []string{"last"}) {
		t.Errorf("the last line is %q", last)
	}
	if cap(l.part) > 4<<20 {
		t.Errorf("%d bytes are kept of a line without an end", cap(l.part))
	}
}

// A broken file changes nothing; the last good policy stays and the problem is
// told until it is mended.
func TestBrokenPolicyStaysOut(t *testing.T) {
	dir := t.TempDir()
	p := &policies{networkFile: filepath.Join(dir, "network-policy.yaml"), inferenceFile: filepath.Join(dir, "inference.yaml")}
	p.files = onDisk{p.networkFile, p.inferenceFile}
	good := "egress:\n  - host: api.github.com\n    port: 443\n"
	write(t, p.networkFile, good)
	if changed, err := p.loadNetwork(); err != nil || !changed {
		t.Fatalf("a good file: changed %v, %v", changed, err)
	}
	was := p.network.Load()
	for _, bad := range []string{"", "egress:\n  - hots: x\n", "egress: [", "egress:\n  - host: \"*\"\n    port: 443\n"} {
		write(t, p.networkFile, bad)
		if changed, err := p.loadNetwork(); err == nil || changed || p.network.Load() != was || p.broken() == nil {
			t.Errorf("%q: changed %v, error %v", bad, changed, err)
		}
	}
	write(t, p.networkFile, good)
	if changed, err := p.loadNetwork(); err != nil || changed || p.broken() != nil {
		t.Errorf("the good file again: changed %v, %v, still broken: %v", changed, err, p.broken())
	}
}
