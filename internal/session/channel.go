package session

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// session is one session channel. Its requests come one after the other, and
// one of them starts its program.
type session struct {
	ch      ssh.Channel
	box     Box
	command spec.Command // as the requests before the start made it
	proc    Process      // nil before the start
}

func serveSession(ctx context.Context, c ssh.NewChannel, box Box) {
	ch, requests, err := c.Accept()
	if err != nil {
		return
	}
	ctx, gone := context.WithCancel(ctx)
	defer gone()
	s := &session{ch: ch, box: box}
	ended := make(chan struct{})
	close(ended) // nothing runs yet
	for r := range requests {
		starts := s.proc == nil
		ok := s.request(ctx, r)
		if r.WantReply {
			_ = r.Reply(ok, nil) // a peer that has gone ends requests
		}
		if starts && s.proc != nil {
			ended = make(chan struct{})
			go func() {
				defer close(ended)
				s.run(ctx)
			}()
		}
	}
	gone() // the peer closed the channel, or we did
	<-ended
	_ = ch.Close()
}

// request does what r asks and says whether it was done.
func (s *session) request(ctx context.Context, r *ssh.Request) bool {
	switch r.Type {
	case "pty-req":
		return s.proc == nil && s.pty(r.Payload)
	case "env":
		return s.proc == nil && s.env(r.Payload)
	case "shell":
		return s.proc == nil && s.start(ctx, nil)
	case "exec":
		var ask execRequest
		return s.proc == nil && ssh.Unmarshal(r.Payload, &ask) == nil &&
			s.start(ctx, []string{"/bin/sh", "-c", ask.Command})
	case ownExecName:
		return s.proc == nil && s.own(ctx, r.Payload)
	case "window-change":
		return s.resize(r.Payload)
	case "signal":
		return s.signal(r.Payload)
	case "subsystem":
		return s.proc == nil && s.subsystem(r.Payload)
	}
	return false // auth-agent-req@openssh.com, x11-req and all we do not know
}

func (s *session) pty(payload []byte) bool {
	var ask ptyRequest
	if ssh.Unmarshal(payload, &ask) != nil {
		return false
	}
	s.command.TTY = true
	s.command.Rows, s.command.Cols = cells(ask.Rows), cells(ask.Cols)
	if plain(ask.Term) {
		s.command.Env = append(s.command.Env, "TERM="+ask.Term)
	}
	return true
}

// cells bounds a size to what a terminal can have.
func cells(n uint32) uint16 { return uint16(min(n, math.MaxUint16)) }

// env lets through what makes a terminal readable, and nothing else of the
// operator's environment.
func (s *session) env(payload []byte) bool {
	var ask envRequest
	if ssh.Unmarshal(payload, &ask) != nil || !plain(ask.Value) {
		return false
	}
	if ask.Name != "LANG" && ask.Name != "TERM" && (!strings.HasPrefix(ask.Name, "LC_") || !plain(ask.Name)) {
		return false
	}
	if len(s.command.Env) >= 64 {
		return false
	}
	s.command.Env = append(s.command.Env, ask.Name+"="+ask.Value)
	return true
}

// plain says whether s is a locale's or a terminal's name.
func plain(s string) bool {
	ok := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-@+", r)
	}
	return s != "" && len(s) <= 64 && strings.IndexFunc(s, func(r rune) bool { return !ok(r) }) < 0
}

// own is the exec of our own command line: an argument list and its
// environment, which the operator wrote.
func (s *session) own(ctx context.Context, payload []byte) bool {
	var ask ownExec
	var c spec.Command
	if ssh.Unmarshal(payload, &ask) != nil || json.Unmarshal([]byte(ask.Command), &c) != nil || len(c.Argv) == 0 {
		return false
	}
	s.command.Dir = c.Dir
	s.command.Env = append(s.command.Env, c.Env...)
	return s.start(ctx, c.Argv)
}

func (s *session) start(ctx context.Context, argv []string) bool {
	s.command.Argv = argv
	p, err := s.box.Run(ctx, s.command)
	if err != nil {
		p = &notStarted{name: strings.Join(argv[:min(1, len(argv))], ""), err: err, tty: s.command.TTY}
	}
	s.proc = p
	return true
}

func (s *session) resize(payload []byte) bool {
	var ask windowChange
	return s.proc != nil && ssh.Unmarshal(payload, &ask) == nil &&
		s.proc.Resize(cells(ask.Rows), cells(ask.Cols)) == nil
}

func (s *session) signal(payload []byte) bool {
	var ask signalRequest
	if s.proc == nil || ssh.Unmarshal(payload, &ask) != nil {
		return false
	}
	sig, known := signals[ask.Name]
	return known && s.proc.Signal(sig) == nil
}

var errNoSubsystem = errors.New("not offered by a sandbox; scp -O, rsync and nemoclaw NAME cp work without it")

// subsystem refuses sftp by a program that says what works instead: to a plain
// refusal scp and sftp only say that it failed.
func (s *session) subsystem(payload []byte) bool {
	var ask subsystem
	if ssh.Unmarshal(payload, &ask) != nil || ask.Name != "sftp" {
		return false
	}
	s.proc = &notStarted{name: ask.Name, err: errNoSubsystem}
	return true
}
