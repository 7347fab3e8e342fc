package e2e

import (
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
)

// Whose command stands still since the disk is full is told why, and can leave: by a
// signal, by Ctrl-C on a terminal. Nothing of it goes on when there is room again,
// and what nobody ended does.
func TestLeavingWhatIsPaused(t *testing.T) {
	modelServer(t)
	h := newHome(t)
	before := h.census()
	b := h.shell("box", article)
	b.limits(map[string]string{"disk_bytes": "33554432"})
	// Each would ignore a signal that reached it, but for the plain one.
	stubborn := func(seconds string) *running {
		return b.start("bash", "-c", `trap "" INT TERM; echo on; while sleep 0.1; do :; done; exec sleep `+seconds)
	}
	term, interrupt, stays := stubborn("1001"), stubborn("1002"), b.start("bash", "-c", "echo on; read -r; echo went on")
	for _, r := range []*running{term, interrupt, stays} {
		b.sees(r, "on\n")
	}
	c := b.command(t.Context(), nil, "box", "connect")
	terminal, err := pty.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	screen := newSaid()
	go func() { _, _ = screen.readAll(terminal) }() // its end is an error: the pty is gone
	see := func(word string) {
		t.Helper()
		if !screen.await(word, patience) {
			t.Fatalf("no %q on the screen: %q", word, screen)
		}
	}
	see("sandbox@box:~$ ")
	b.prints("", "fallocate -l 20M /sandbox/a")
	filler := b.start("fallocate", "-l", "20M", "/sandbox/b") // which may be paused, too
	const why = "paused: /sandbox holds "
	b.await("the pause", func() bool { return strings.Contains(b.nemoclaw("box", "status").out, why) })
	see(why)
	for r, s := range map[*running]syscall.Signal{term: syscall.SIGTERM, interrupt: syscall.SIGINT} {
		if err := r.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if e := b.end(r); e.code != 128+9 || strings.Count(e.err, why) != 1 || !strings.Contains(e.err, "remove something") {
			t.Errorf("%s: %s", s, e)
		}
	}
	if _, err := terminal.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); c.ProcessState.ExitCode() != 128+9 {
		t.Errorf("%v; the screen: %q", err, screen)
	}
	b.prints("", "rm /sandbox/a")
	b.await("room", func() bool { return b.status().Healthy })
	b.end(filler)
	b.prints("", "pgrep -af '[s]leep 0|bash -l$' || true")
	if _, err := stays.in.Write([]byte("go\n")); err != nil {
		t.Fatal(err)
	}
	b.sees(stays, "went on")
	b.end(stays)
	b.do("destroy", "--yes")
	h.gone(before)
}
