package inference

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// A provider that fails is left alone after some times; the one behind it
// answers without a detour, and the operator's look at it opens the way again.
func TestBreaker(t *testing.T) {
	var works atomic.Bool
	first := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !works.Load() {
			status(500, jsonType, `{"error":{"message":"no memory"}}`)(w, r)
			return
		}
		says(jsonType, `{"data":[],"choices":[{"message":{"content":"first"},"finish_reason":"stop"}]}`)(w, r)
	})
	second := serve(t, says(jsonType, `{"choices":[{"message":{"content":"second"},"finish_reason":"stop"}]}`))
	yaml := fmt.Sprintf("routes: [{model: alone, to: main/big}, {model: \"*\", to: [main/big, backup/small]}]\nproviders: {main: {url: %q}, backup: {url: %q}}\n", first.URL, second.URL)
	b := newBench(t, yaml, nil)
	for range failures {
		if got := b.post("/v1/chat/completions", hello); !strings.Contains(got.body, "second") {
			t.Fatalf("%+v", got)
		}
	}
	if c := b.last(); len(c.Steps) != 1 || c.Steps[0].Given != "main/big" || c.Steps[0].Status != 500 || !strings.Contains(c.Steps[0].Error, "no memory") {
		t.Errorf("%+v", c.Steps)
	}
	b.post("/v1/chat/completions", hello)
	if c := b.last(); len(first.all()) != failures || !strings.Contains(c.Steps[0].Error, "not asked again for 10s") {
		t.Errorf("asked %d times; %+v", len(first.all()), c.Steps)
	}
	alone := strings.Replace(hello, `"any"`, `"alone"`, 1)
	if got := b.post("/v1/chat/completions", alone); got.status != 500 || got.header.Get("Retry-After") == "" || !strings.Contains(got.text(), "no memory") {
		t.Errorf("%+v", got)
	}
	works.Store(true)
	if h := b.router.Probe(t.Context()); !h.Connected {
		t.Errorf("%+v", h)
	}
	if got := b.post("/v1/chat/completions", alone); got.status != 200 {
		t.Errorf("%+v", got)
	}
}

// What a provider refuses by its own rules is no failure of it.
func TestBreakerCountsFailuresAlone(t *testing.T) {
	for name, up := range map[string]http.HandlerFunc{
		"too many": status(429, jsonType, `{"error":"slow down"}`), "bad request": status(400, jsonType, `{"error":"bad"}`), "key": status(401, jsonType, `{"error":"no"}`),
	} {
		p := serve(t, up)
		b := newBench(t, toOllama(p.URL), nil)
		for range failures + 3 {
			b.post("/api/chat", hello)
		}
		if len(p.got) != failures+3 {
			t.Errorf("%s: asked %d times", name, len(p.got))
		}
	}
}

// After its rest one call tries a provider: one, while others are still kept
// away.
func TestBreakerTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := &breakers{}
		u, _ := url.Parse("http://a")
		b := all.of(policy.Target{Provider: "a", URL: u})
		end := func(how error) {
			t.Helper()
			done, no := b.enter()
			if no != nil {
				t.Fatal(no)
			}
			done(refuse(503, "provider_down", "gone"), how)
		}
		for range failures {
			end(errNeither) // says nothing
			end(errFailed)
		}
		if _, no := b.enter(); no == nil || !b.isOpen() || no.retry != restTime || !strings.HasPrefix(no.text, "gone (") {
			t.Errorf("%+v", no)
		}
		time.Sleep(restTime + time.Millisecond)
		done, no := b.enter()
		if no != nil {
			t.Fatal(no)
		}
		if _, other := b.enter(); other == nil {
			t.Error("two calls try at once")
		}
		done(nil, errFailed)
		if _, no := b.enter(); no == nil {
			t.Error("a failed try opened it")
		}
		time.Sleep(restTime + time.Millisecond)
		end(nil)
		end(nil)
		if other, _ := url.Parse("http://b"); all.of(policy.Target{Provider: "a", URL: other}) == b {
			t.Error("another address has the failures of the old one")
		}
	})
}

// The agent gets the end of its answer although the disk hangs, and what it is
// told of calls is whole again when that goes on; the book gets each call.
func TestSlowLogHoldsNothingUp(t *testing.T) {
	p := serve(t, stream(ndMedia, false, oneLine, `{"message":{"content":"lo"},"done":true,"prompt_eval_count":1,"eval_count":2}`+"\n"))
	read, slow := io.Pipe() // nobody reads: a disk that hangs
	var recorded atomic.Int64
	b := newBench(t, toOllama(p.URL), func(c *Config) {
		c.Log = slow
		c.Record = func(Call) { recorded.Add(1) }
	})
	b.router.logging.most = 1 // one waits, the others are left out
	for range 3 {
		if got := b.post("/api/chat", hello); got.status != 200 || !strings.Contains(got.body, `"done":true`) {
			t.Fatalf("%+v", got)
		}
	}
	b.busy.Wait()
	b.router.writing.wait()
	if recorded.Load() != 3 {
		t.Errorf("%d calls recorded", recorded.Load())
	}
	var lines []byte
	got := make(chan struct{})
	go func() {
		defer close(got)
		lines, _ = io.ReadAll(read)
	}()
	b.router.Drain()
	b.post("/api/chat", hello)
	b.busy.Wait()
	b.router.Drain()
	slow.Close()
	<-got
	if text := string(lines); strings.Count(text, "\n") != 3 || !strings.Contains(text, "2 calls are missing here") {
		t.Errorf("%s", text)
	}
}

// The keeper of the keys is asked once in a while, not by each call; a key that
// the provider refuses is asked for again.
func TestKeyring(t *testing.T) {
	asked, value, gone := 0, "first", false
	k := &keyring{get: func(string) ([]byte, error) {
		asked++
		if gone {
			return nil, io.EOF
		}
		return []byte(value), nil
	}}
	now := time.Now()
	want := func(older bool, want string, times int) {
		t.Helper()
		got, err := k.key("nvidia", now, older)
		if string(got) != want || asked != times || (err != nil) != (want == "") {
			t.Errorf("%q, %v, asked %d times", got, err, asked)
		}
	}
	want(false, "first", 1)
	want(false, "first", 1)
	value = "second"
	now = now.Add(fresh)
	want(false, "second", 2)
	value = "third"
	k.forget("nvidia")
	want(false, "third", 3)
	gone, now = true, now.Add(fresh)
	want(true, "third", 4) // a call that began when the policy still named it
	want(false, "", 5)
	want(true, "", 6)
}

// A model that calls its tools wrongly is no server that fails: it is asked again.
func TestAModelsMistakesRestNoProvider(t *testing.T) {
	p := serve(t, says(jsonType, `{"model":"m","choices":[{"message":{"tool_calls":[{"id":"1","function":{"name":"exec","arguments":"{"}}]},"finish_reason":"tool_calls"}]}`))
	b := newBench(t, toOpenAI(p.URL), nil)
	for range 8 {
		if got := b.post(chatPath, `{"model":"any","messages":[]}`); got.status != 502 || !strings.Contains(got.body, "no JSON object") {
			t.Fatalf("%+v", got)
		}
	}
	if len(p.got) != 8 {
		t.Errorf("asked %d times", len(p.got))
	}
}
