package inference

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

// Who watches sees a call while it is answered: that it began, its first words
// at once, and its end, after which the record has it; with log: metadata, no
// words. Secrets are masked on this road too.
func TestUnderway(t *testing.T) {
	for _, full := range []bool{true, false} {
		next := make(chan struct{})
		p := serve(t, func(w http.ResponseWriter, r *http.Request) {
			stream(sseMedia, false, `data: {"choices":[{"delta":{"content":"nvapi-the-real-key-of-nvidia Hel"}}]}`+"\n\n")(w, r)
			<-next
			stream(sseMedia, false, "data: [DONE]\n\n")(w, r)
		})
		told := make(chan Underway, 100)
		yaml := toOpenAI(p.URL)
		if !full {
			yaml += "log: metadata\n"
		}
		b := newBench(t, yaml, func(c *Config) {
			c.Underway = func(build func() Underway) { told <- build() }
		})
		resp, err := http.Post(b.url+"/v1/chat/completions", jsonType, strings.NewReader(`{"model":"any","stream":true,"messages":[{"role":"user","content":"the question"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		began, spoke := <-told, <-told
		if began.Call.Given != "nvidia/meta/llama-3.1-8b" || began.Call.Answer != "" || began.Ended || began.Call.Prompt != "" {
			t.Errorf("at its beginning: %+v", began)
		}
		said := spoke.Call.Answer
		if spoke.ID != began.ID || strings.HasSuffix(said, "Hel") != full || strings.Contains(said, "real-key") {
			t.Errorf("log full %v: the first words: %+v", full, spoke)
		}
		close(next)
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Error(err)
		}
		resp.Body.Close()
		last := <-told
		for !last.Ended {
			last = <-told
		}
		if last.ID != began.ID || strings.HasSuffix(last.Call.Answer, "Hel") != full {
			t.Errorf("at its end: %+v", last)
		}
	}
}

func TestEnding(t *testing.T) {
	for s, want := range map[string]string{"": "", "abc": "abc", "abcdef": "cdef", "éééé": "éé", "xéé\u20ac": "€"} {
		if got := ending(s, 4); got != want || !utf8.ValidString(got) {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}
