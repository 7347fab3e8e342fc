package limit

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// This program also limits itself, beneath the folder of its argument.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "limited" {
		if err := limited(os.Args[2]); err != nil {
			println(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func limited(dir string) error {
	l := Limits{Paths: []Path{
		{Dir: filepath.Join(dir, "open"), Access: Read},
		{Dir: filepath.Join(dir, "missing"), Access: Read, Optional: true},
	}}
	proofs, err := l.Prove([]Try{Open(filepath.Join(dir, os.Getenv("TRY"))), Exec(), Trace()})
	if err != nil {
		return err
	}
	var got []string
	for _, p := range proofs {
		got = append(got, p.Tried+": "+p.Got)
	}
	println(strings.Join(got, "; "))
	_, err = os.ReadDir(filepath.Join(dir, "open"))
	return err
}

// What is refused is a proof, what is not ends the process, and what is not
// there proves nothing.
func TestProve(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"open", "closed"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	const rest = "start a program: operation not permitted; trace a process: operation not permitted\n"
	for _, c := range []struct {
		try, want string
		fails     bool
	}{
		{"closed", "open " + filepath.Join(dir, "closed") + ": permission denied; " + rest, false},
		{"nowhere", rest, false},
		{"open", "open " + filepath.Join(dir, "open") + ": it was not refused\n", true},
	} {
		t.Run(c.try, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "limited", dir)
			cmd.Env = []string{"TRY=" + c.try}
			out, err := cmd.CombinedOutput()
			if string(out) != c.want || errors.As(err, new(*exec.ExitError)) != c.fails {
				t.Errorf("%v: %q, want %q", err, out, c.want)
			}
		})
	}
}
