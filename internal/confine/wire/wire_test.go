package wire

import (
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

func ends(t *testing.T) (a, b *Conn) {
	t.Helper()
	x, y, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	a, b = New(x), New(y)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func TestPacketsAndDescriptors(t *testing.T) {
	a, b := ends(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sent := spec.Message{Op: spec.OpStarted, ID: 7, PID: 9}
	if err := a.Send(sent, int(w.Fd())); err != nil {
		t.Fatal(err)
	}
	w.Close()
	got, fds, err := b.Receive()
	if err != nil || !reflect.DeepEqual(got, sent) || len(fds) != 1 {
		t.Fatalf("%+v, %v, %v", got, fds, err)
	}
	if flags, err := unix.FcntlInt(uintptr(fds[0]), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("the descriptor would leak into a child: %v, %v", flags, err)
	}
	if _, err := unix.Write(fds[0], []byte("through")); err != nil {
		t.Fatal(err)
	}
	unix.Close(fds[0])
	if text, err := io.ReadAll(r); string(text) != "through" || err != nil {
		t.Errorf("%q, %v", text, err)
	}

	a.Close()
	if _, _, err := b.Receive(); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
}

func TestCloseEndsReceive(t *testing.T) {
	a, _ := ends(t)
	ended := make(chan error)
	go func() {
		_, _, err := a.Receive()
		ended <- err
	}()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != io.EOF {
		t.Errorf("%v", err)
	}
	if err := a.Send(spec.Message{Op: spec.OpRun}); err == nil {
		t.Error("sent on a closed wire")
	}
	if err := a.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}

// End gives what has come before, and wakes who sends into a full queue.
func TestEnd(t *testing.T) {
	a, b := ends(t)
	if err := b.Send(spec.Message{Op: spec.OpExited, ID: 7}); err != nil {
		t.Fatal(err)
	}
	sent, full := make(chan error, 1), make(chan struct{})
	go func() {
		var err error
		for n := 0; err == nil; n++ {
			if n == 10 { // it has begun, and has no other end than this
				close(full)
			}
			err = a.Send(spec.Message{Op: spec.OpRun})
		}
		sent <- err
	}()
	<-full
	a.End()
	if err := <-sent; err == nil {
		t.Error("sent after the end")
	}
	if m, _, err := a.Receive(); err != nil || m.ID != 7 {
		t.Errorf("before the end: %+v, %v", m, err)
	}
	if _, _, err := a.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestLargeMessage(t *testing.T) {
	a, b := ends(t)
	m := spec.Message{Op: spec.OpRun, Command: &spec.Command{Argv: []string{strings.Repeat("x", 1<<20)}}}
	if err := a.Send(m); err != nil {
		t.Fatal(err)
	}
	got, fds, err := b.Receive()
	if err != nil || !reflect.DeepEqual(got, m) || len(fds) != 0 {
		t.Errorf("%d descriptors, %v", len(fds), err)
	}
	s := spec.Spec{Version: spec.Version, Name: "n", Env: []string{strings.Repeat("y", 1<<20)}}
	if err := a.SendSpec(s); err != nil {
		t.Fatal(err)
	}
	back, _, err := b.ReceiveSpec()
	if err != nil || !reflect.DeepEqual(back, s) {
		t.Errorf("%v", err)
	}
}

// What a hostile other side may do gets an error, and no descriptor stays.
func TestHostilePackets(t *testing.T) {
	unsealed, err := unix.MemfdCreate("x", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(unsealed)
	run := packed(spec.Message{Op: spec.OpRun})
	for name, c := range map[string]struct {
		packet string
		fds    []int
	}{
		"one byte less":  {run[:len(run)-1], nil},
		"two messages":   {run + run, nil},
		"no message":     {"\xff", []int{unsealed}},
		"cut":            {packed(spec.Message{Op: spec.OpRun, Error: strings.Repeat("x", maxPacket)}), nil},
		"large, no file": {packed(spec.Message{Op: opLarge}), nil},
		"unsealed file":  {packed(spec.Message{Op: opLarge}), []int{unsealed}},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := ends(t)
			before := open(t)
			if err := a.send([]byte(c.packet), c.fds); err != nil {
				t.Fatal(err)
			}
			if m, fds, err := b.Receive(); err == nil || errors.Is(err, io.EOF) {
				t.Errorf("took %+v, %v, %v", m, fds, err)
			}
			if after := open(t); after != before {
				t.Errorf("%d descriptors: want %d", after, before)
			}
		})
	}
}

func packed(m spec.Message) string { return string(spec.EncodeMessage(m)) }

func open(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}
