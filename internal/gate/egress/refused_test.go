package egress

import (
	"context"
	"net"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// slow is a recorder that takes its time over the first event.
type slow struct {
	*notes
	begun, goOn chan struct{}
}

func (s slow) Record(e Event) {
	select {
	case <-s.goOn:
	default:
		close(s.begun)
		<-s.goOn
	}
	s.notes.Record(e)
}

// What was refused before the end is told, however late it is read.
func TestRefusedAtTheEndIsTold(t *testing.T) {
	s := slow{begun: make(chan struct{}), goOn: make(chan struct{})}
	b := newBench(t, github, func(c *Config) { s.notes = c.Record.(*notes); c.Record = s })
	send := func(address string) {
		c, err := b.inside.Dial("udp", address)
		if err != nil {
			return // refused here already
		}
		defer c.Close()
		_, _ = c.Write([]byte("quic")) // refused; told by the packet log
	}
	for begun := false; !begun; { // who serves has joined the log when it tells one
		send("8.8.8.8:443")
		select {
		case <-s.begun:
			begun = true
		default:
		}
	}
	send("8.8.4.4:853")
	go b.gate.Close()
	<-b.gate.ctx.Done()
	close(s.goOn)
	s.notes.await(t, to("udp 8.8.4.4:853", policy.Deny))
}

// So is a connection that nobody had looked at.
func TestConnectionAtTheEndIsTold(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p, told := parse(t, github), &notes{changed: make(chan struct{})}
	g := New(Config{Policy: func() *policy.Policy { return p }, Record: told})
	ended, end := context.WithCancel(t.Context())
	end()
	if err := g.ServeTCP(ended, l); err != nil {
		t.Error(err)
	}
	g.Close()
	if all := told.list(); len(all) != 1 || !to(l.Addr().String(), policy.Deny)(all[0]) {
		t.Errorf("told %+v", all)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("it was answered")
	}
}
