package inference

import (
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/test/internet"
)

// After a sleep an answer that nobody gives any more ends with an error that names
// the provider; one that is merely slow goes on.
func TestWake(t *testing.T) {
	began, woken := make(chan net.Conn), make(chan struct{})
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		half := strings.SplitAfter(sse, "\n\n")
		said := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + half[0]
		_, _ = c.Write([]byte(said))
		began <- c
		<-woken
		_, _ = c.Write([]byte(strings.Join(half[1:], "")))
	})
	b := newBench(t, toOpenAI(up.URL+"/v1"), nil)
	answers := make(chan reply, 2)
	ask := func() net.Conn {
		go func() {
			answers <- b.post("/v1/chat/completions", `{"model":"any","stream":true,"messages":[{"role":"user","content":"hi"}]}`)
		}()
		return <-began
	}
	internet.Deafen(t, ask())
	ask()
	if n := b.router.Wake(t.Context()); n != 1 {
		t.Errorf("%d are gone", n)
	}
	dead := <-answers
	close(woken)
	alive := <-answers
	if !strings.Contains(dead.body, "error") || strings.Contains(dead.body, "[DONE]") || !strings.Contains(dead.body, "nvidia") {
		t.Errorf("of the dead one: %q", dead.body)
	}
	if !strings.Contains(alive.body, "[DONE]") {
		t.Errorf("of the living one: %q", alive.body)
	}
	for len(b.router.reached.All()) != 0 {
		runtime.Gosched() // they are listed until they are closed, after the answer
	}
}
