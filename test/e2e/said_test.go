package e2e

import (
	"io"
	"strings"
	"sync"
	"time"
)

// said is what a program has printed so far. It is safe for concurrent use.
type said struct {
	mu   sync.Mutex
	more *sync.Cond
	text strings.Builder // protected by mu
}

func newSaid() *said {
	s := &said{}
	s.more = sync.NewCond(&s.mu)
	return s
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.more.Broadcast()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits until word was printed, at most this long.
func (s *said) await(word string, most time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	late := false
	timer := time.AfterFunc(most, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		late = true
		s.more.Broadcast()
	})
	defer timer.Stop()
	for !late && !strings.Contains(s.text.String(), word) {
		s.more.Wait()
	}
	return strings.Contains(s.text.String(), word)
}

// readAll takes what r says until its end.
func (s *said) readAll(r io.Reader) (int64, error) { return io.Copy(s, r) }
