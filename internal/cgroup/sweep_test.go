package cgroup

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A group that a killed supervisor left behind goes with the next sweep; one that
// is held, before anything is in it too, and one that something is in stay.
func TestSweep(t *testing.T) {
	made := func(what string) *Group {
		g, err := Make("test-sweep-"+what+"-"+randomName(t), Limits{Pids: 4})
		if err != nil {
			t.Fatal(err)
		}
		if g.version == 0 {
			t.Skip("needs a writable control group: " + g.why)
		}
		t.Cleanup(g.Remove)
		return g
	}
	held, left, full := made("held"), made("left"), made("full")
	left.letGo() // as the end of its process does
	inside := exec.CommandContext(context.Background(), "/bin/sleep", "60")
	if err := inside.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inside.Process.Kill(); _ = inside.Wait() })
	if err := full.Add(inside.Process.Pid); err != nil {
		t.Fatal(err)
	}
	full.letGo()
	Sweep()
	for name, c := range map[string]struct {
		g     *Group
		there bool
	}{"held": {held, true}, "left": {left, false}, "full": {full, true}} {
		for _, d := range c.g.Dirs() {
			if _, err := os.Lstat(d); (err == nil) != c.there {
				t.Errorf("%s: %s: %v; want it there: %v", name, d, err, c.there)
			}
		}
	}
	again, err := Make(strings.TrimPrefix(left.name, prefix), Limits{Pids: 4})
	if err != nil || again.version == 0 {
		t.Errorf("made anew: %v, %s", err, again.why)
	}
	again.Remove()
}

// A sweep beside it takes nobody's group away.
func TestMakeBesideASweep(t *testing.T) {
	stop, done := make(chan struct{}), make(chan struct{})
	defer func() { close(stop); <-done }()
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				Sweep()
			}
		}
	}()
	name := "test-beside-" + randomName(t)
	for range 200 {
		g, err := Make(name, Limits{Pids: 4})
		if err != nil {
			t.Fatal(err)
		}
		if g.version == 0 {
			t.Skip("needs a writable control group: " + g.why)
		}
		for _, d := range g.Dirs() {
			if _, err := os.Lstat(d); err != nil {
				t.Fatal(err)
			}
		}
		g.Remove()
	}
}
