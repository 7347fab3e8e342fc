package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

func madeBy(st os.FileInfo) uint32 { return st.Sys().(*syscall.Stat_t).Uid }

func TestCommandsEnd(t *testing.T) {
	s := up(t)
	if r := s.sh("exit 7"); r.code != 7 || r.sig != 0 {
		t.Errorf("exit 7: %+v", r)
	}
	if r := s.sh("kill -TERM $$"); r.sig != unix.SIGTERM {
		t.Errorf("killed: %+v", r)
	}
	if r := s.do(spec.Command{Argv: []string{"cat"}}, "through"); r.out != "through" {
		t.Errorf("cat: %+v", r)
	}
	long := strings.Repeat("x", 100<<10)
	if r := s.do(spec.Command{Argv: []string{"echo", "-n", long}}, ""); r.out != long {
		t.Errorf("long argument: %d bytes came back", len(r.out))
	}
	s.wants("pwd; id -un; hostname", "/sandbox\nsandbox\ntest\n")
	s.wants("echo again > /dev/stdout", "again\n")
}

func TestCommandsThatCannotStart(t *testing.T) {
	s := up(t)
	for name, want := range map[string]error{
		"no-such-program": unix.ENOENT,
		"/etc/passwd":     unix.EACCES,
		"/sandbox":        unix.EACCES,
	} {
		_, err := s.Run(t.Context(), spec.Command{Argv: []string{name}})
		if !errors.Is(err, ErrNotStarted) || !errors.Is(err, want) {
			t.Errorf("%s: %v: want %v", name, err, want)
		}
	}
	if _, err := s.Run(t.Context(), spec.Command{}); !errors.Is(err, ErrNotStarted) {
		t.Errorf("nothing: %v", err)
	}
	s.wants("echo still", "still\n")
}

func TestEnvironmentIsTheSpecs(t *testing.T) {
	t.Setenv("NEMOCLAW_LEAK", "1")
	var want []string
	s := up(t, func(s *spec.Spec) { want = slices.Clone(s.Env) })
	r := s.do(spec.Command{Argv: []string{"env"}, Env: []string{"LANG=C", "MORE=1"}}, "")
	got := strings.Fields(r.out)
	want[slices.Index(want, "LANG=C.UTF-8")] = "LANG=C"
	want = append(want, "MORE=1")
	if !slices.Equal(got, want) {
		t.Errorf("environment %q: want %q", got, want)
	}
}

func TestDescriptorsAreThree(t *testing.T) {
	// One that a careless supervisor leaves open for its children.
	leak, err := unix.Open("/", unix.O_PATH, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leak)
	s := up(t)
	r := s.do(spec.Command{Argv: []string{"ls", "/proc/self/fd"}}, "")
	if got := strings.Fields(r.out); !slices.Equal(got, []string{"0", "1", "2", "3"}) {
		t.Errorf("descriptors %q: want 0 to 2, and 3 of ls itself", got)
	}
}

func TestSignalsReachTheGroup(t *testing.T) {
	s := up(t)
	p, err := s.Run(t.Context(), spec.Command{Argv: []string{"bash", "-c", "sleep 1000 & echo ready; wait"}})
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 6)
	if _, err := io.ReadFull(p.Stdout(), b); err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, sig, _ := p.Wait(); sig != unix.SIGTERM {
		t.Errorf("ended with %v", sig)
	}
	// End of file comes only when sleep, which holds the pipe too, is gone.
	if _, err := io.ReadAll(p.Stdout()); err != nil {
		t.Error(err)
	}
}

func TestTerminal(t *testing.T) {
	s := up(t)
	p, err := s.Run(t.Context(), spec.Command{
		Argv: []string{"bash", "-c", "stty -echo; tty; stty size; echo to-tty > /dev/tty; read x; stty size; test -t 2 && echo $x; exit 3"},
		Env:  []string{"TERM=xterm"}, TTY: true, Rows: 33, Cols: 77,
	})
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, 0, 1024)
	read := func(until string) {
		for !strings.Contains(string(out), until) {
			b := make([]byte, 256)
			n, err := p.Stdout().Read(b)
			if err != nil {
				t.Fatalf("after %q: %v", out, err)
			}
			out = append(out, b[:n]...)
		}
	}
	read("to-tty")
	if err := p.Resize(44, 88); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(p.Stdin(), "typed")
	read("typed")
	if want := "/dev/pts/0\r\n33 77\r\nto-tty\r\n44 88\r\ntyped"; !strings.HasPrefix(string(out), want) {
		t.Errorf("terminal said %q: want %q", out, want)
	}
	if rest, err := io.ReadAll(p.Stdout()); err != nil {
		t.Errorf("after %q: %v", rest, err)
	}
	if code, _, _ := p.Wait(); code != 3 {
		t.Errorf("code %d", code)
	}
	if p.Stderr() != nil {
		t.Error("a terminal has no second output")
	}
}

func TestPIDOneIsUntouchable(t *testing.T) {
	s := up(t)
	for _, pid := range []string{"1", "$PPID"} { // the spawner is a command's parent
		for _, f := range []string{"mem", "environ", "maps", "exe"} {
			s.refuses("cat /proc/"+pid+"/"+f, "Permission denied")
		}
		for _, f := range []string{"fd/", "root/", "cwd/", "map_files/"} {
			s.refuses("ls /proc/"+pid+"/"+f, "Permission denied")
		}
		s.refuses("readlink -v /proc/"+pid+"/exe", "Permission denied")
	}
	// The control: the same calls on a process of one's own.
	s.wants("sleep 9 & ls /proc/$!/fd | head -1; cat /proc/$!/environ | wc -c | grep -qv '^0' && kill $!", "0\n")

	var all []string
	for i := 1; i <= 64; i++ {
		all = append(all, "-"+strconv.Itoa(i))
	}
	s.sh("for s in " + strings.Join(all, " ") + "; do kill $s 1; for t in /proc/1/task/*; do kill $s ${t##*/}; done; done")
	s.wants("echo alive", "alive\n")
}

