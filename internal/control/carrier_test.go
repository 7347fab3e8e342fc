package control

import (
	"net"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// A descriptor that nobody took is closed once, whoever closes its connection, and
// however often: its number may be another file's by then.
func TestCarrierClosesOnce(t *testing.T) {
	for range 100 {
		here, there := net.Pipe()
		defer there.Close()
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.Dup(int(w.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		c := &Carrier{Conn: here, fds: []int{fd}}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { _ = c.Close() })
		}
		all.Wait()
		w.Close()
		if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Fatalf("the descriptor is open: %d, %v", n, err)
		}
		r.Close()
	}
}
