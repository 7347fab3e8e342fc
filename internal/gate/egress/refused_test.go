package egress

import (
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
