package state

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
)

// TestMain lets a test start this same program as another keeper.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "hold-demo" {
		h, err := Find()
		if err == nil {
			_, err = h.Sandbox("demo").Lock()
		}
		fmt.Println("held", err)
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test lets go or kills us
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestLockIsHeldOnce(t *testing.T) {
	s := create(t, newHome(t), "demo")
	var all sync.WaitGroup
	var mu sync.Mutex
	var unlocks []func()
	for range 16 {
		all.Go(func() {
			unlock, err := s.Lock()
			var held *Held
			if err != nil && !errors.As(err, &held) {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				unlocks = append(unlocks, unlock)
			}
		})
	}
	all.Wait()
	if len(unlocks) != 1 {
		t.Fatalf("%d hold the lock", len(unlocks))
	}
	if pid, held := s.Holder(); pid != os.Getpid() || !held {
		t.Errorf("Holder = %d, %v", pid, held)
	}
	unlocks[0]()
	if pid, held := s.Holder(); pid != 0 || held {
		t.Errorf("after unlock: Holder = %d, %v", pid, held)
	}
}

func TestAKilledKeeperHoldsNothing(t *testing.T) {
	s := create(t, newHome(t), "demo")
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "hold-demo")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "held <nil>\n" {
		t.Fatalf("the other keeper: %q, %v", line, err)
	}
	var held *Held
	if _, err := s.Lock(); !errors.As(err, &held) || held.PID != cmd.Process.Pid {
		t.Errorf("Lock while another holds it: %v", err)
	}
	if pid, isHeld := s.Holder(); pid != cmd.Process.Pid || !isHeld {
		t.Errorf("Holder = %d, %v", pid, isHeld)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if pid, isHeld := s.Holder(); isHeld {
		t.Errorf("a dead process %d holds it", pid)
	}
	unlock, err := s.Lock()
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}
