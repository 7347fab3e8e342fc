package model

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/test/model/server"
	"github.com/nemoclaw/nemoclaw/test/model/tiny"
)

// What the models say: see package tiny.
const (
	Sentence   = tiny.Sentence
	Command    = tiny.Command
	Confession = tiny.Confession
)

// Ollama starts the real Ollama with tiny.Tiny, tiny.Rogue and more, and returns its URL.
// It ends with the test.
func Ollama(t testing.TB, more ...tiny.Model) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := server.Ollama(ctx, t.TempDir(), 0, append([]tiny.Model{tiny.Tiny(), tiny.Rogue()}, more...)...)
	if errors.Is(err, server.ErrNoOllama) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s.URL
}
