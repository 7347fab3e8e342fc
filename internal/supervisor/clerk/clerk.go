package clerk

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"

	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/child"
)

// Word is the door of the clerk's process: `nemoclaw clerk NAME`, with the wire
// as descriptor child.Descriptor.
const Word = "clerk"

// Clerk is the supervisor's side. It is safe for concurrent use; questions are
// answered one after the other.
type Clerk struct {
	*child.Process
	ready chan error // the clerk's first word

	mu  sync.Mutex
	in  *bufio.Reader // protected by mu, once ready
	out *json.Encoder // protected by mu
}

// Hire starts the clerk of place, from the program that this process runs. It
// does not wait until it is ready.
func Hire(place state.Sandbox) (*Clerk, error) {
	p, err := child.Start(Word, place, nil, syscall.SIGKILL)
	if err != nil {
		return nil, err
	}
	c := newClerk(p.Wire)
	c.Process = p
	return c, nil
}

func newClerk(wire net.Conn) *Clerk {
	c := &Clerk{ready: make(chan error, 1), in: bufio.NewReader(wire), out: json.NewEncoder(wire)}
	go func() {
		_, err := readAnswer(c.in)
		c.ready <- err
	}()
	return c
}

// Await returns when the clerk is confined and answers, or why it never will.
// It is called once, before any question.
func (c *Clerk) Await(ctx context.Context) error {
	select {
	case err := <-c.ready:
		if err != nil {
			return fmt.Errorf("the clerk did not start: %w; its last words are in supervisor.log", err)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Network is the text of the network policy.
func (c *Clerk) Network() ([]byte, error) {
	a, err := c.ask(question{Op: opNetwork})
	return a.Data, err
}

// Inference is the text of the inference policy.
func (c *Clerk) Inference() ([]byte, error) {
	a, err := c.ask(question{Op: opInference})
	return a.Data, err
}

// Key is a stored secret that the inference policy names.
func (c *Clerk) Key(name string) ([]byte, error) {
	a, err := c.ask(question{Op: opKey, Name: name})
	return a.Data, err
}

// Credential is a stored secret that a rule of the network policy names.
func (c *Clerk) Credential(name string) ([]byte, error) {
	a, err := c.ask(question{Op: opCredential, Name: name})
	return a.Data, err
}

// tries is how often an edit begins anew because somebody else was faster.
const tries = 100

// EditNetwork changes the network policy durably, after the edits of others.
func (c *Clerk) EditNetwork(change func([]byte) ([]byte, error)) error {
	for range tries {
		old, err := c.Network()
		if err != nil {
			return err
		}
		text, err := change(old)
		if err != nil {
			return err
		}
		a, err := c.ask(question{Op: opReplace, Old: old, New: text})
		if err != nil || !a.Changed {
			return err
		}
	}
	return errors.New("the file is changed all the time")
}

func (c *Clerk) ask(q question) (answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.out.Encode(q); err != nil {
		return answer{}, fmt.Errorf("ask the clerk: %w", err)
	}
	a, err := readAnswer(c.in)
	if err != nil {
		return answer{}, fmt.Errorf("ask the clerk: %w", err)
	}
	if a.Error != "" {
		return answer{}, &Refused{a.Error, a.Hint}
	}
	return a, nil
}
