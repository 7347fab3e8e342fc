package e2e

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
)

func ownerOf(f os.FileInfo) uint32 { return f.Sys().(*syscall.Stat_t).Uid }

func TestConnectIsAShellInside(t *testing.T) {
	b := newShell(t, article)
	c := b.command(t.Context(), nil, "box", "connect")
	terminal, err := pty.StartWithSize(c, &pty.Winsize{Rows: 40, Cols: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	screen := newSaid()
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = screen.readAll(terminal) // its end is an error: the pty is gone
	}()
	see := func(word string) {
		t.Helper()
		if !screen.await(word, patience) {
			t.Fatalf("no %q on the screen: %q", word, screen)
		}
	}
	see("sandbox@box:~$ ")
	if _, err := terminal.WriteString("stty size; tty; cd /tmp; echo \"pid $$\"\n"); err != nil {
		t.Fatal(err)
	}
	see("40 100")
	see("/dev/pts/")
	see("sandbox@box:/tmp$ ")
	if _, err := terminal.WriteString("exit 5\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); c.ProcessState.ExitCode() != 5 {
		t.Errorf("%v; the screen: %q", err, screen)
	}
	<-read
	b.refuses(2, []string{"must be a terminal"}, "box", "connect")
	if strings.Contains(screen.String(), "error:") {
		t.Errorf("%q", screen)
	}
}
