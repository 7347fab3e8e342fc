package host

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// This program is also one that looks, and is killed where it tries Landlock.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "hang" {
		if _, err := MakeFolder(trialPrefix); err != nil {
			os.Exit(1)
		}
		os.Stdout.WriteString("made\n")
		select {}
	}
	os.Exit(m.Run())
}

// What a killed look left, the next one takes away; what one that lives has stays.
func TestKilledLook(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	c := exec.CommandContext(t.Context(), os.Args[0], "hang")
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if said, err := bufio.NewReader(out).ReadString('\n'); err != nil || strings.TrimSpace(said) != "made" {
		t.Fatalf("%q, %v", said, err)
	}
	for _, row := range []struct {
		when string
		left int
	}{{"it lives", 1}, {"it was killed", 0}} {
		Look()
		if all, err := os.ReadDir(os.TempDir()); err != nil || len(all) != row.left {
			t.Errorf("when %s there is left: %v, %v; want %d", row.when, all, err, row.left)
		}
		_ = c.Process.Kill() // the second time it is gone
		_ = c.Wait()
	}
}
