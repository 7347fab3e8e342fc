package inference

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// masked stands for a secret in a record.
const masked = "[secret]"

// shapes are the secrets that are known by their look.
var shapes = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i:\bbearer\s+)[A-Za-z0-9._~+/=-]{8,}` +
		`|\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}` +
		`|\bnvapi-[A-Za-z0-9_-]{8,}` +
		`|\bgh[opsur]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}` +
		`|\bhf_[A-Za-z0-9]{20,}|\bxox[a-z]-[A-Za-z0-9-]{10,}` +
		`|\bA(?:KIA|SIA)[A-Z0-9]{16}\b`)
})

// secrets are the keys that were used. It is safe for concurrent use.
type secrets struct {
	mu   sync.RWMutex
	keys []string // protected by mu
}

// shortest is how long a key must be to be looked for in texts: a shorter one
// would blot out words.
const shortest = 6

// add remembers a key.
func (s *secrets) add(key string) {
	if len(key) < shortest {
		return
	}
	html, _ := json.Marshal(key) // a text always can be
	plain := quote(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range []string{key, string(html[1 : len(html)-1]), string(plain[1 : len(plain)-1])} { // as it stands in JSON, too
		if !slices.Contains(s.keys, k) {
			s.keys = append(s.keys, k)
		}
	}
}

// mask is text without secrets, for a record.
func (s *secrets) mask(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, k := range s.keys {
		text = strings.ReplaceAll(text, k, masked)
	}
	return shapes().ReplaceAllString(text, masked)
}

// scrub is what a provider sent, without our keys: one that repeats its
// request's headers must not tell them to the agent.
func (s *secrets) scrub(b []byte) []byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, k := range s.keys {
		if bytes.Contains(b, []byte(k)) {
			b = bytes.ReplaceAll(b, []byte(k), []byte(masked))
		}
	}
	return b
}
