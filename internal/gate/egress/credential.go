package egress

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// secretsAge is how long a secret is used before it is asked for anew, so that
// `secret set` works soon and a request costs no question.
const secretsAge = 2 * time.Second

// secrets are the values of credentials.
type secrets struct {
	get func(name string) ([]byte, error)
	now func() time.Time

	mu   sync.Mutex
	kept map[string]kept // protected by mu
}

type kept struct {
	value string
	at    time.Time
}

// value is the secret without the line end of the file that it came from.
func (s *secrets) value(name string) (string, error) {
	if s.get == nil {
		return "", errors.New("no secrets are kept here")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := s.kept[name]; ok && s.now().Sub(k.at) < secretsAge {
		return k.value, nil
	}
	delete(s.kept, name)
	value, err := s.get(name)
	if err != nil {
		return "", err
	}
	text := strings.TrimRight(string(value), "\r\n")
	if text == "" {
		return "", errors.New("it is empty")
	}
	s.kept[name] = kept{text, s.now()}
	return text, nil
}

// leastHidden is the length below which a value is not looked for: it would be
// found everywhere.
const leastHidden = 8

// hide are the texts that must not come back: the value, what the field says
// after its scheme, and the password of USER:PASSWORD, which servers take apart;
// each as it is and as JSON, Go and URLs spell it.
func hide(value, text string) []string {
	_, coded, _ := strings.Cut(text, " ")
	_, password, _ := strings.Cut(value, ":")
	var out []string
	for _, s := range []string{value, coded, password} {
		if len(s) < leastHidden {
			continue
		}
		inJSON, _ := json.Marshal(s) // a string: it cannot fail
		quoted := unquoted(strconv.Quote(s))
		for _, form := range []string{s, quoted, strings.ReplaceAll(quoted, "/", `\/`), unquoted(string(inJSON)), url.QueryEscape(s), url.PathEscape(s)} {
			if !slices.Contains(out, form) {
				out = append(out, form)
			}
		}
	}
	return out
}

func unquoted(s string) string { return s[1 : len(s)-1] }

// mask takes the credential out of an answer that repeats it: out of header
// fields, the body, whatever the server calls its coding, trailers, and what
// comes through a WebSocket. Lengths stay.
func (x *exchange) mask(res *http.Response) {
	if len(x.hidden) == 0 {
		return
	}
	maskFields(res.Header, x.hidden)
	m := &masked{ReadCloser: res.Body, hidden: x.hidden, end: func() { maskFields(res.Trailer, x.hidden) }}
	if t, ok := res.Body.(*tunnel); ok {
		m.ReadCloser, t.Reader = t.through, m
		return
	}
	res.Body = m
}

func maskFields(h http.Header, hidden []string) {
	for _, values := range h {
		for i, v := range values {
			values[i] = maskText(v, hidden)
		}
	}
}

func maskText(text string, hidden []string) string {
	for _, s := range hidden {
		text = strings.ReplaceAll(text, s, strings.Repeat("*", len(s)))
	}
	return text
}

// masked is a body without the hidden texts. It holds back what may be the
// beginning of one, and nothing else.
type masked struct {
	io.ReadCloser
	hidden []string
	end    func()
	ready  []byte // to be given out
	held   []byte // may be the beginning of a hidden text
	err    error
}

func (m *masked) Read(b []byte) (int, error) {
	for len(m.ready) == 0 && m.err == nil {
		m.fill(len(b))
	}
	n := copy(b, m.ready)
	m.ready = m.ready[n:]
	if len(m.ready) > 0 {
		return n, nil
	}
	return n, m.err
}

func (m *masked) fill(room int) {
	fresh := make([]byte, len(m.held)+max(room, 512))
	copy(fresh, m.held)
	n, err := m.ReadCloser.Read(fresh[len(m.held):])
	fresh = fresh[:len(m.held)+n]
	m.err = err
	for _, s := range m.hidden {
		if bytes.Contains(fresh, []byte(s)) {
			fresh = bytes.ReplaceAll(fresh, []byte(s), bytes.Repeat([]byte{'*'}, len(s)))
		}
	}
	keep := 0
	if err == nil {
		keep = beginning(fresh, m.hidden)
	} else {
		m.end()
	}
	m.ready, m.held = fresh[:len(fresh)-keep], fresh[len(fresh)-keep:]
}

// beginning is the length of the longest end of b that begins a hidden text.
func beginning(b []byte, hidden []string) (most int) {
	for _, s := range hidden {
		for n := min(len(s)-1, len(b)); n > most; n-- {
			if string(b[len(b)-n:]) == s[:n] {
				most = n
			}
		}
	}
	return most
}
