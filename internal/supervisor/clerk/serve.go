package clerk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/internal/secret"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/limit"
)

// Serve confines this process and answers the supervisor at the other end of
// wire, until it is gone.
func Serve(wire io.ReadWriter, place state.Sandbox) error {
	set, err := place.Load()
	if err != nil {
		return err
	}
	if err := confine(place); err != nil {
		return fmt.Errorf("confine the clerk: %w", err)
	}
	return answerAll(wire, &desk{place: place, proxy: set.Proxy.Credential})
}

func confine(place state.Sandbox) error {
	// A rule needs its folder, and the first secret may be stored later.
	if err := os.MkdirAll(place.Home().Secrets(), 0o700); err != nil {
		return err
	}
	l, err := limits(place)
	if err != nil {
		return err
	}
	_, err = l.Prove([]limit.Try{limit.Open(place.Home().Dir), limit.Exec(), limit.Socket(), limit.Trace()})
	return err
}

// limits are the sandbox's folder, the secrets, and where a policy file that
// is a link leads.
func limits(place state.Sandbox) (limit.Limits, error) {
	l := limit.Limits{Paths: []limit.Path{
		{Dir: place.Dir(), Access: limit.Read | limit.Write | limit.Replace},
		{Dir: place.Home().Secrets(), Access: limit.Read},
	}}
	for _, f := range []string{place.PolicyFile(), place.InferenceFile()} {
		to, err := filepath.EvalSymlinks(f)
		if err != nil {
			return l, err
		}
		if dir := filepath.Dir(to); to != f {
			l.Paths = append(l.Paths, limit.Path{Dir: dir, Access: limit.Read})
		}
	}
	return l, nil
}

func answerAll(wire io.ReadWriter, d *desk) error {
	if err := (answer{}).write(wire); err != nil {
		return err
	}
	next := decoder(wire)
	for {
		var q question
		if err := next(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a question: %w", err)
		}
		a, err := d.answer(q)
		if err != nil {
			return err
		}
		if err := a.write(wire); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
}

// desk is what answers are made from.
type desk struct {
	place state.Sandbox
	rules *policy.Policy  // the last good network policy
	proxy string          // the secret of the way out, as sandbox.yaml names it
	named map[string]bool // the keys of the last good inference.yaml
}

// answer is the answer to q; an error is a q that is none.
func (d *desk) answer(q question) (answer, error) {
	switch q.Op {
	case opNetwork:
		return told(os.ReadFile(d.place.PolicyFile())), nil
	case opInference:
		return told(os.ReadFile(d.place.InferenceFile())), nil
	case opReplace:
		return d.replace(q.Old, q.New), nil
	case opKey:
		return told(d.key(q.Name)), nil
	case opCredential:
		return told(d.credential(q.Name)), nil
	}
	return answer{}, fmt.Errorf("a question that is none: %.20q", q.Op)
}

func told(data []byte, err error) answer {
	if err != nil {
		return failed(err)
	}
	return answer{Data: data}
}

var errChanged = errors.New("changed meanwhile")

// replace writes the network policy where nobody else has since old was read.
func (d *desk) replace(old, text []byte) answer {
	err := state.EditDurable(d.place.PolicyFile(), 0o600, func(now []byte) ([]byte, error) {
		if !bytes.Equal(now, old) {
			return nil, errChanged
		}
		return text, d.mayName(now, text)
	})
	switch {
	case errors.Is(err, errChanged):
		return answer{Changed: true}
	case err != nil:
		return failed(err)
	}
	return answer{}
}

// key is a stored secret, where inference.yaml names it: the supervisor gets
// the keys of its own sandbox alone.
func (d *desk) key(name string) ([]byte, error) {
	d.look()
	if !d.named[name] && (name == "" || name != d.proxy) {
		return nil, errors.New("get secret: neither inference.yaml nor sandbox.yaml names one of that name")
	}
	s, err := secret.Open(d.place.Home().Secrets())
	if err != nil {
		return nil, err
	}
	return s.Get(name)
}

// credential is a stored secret, where a rule of the network policy names it.
func (d *desk) credential(name string) ([]byte, error) {
	if text, err := os.ReadFile(d.place.PolicyFile()); err == nil {
		if p, err := d.parse(text); err == nil { // of a broken file the last good one is in force
			d.rules = p
		}
	}
	if !slices.Contains(d.rules.Credentials(), name) {
		return nil, errors.New("get secret: network-policy.yaml names no credential of that name")
	}
	s, err := secret.Open(d.place.Home().Secrets())
	if err != nil {
		return nil, err
	}
	return s.Get(name)
}

func (d *desk) parse(text []byte) (*policy.Policy, error) {
	return policy.ParseAfter(d.rules, filepath.Base(d.place.PolicyFile()), text)
}

// mayName refuses a policy that names a secret which the one before does not:
// else a supervisor could give itself any, by a rule. Only the operator can, in
// the file.
func (d *desk) mayName(old, text []byte) error {
	had, err := d.parse(old)
	if err == nil {
		d.rules = had
	} // else it is broken, and names none
	next, err := d.parse(text)
	if err != nil {
		return err
	}
	for _, name := range next.Credentials() {
		if !slices.Contains(had.Credentials(), name) {
			return fmt.Errorf("write policy: the credential %q is new, and only the operator may name one", name)
		}
	}
	return nil
}

// look reads which keys inference.yaml names. A broken file changes nothing:
// the last good one is in force.
func (d *desk) look() {
	text, err := os.ReadFile(d.place.InferenceFile())
	if err != nil {
		return
	}
	p, err := policy.ParseInference(filepath.Base(d.place.InferenceFile()), text)
	if err != nil {
		return
	}
	d.named = map[string]bool{}
	for _, name := range p.Providers() {
		if t, ok := p.Provider(name); ok && t.Key != "" {
			d.named[t.Key] = true
		}
	}
}
