package inference

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

const token = `data: {"id":"chatcmpl-123","object":"chat.completion.chunk","created":1764270000,"model":"m","system_fingerprint":"fp","choices":[{"index":0,"delta":{"role":"assistant","content":" word7"},"finish_reason":null}]}` + "\n"

// BenchmarkLine is what the router does for one element of a stream that passes
// unchanged, but for reading and sending it.
func BenchmarkLine(b *testing.B) {
	r := New(Config{Policy: func() *policy.Inference { return nil }})
	r.secrets.add("nvapi-the-real-key-of-somebody")
	x := &exchange{router: r, w: httptest.NewRecorder(), began: time.Now(), sent: true}
	s := &same{exchange: x}
	line := []byte(token)
	b.ReportAllocs()
	for b.Loop() {
		l := r.secrets.scrub(line)
		if _, err := s.line(l, payloadOf(l)); err != nil {
			b.Fatal(err)
		}
		x.tally = tally{}
	}
}