// An agent that stops its parent keeps nobody out.
func TestSpawnerStopped(t *testing.T) {
	s := up(t)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	p, err := s.Run(ctx, spec.Command{Argv: []string{"bash", "-c", "kill -STOP $PPID; exit 7"}})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		t.Fatal("its end was never told")
	}
	if code, sig, _ := p.Wait(); code != 7 {
		t.Errorf("code %d, signal %v: want 7", code, sig)
	}
	// One that goes on and on stopping it makes others wait, not for ever.
	if _, err := s.Run(ctx, spec.Command{Argv: []string{"bash", "-c", "p=$PPID; (while kill -STOP $p; do :; done) & exit"}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	for {
		q, err := s.Run(ctx, spec.Command{Argv: []string{"true"}})
		if ctx.Err() != nil {
			t.Fatal("commands wait for ever")
		}
		if err == nil {
			q.Wait()
			return
		}
	}
}

func TestSpawnerKilled(t *testing.T) {
	s := up(t)
	// The first command is the prover of the walls, not the spawner's child.
	first, err := s.Run(t.Context(), spec.Command{Argv: []string{"bash", "-c", "read x; exit 6"}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Run(t.Context(), spec.Command{Argv: []string{"bash", "-c", "echo ready; read x; exit 5"}})
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 6)
	if _, err := io.ReadFull(p.Stdout(), b); err != nil {
		t.Fatal(err)
	}
	// The agent kills its parent. Its own end may come as an error or a
	// signal, since nobody is left to tell it.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if q, err := s.Run(ctx, spec.Command{Argv: []string{"bash", "-c", "kill -9 $PPID"}}); err == nil {
		select {
		case <-q.Done():
		case <-ctx.Done():
			t.Fatal("its end was never told")
		}
	}
	for {
		// A command given while the spawner dies is refused; the next is not.
		q, err := s.Run(ctx, spec.Command{Argv: []string{"true"}})
		if err == nil {
			if code, sig, _ := q.Wait(); code != 0 || sig != 0 {
				t.Errorf("after a new spawner: code %d, signal %v", code, sig)
			}
			break
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprintln(p.Stdin(), "go")
	if code, sig, _ := p.Wait(); code != 5 {
		t.Errorf("the old spawner's command: code %d, signal %v: want 5", code, sig)
	}
	fmt.Fprintln(first.Stdin(), "go")
	if code, sig, _ := first.Wait(); code != 6 {
		t.Errorf("the first command: code %d, signal %v: want 6", code, sig)
	}
	s.wants("grep -h Cap /proc/self/status | sort -u | wc -l; ls /home 2>&1 | tail -c 18", "5\nPermission denied\n")
}

// Everything inside stops at once, even what forks as fast as it can, and goes
// on later; what is started meanwhile runs.
func TestPause(t *testing.T) {
	s := up(t)
	s.sh("touch /tmp/n; for i in 1 2 3; do (while :; do /bin/true; echo x >>/tmp/n; done) </dev/null >/dev/null 2>&1 & done")
	// Who waits for a processor stops when it gets one.
	const states = `going=1; while [ $going = 1 ]; do stopped=0 going=0; for f in /proc/[0-9]*/stat; do read -r l <$f || continue; p=${l%% *}; set -- ${l##*) }; [ $p = 1 ] || [ $p = $$ ] || [ $p = $PPID ] && continue; case $1 in T) stopped=1;; Z) ;; *) going=1;; esac; done; done; echo stopped $stopped going $going`
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	// The message comes before the next command: one wire carries both.
	s.wants(states, "stopped 1 going 0\n")
	s.wants("a=$(wc -l </tmp/n); sleep 0.3; b=$(wc -l </tmp/n); [ $a = $b ] && echo still", "still\n")
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	s.wants("a=$(wc -l </tmp/n); until [ $(wc -l </tmp/n) != $a ]; do :; done; echo on; kill -9 -1", "on\n")
}

// What is to become the first command goes on too, when all is stopped.
func TestPauseBeforeTheFirstCommand(t *testing.T) {
	s := up(t)
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	s.wants("echo first", "first\n")
	s.wants("echo second", "second\n")
}

func TestLimits(t *testing.T) {
	s := up(t, func(s *spec.Spec) {
		s.Rlimits = []spec.Rlimit{{Resource: unix.RLIMIT_NOFILE, Soft: 123, Hard: 321}, {Resource: unix.RLIMIT_CORE}}
	})
	s.wants("ulimit -Sn; ulimit -Hn; ulimit -c", "123\n321\n0\n")
}

func TestRuntimes(t *testing.T) {
	s := up(t)
	for program, c := range map[string][2]string{
		"python3": {`python3 -c 'import threading,tempfile,json; t=threading.Thread(target=lambda: print(json.dumps(tempfile.gettempdir()))); t.start(); t.join()'`, "\"/tmp\"\n"},
		"node":    {`node -e 'const {execSync}=require("child_process"); console.log(execSync("echo child").toString().trim())'`, "child\n"},
		"git":     {`cd /sandbox && git init -q r && cd r && git config user.email a@b && git config user.name n && echo 1 > f && git add f && git commit -qm m && git log --oneline | wc -l`, "1\n"},
		"curl":    {`curl -s file:///etc/hostname`, "test\n"},
	} {
		t.Run(program, func(t *testing.T) {
			s := &sandbox{Box: s.Box, t: t, workspace: s.workspace}
			s.needs(program)
			s.wants(c[0], c[1])
		})
	}
}
