package audit

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/gate/inference"
	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// See linux/fs.h: a frozen file system lets no write through until it is thawed.
const (
	freezeCall = 0xC0045877 // FIFREEZE
	thawCall   = 0xC0045878 // FITHAW
)

// frozenDisk gives a folder on a disk of its own, which hangs when it is told
// to, and goes on when it is told to: at the latest after half a minute, since
// nobody can kill what waits for it.
func frozenDisk(t *testing.T) (dir string, freeze, thaw func()) {
	t.Helper()
	top := t.TempDir()
	image, dir := filepath.Join(top, "image"), filepath.Join(top, "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 64<<20); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][]string{{"mkfs.ext4", "-q", "-F", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.CommandContext(t.Context(), c[0], c[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v %s", c, err, out)
		}
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	thaw = func() {
		once.Do(func() {
			if err := unix.IoctlSetInt(int(d.Fd()), thawCall, 0); err != nil {
				t.Error(err)
			}
			d.Close()
		})
	}
	freeze = func() {
		if err := unix.IoctlSetInt(int(d.Fd()), freezeCall, 0); err != nil {
			t.Fatal(err)
		}
		late := time.AfterFunc(30*time.Second, thaw)
		t.Cleanup(func() {
			late.Stop()
			thaw()
		})
	}
	return dir, freeze, thaw
}

const chatPiece = `{"model":"m","message":{"content":"word "},"done":false}` + "\n"

// talker says thirty words, a hundredth of a second after each other.
func talker(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 30 {
		_, _ = io.WriteString(w, chatPiece)
		_ = http.NewResponseController(w).Flush()
		<-tick.C
	}
	_, _ = io.WriteString(w, `{"message":{"content":"."},"done":true,"prompt_eval_count":3,"eval_count":31}`+"\n")
}

// TestAFrozenDiskHoldsNoTokenBack: while the disk of the book and of the agent's
// log hangs, answers stream to their ends; what was handed over is in the book
// when it goes on, and nothing was acknowledged before it was there.
func TestAFrozenDiskHoldsNoTokenBack(t *testing.T) {
	if _, err := exec.LookPath("mkfs.ext4"); err != nil || os.Geteuid() != 0 {
		t.Skip("needs root and mkfs.ext4, for a disk that can be frozen")
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		t.Skip("needs a loop device, for a disk that can be frozen")
	}
	if !inOwnMounts(t) {
		return
	}
	disk, freeze, thaw := frozenDisk(t)
	s := shelf{filepath.Join(disk, "audit"), filepath.Join(disk, "anchor")}
	b := s.open(t)
	if err := b.Sync(t.Context(), Event{Kind: Start}); err != nil {
		t.Fatal(err)
	}
	router, url := routed(t, b, filepath.Join(disk, "inference.log"))
	freeze()
	var acknowledged, written atomic.Bool
	var waiting sync.WaitGroup
	waiting.Go(func() { acknowledged.Store(b.Sync(t.Context(), Event{Kind: Approval, ID: "waits"}) == nil) })
	waiting.Go(func() { written.Store(os.WriteFile(filepath.Join(disk, "control"), []byte("x"), 0o600) == nil) })
	var calls sync.WaitGroup
	for i := range 5 {
		calls.Go(func() {
			if longest := pauses(t, url); longest > 5*time.Second {
				t.Errorf("call %d: no token for %s", i, longest)
			}
		})
	}
	calls.Wait()
	if written.Load() || acknowledged.Load() {
		t.Fatalf("the disk did not hang: written %t, acknowledged %t", written.Load(), acknowledged.Load())
	}
	thaw()
	waiting.Wait()
	router.Drain()
	closeBook(t, b)
	found := 0
	for _, e := range s.events(t) {
		if e.Kind == Inference && strings.Count(e.Call.Answer, "word") == 30 {
			found++
		}
	}
	if r := s.sound(t); found != 5 || !acknowledged.Load() || !written.Load() || r.Damage != 0 {
		t.Errorf("%d calls in the book, acknowledged %t, %+v", found, acknowledged.Load(), r)
	}
	text, err := os.ReadFile(filepath.Join(disk, "inference.log"))
	if err != nil || strings.Count(string(text), "\n") != 5 {
		t.Errorf("the agent's log: %v %.300s", err, text)
	}
}

// routed is a router that writes into b and a log, and where it listens.
func routed(t *testing.T, b *Book, logAt string) (*inference.Router, string) {
	t.Helper()
	up := httptest.NewServer(http.HandlerFunc(talker))
	t.Cleanup(up.Close)
	p, err := policy.ParseInference("inference.yaml", fmt.Appendf(nil, "routes: [{model: \"*\", to: ollama/m}]\nproviders: {ollama: {url: %q}}\n", up.URL))
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(logAt, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	log, err := inference.NewLog(file, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	router := inference.New(inference.Config{
		Policy: func() *policy.Inference { return p }, Log: log,
		Record: func(c inference.Call) {
			b.Append(Event{Kind: Inference, Call: &Call{Asked: c.Asked, Answer: c.Answer}})
		},
	})
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	return router, server.URL
}

// pauses makes a call, reads it to its end, and says how long the longest pause
// was.
func pauses(t *testing.T, url string) (longest time.Duration) {
	resp, err := http.Post(url+"/api/chat", "application/json", strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"speak"}]}`))
	if err != nil {
		t.Error(err)
		return 0
	}
	defer resp.Body.Close()
	last, lines := time.Now(), 0
	for in := bufio.NewScanner(resp.Body); in.Scan(); lines++ {
		longest, last = max(longest, time.Since(last)), time.Now()
	}
	if longest = max(longest, time.Since(last)); lines != 31 {
		t.Errorf("%d lines", lines)
	}
	return longest
}
