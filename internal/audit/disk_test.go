package audit

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inOwnMounts runs the calling test once more, in a process with mounts of its
// own, and says whether this is that process.
func inOwnMounts(t *testing.T) bool {
	t.Helper()
	const mark = "own-mounts"
	if os.Args[len(os.Args)-1] == mark {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		return true
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", mark)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if bad := (*exec.ExitError)(nil); err != nil && !errors.As(err, &bad) {
		t.Skipf("needs mounts of its own: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("in mounts of its own: %v\n%s", err, out)
	}
	return false
}

// fullDisk gives a shelf on a disk of its own that can be filled and freed.
func fullDisk(t *testing.T) (s shelf, fill, free func()) {
	t.Helper()
	top := t.TempDir()
	disk := filepath.Join(top, "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=256k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(disk, unix.MNT_DETACH) })
	ballast := filepath.Join(disk, "ballast")
	fill = func() {
		f, err := os.Create(ballast)
		if err != nil {
			t.Fatal(err)
		}
		block := make([]byte, 4096)
		for err == nil {
			_, err = f.Write(block)
		}
		_ = f.Close()
	}
	free = func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
	return shelf{filepath.Join(disk, "audit"), filepath.Join(top, "anchor")}, fill, free
}

func TestAFullDiskIsSaidAndHeals(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	s, fill, free := fullDisk(t)
	b := s.open(t)
	if err := b.Sync(t.Context(), Event{Kind: Start}); err != nil {
		t.Fatal(err)
	}
	fill()
	big := strings.Repeat("x", 8192) // more than what is left of the last page
	if err := b.Sync(t.Context(), Event{Kind: Approval, ID: "refused", Why: big}); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("Sync on a full disk: %v", err)
	}
	if err := b.Err(); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("Err on a full disk: %v", err)
	}
	b.Append(Event{Kind: Network, Why: "kept"})
	seen := b.Watch(t.Context())
	free()
	for e := range seen {
		if e.Why == "kept" {
			break
		}
	}
	if err := b.Err(); err != nil {
		t.Errorf("Err after the disk was freed: %v", err)
	}
	closeBook(t, b)
	if r := s.sound(t); r.Events != 3 || r.Damage != 1 {
		t.Errorf("report %+v", r)
	}
	for _, e := range s.events(t) {
		if e.ID == "refused" {
			t.Error("an act that was answered with an error is in the book")
		}
	}
}

func TestCloseOnAFullDiskEnds(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	s, fill, _ := fullDisk(t)
	b := s.open(t)
	fill()
	b.Append(Event{Why: strings.Repeat("x", 8192)})
	if err := b.Close(); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("Close: %v", err)
	}
	if err := b.Sync(t.Context(), Event{}); err == nil {
		t.Error("Sync on a closed book")
	}
}

func TestAFloodIsCounted(t *testing.T) {
	s := newShelf(t)
	b := s.open(t)
	heavy := strings.Repeat("x", 64<<10)
	const n = 5000 // ten times what the queue holds
	for range n {
		b.Append(Event{Kind: Network, Why: heavy})
	}
	closeBook(t, b)
	written, lost := 0, 0
	for _, e := range s.events(t) {
		if e.Kind == Damage {
			lost += e.Count
			continue
		}
		written++
	}
	if written+lost != n {
		t.Errorf("%d written and %d said to be lost, of %d", written, lost, n)
	}
	s.sound(t)
}

func TestErrWhileEventsAreLost(t *testing.T) {
	b := &Book{wake: make(chan struct{}, 1)} // no writer: the disk is infinitely slow
	for range maxQueued {
		b.Append(Event{})
	}
	if err := b.Err(); err != nil {
		t.Fatalf("full to the brim: %v", err)
	}
	b.Append(Event{})
	if err := b.Err(); !errors.Is(err, ErrFull) {
		t.Errorf("over the brim: %v", err)
	}
}

func TestWhatHasNoJSONLeavesATrace(t *testing.T) {
	s := newShelf(t)
	b := s.open(t)
	b.Append(Event{Kind: Inference, Call: &Call{Duration: math.NaN()}})
	b.Append(Event{Kind: Stop})
	closeBook(t, b)
	if all := s.events(t); len(all) != 2 || all[0].Kind != Damage || all[1].Kind != Stop {
		t.Errorf("events %+v", all)
	}
	s.sound(t)
}

func TestLongTextsAreBounded(t *testing.T) {
	s := newShelf(t)
	b := s.open(t)
	call := &Call{Prompt: strings.Repeat("é", maxText), Answer: "short"}
	b.Append(Event{Kind: Inference, Call: call})
	closeBook(t, b)
	got := s.events(t)[0].Call
	if len(call.Prompt) != 2*maxText {
		t.Error("the caller's event was changed")
	}
	if len(got.Prompt) > maxText+64 || !strings.HasSuffix(got.Prompt, "more bytes)") || got.Answer != "short" {
		t.Errorf("prompt of %d bytes, answer %q", len(got.Prompt), got.Answer)
	}
	if strings.Contains(got.Prompt, "\ufffd") {
		t.Error("cut within a character")
	}
}

func BenchmarkAppendDurable(b *testing.B) {
	s := newShelf(b)
	book := s.open(b)
	e := Event{Kind: Network, Wall: "network", Verdict: "deny", Program: "/usr/bin/curl", PID: 42, Target: "example.com:443", Why: "no rule allows it"}
	began := time.Now()
	for range b.N {
		book.Append(e)
		for book.Err() != nil { // the bench is quicker than any disk
			_ = book.Sync(b.Context(), e)
		}
	}
	closeBook(b, book)
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "durable/s")
}

func BenchmarkSync(b *testing.B) {
	s := newShelf(b)
	book := s.open(b)
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := book.Sync(b.Context(), Event{Kind: Approval}); err != nil {
				b.Error(err)
			}
		}
	})
	closeBook(b, book)
}

// TestSinceReadsNoMoreThanItMust: a file whose events are all older is not
// opened, even where it could not be read.
func TestSinceReadsNoMoreThanItMust(t *testing.T) {
	dir := t.TempDir()
	at := func(hour int, why string) string {
		line, _ := json.Marshal(Event{Version: version, Time: time.Date(2026, 11, 27, hour, 0, 0, 0, time.UTC), Kind: Start, Why: why})
		return string(line) + "\n"
	}
	for name, text := range map[string]string{
		"000001.jsonl": "not a line of the book\n", "000002.jsonl": at(1, "old") + at(9, "a"), "000003.jsonl": at(10, "b"), "000004.jsonl": "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(hour int) (all string, err error) {
		err = Since(dir, time.Date(2026, 11, 27, hour, 0, 0, 0, time.UTC), func(e Event) error {
			all += e.Why
			return nil
		})
		return all, err
	}
	for hour, want := range map[int]string{2: "ab", 9: "ab", 10: "b", 11: ""} {
		if got, err := read(hour); err != nil || got != want {
			t.Errorf("since %d: %q, %v", hour, got, err)
		}
	}
	if _, err := read(0); err == nil { // what it must read, it reads
		t.Error("the first file was left out")
	}
}
