package pulse

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/test/internet"
)

// An end that answers nothing any more is gone, with bytes on their way to it or
// without; one that says nothing by itself but lives is left alone, as is one that
// was closed meanwhile.
func TestPulse(t *testing.T) {
	gone := map[string]bool{}
	var all []Conn
	add := func(name string) (here, there *net.TCPConn) {
		here, there = pair(t)
		all = append(all, Conn{here, func() { gone[name] = true }})
		return here, there
	}
	add("living")
	_, there := add("dead")
	internet.Deafen(t, there)
	here, there := add("dead with bytes on their way")
	internet.Deafen(t, there)
	if _, err := here.Write([]byte("hello?")); err != nil {
		t.Fatal(err)
	}
	here, _ = add("closed")
	here.Close()

	began := time.Now()
	n := Ask(t.Context(), all)
	took := time.Since(began)
	if n != 2 || !gone["dead"] || !gone["dead with bytes on their way"] || len(gone) != 2 {
		t.Errorf("gone: %d, %v", n, gone)
	}
	if took < Patience || took > 2*Patience {
		t.Errorf("it took %s; want a little more than %s", took, Patience)
	}
	if _, err := all[0].TCP.Write([]byte("well")); err != nil {
		t.Error(err)
	}
}

// pair is a connection over loopback.
func pair(t *testing.T) (here, there *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	here, err = net.DialTCP("tcp4", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close() })
	there, err = l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { there.Close() })
	return here, there
}

// How long is waited depends on what the kernel sends, and when.
func TestPatience(t *testing.T) {
	second := func(n uint32) uint32 { return n * 1000 }
	for _, c := range []struct {
		what   string
		info   unix.TCPInfo
		waited time.Duration
		want   state
	}{
		{"heard of since", unix.TCPInfo{Last_ack_recv: second(1), Last_data_recv: second(90)}, 3 * time.Second, alive},
		{"data since", unix.TCPInfo{Last_ack_recv: second(90), Last_data_recv: second(1)}, 3 * time.Second, alive},
		{"not heard of", unix.TCPInfo{Last_ack_recv: second(90), Last_data_recv: second(90)}, 3 * time.Second, unclear},
		{"not heard of for long", unix.TCPInfo{Last_ack_recv: second(90), Last_data_recv: second(90)}, Patience, dead},
		{"heard of just before", unix.TCPInfo{Last_ack_recv: 3010, Last_data_recv: 3010}, 3 * time.Second, unclear},
		{"with bytes that were sent again", unix.TCPInfo{Unacked: 1, Last_data_sent: second(2), Rto: 60e6, Last_ack_recv: second(90), Last_data_recv: second(90)}, Patience, dead},
		{"with bytes that were not yet", unix.TCPInfo{Unacked: 1, Last_data_sent: second(50), Rto: 60e6, Last_ack_recv: second(90), Last_data_recv: second(90)}, Patience, unclear},
		{"with bytes that never were", unix.TCPInfo{Unacked: 1, Last_data_sent: second(500), Rto: 60e6, Last_ack_recv: second(900), Last_data_recv: second(900)}, Patience + time.Minute, dead},
		{"without room", unix.TCPInfo{Notsent_bytes: 1, Rto: 200e3, Backoff: 5, Last_ack_recv: second(90), Last_data_recv: second(90)}, Patience, unclear},
		{"without room for ever", unix.TCPInfo{Notsent_bytes: 1, Rto: 200e3, Backoff: 30, Last_ack_recv: second(900), Last_data_recv: second(900)}, Patience + longest, dead},
	} {
		if got := stateOf(&c.info, c.waited); got != c.want {
			t.Errorf("%s, after %s: %d, want %d", c.what, c.waited, got, c.want)
		}
	}
}

// Who was removed is not asked.
func TestSet(t *testing.T) {
	var s Set
	one, _ := pair(t)
	other, _ := pair(t)
	remove := s.Add(one, nil)
	s.Add(other, nil)
	remove()
	remove()
	if all := s.All(); len(all) != 1 || all[0].TCP != other {
		t.Errorf("%v", all)
	}
}
