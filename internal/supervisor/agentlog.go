package supervisor

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
)

// logLimit is the size in bytes at which the agent's log is turned: the file
// and the one before it together are at most twice that.
const logLimit = 25 << 20

// agentLog keeps what the agent and we say, a line at a time, in a file of
// bounded size, and hands lines to those who follow. Safe for concurrent use.
type agentLog struct {
	path string

	mu        sync.Mutex
	file      *os.File // protected by mu
	size      int64    // protected by mu
	part      []byte   // protected by mu: a line that has no end yet
	turns     int      // protected by mu: how often the file was begun anew
	followers map[chan string]struct{}
}

func openAgentLog(path string) (*agentLog, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the agent's log: %w", err)
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open the agent's log: %w", err)
	}
	return &agentLog{path: path, file: f, size: fi.Size(), followers: map[chan string]struct{}{}}, nil
}

// maxLine is where a line without an end is cut, in bytes.
const maxLine = 64 << 10

// Write takes what the agent prints. It never fails: a full disk loses lines
// of the log, not the agent.
func (l *agentLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part = append(l.part, p...)
	for {
		i := bytes.IndexByte(l.part, '\n')
		if i < 0 && len(l.part) < maxLine {
			return len(p), nil
		}
		if i < 0 {
			i = maxLine - 1
		}
		l.line(notOurs(string(bytes.TrimRight(l.part[:i], "\r"))))
		l.part = append(l.part[:0], l.part[min(i+1, len(l.part)):]...)
	}
}

// ours begins the lines that we say.
const ours = "[nemoclaw]"

// notOurs keeps a line of the agent's from passing for one of ours.
func notOurs(s string) string {
	if strings.HasPrefix(strings.TrimSpace(s), ours) {
		return "agent: " + s
	}
	return s
}

// Say adds a line of our own. What goes on in further lines, which may be the
// agent's words, is marked as going on.
func (l *agentLog) Say(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line(ours + " " + strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\n  | "))
}

// line writes one line and tells the followers. l.mu is held.
func (l *agentLog) line(s string) {
	if l.size > logLimit {
		l.turn()
	}
	n, _ := l.file.WriteString(s + "\n")
	l.size += int64(n)
	for f := range l.followers {
		select {
		case f <- s:
		default: // a slow reader loses lines; the file has them
		}
	}
}

func (l *agentLog) turn() {
	if err := os.Rename(l.path, l.path+".1"); err != nil {
		return
	}
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	l.file.Close()
	l.file, l.size = f, 0
	l.turns++
}

// turned is how often the file was full since the start.
func (l *agentLog) turned() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.turns
}

// follow returns the last lines and, until ctx ends, a channel of those that
// come; nothing is lost or told twice between the two.
func (l *agentLog) follow(ctx context.Context, lines int) ([]string, <-chan string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ch := make(chan string, 1024)
	l.followers[ch] = struct{}{}
	context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.followers, ch)
		close(ch)
	})
	return lastLines(l.path, lines), ch
}

// lastLines reads the end of a file; an unreadable one has none.
func lastLines(path string, lines int) []string {
	const most = 1 << 20
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil
	}
	buf := make([]byte, min(fi.Size(), most))
	if _, err := f.ReadAt(buf, fi.Size()-int64(len(buf))); err != nil {
		return nil
	}
	all := bytes.Split(bytes.TrimRight(buf, "\n"), []byte("\n"))
	if fi.Size() == 0 {
		return nil
	}
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	out := make([]string, len(all))
	for i, b := range all {
		out[i] = string(b)
	}
	return out
}

func (l *agentLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}
