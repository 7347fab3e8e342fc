package inference

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// stream answers with parts, each flushed, and then waits for the client to
// leave if it must hang.
func stream(media string, hang bool, parts ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", media)
		for _, p := range parts {
			_, _ = io.WriteString(w, p)
			w.(http.Flusher).Flush()
		}
		if hang {
			<-r.Context().Done()
		}
	}
}

// broken sends a part of an answer and cuts the connection.
func broken(media, part string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		_, _ = io.WriteString(w, part)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func endless(media, line string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", media)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, line); err != nil {
				return
			}
		}
	}
}

func status(code int, media, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.Header().Set("Content-Type", media)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

const (
	oneLine  = `{"model":"qwen3:8b","message":{"role":"assistant","content":"Hel"},"done":false}` + "\n"
	oneEvent = `data: {"model":"m","choices":[{"index":0,"delta":{"content":"Hel"}}]}` + "\n\n"
	ndMedia  = "application/x-ndjson"
	sseMedia = "text/event-stream"
)

// Each way of a provider to go wrong is a clear error in the agent's own API,
// at the head where nothing was passed on, else as the stream's last element;
// and one record.
func TestProvidersThatMisbehave(t *testing.T) {
	for name, c := range map[string]struct {
		nd, sse http.HandlerFunc // as an Ollama, and as an OpenAI
		status  int
		want    string
		got     string // what was passed on before
	}{
		"web page":                      {status(200, "text/html", "<html>hello</html>"), status(200, "text/html; charset=utf-8", "<html>hello</html>"), 502, "page for people", ""},
		"web page of an error":          {status(502, "text/html", "<html>bad gateway</html>"), status(502, "text/html", "<html>"), 502, "answered 502, with no error in the form of its API", ""},
		"error":                         {status(500, jsonType, `{"error":"CUDA out of memory"}`), status(500, jsonType, `{"error":{"message":"CUDA out of memory"}}`), 500, "CUDA out of memory", ""},
		"detail":                        {status(422, jsonType, `{"detail":[{"msg":"bad tools"}]}`), status(422, jsonType, `{"detail":"bad tools"}`), 422, "bad tools", ""},
		"too many":                      {status(429, jsonType, `{"error":"slow down"}`, "Retry-After", "7"), status(429, jsonType, `{"error":{"message":"slow down"}}`, "Retry-After", "7"), 429, "slow down", ""},
		"redirect":                      {status(302, "text/html", "", "Location", "https://evil.example/x?key=1"), status(307, "text/html", "", "Location", "https://evil.example/x"), 502, "redirect to https://evil.example, which is not followed", ""},
		"refused key":                   {status(401, jsonType, `{"error":"no"}`), status(401, jsonType, `{"error":{"message":"no"}}`), 401, "answered 401: no", ""},
		"encoded":                       {status(200, ndMedia, "\x1f\x8b", "Content-Encoding", "gzip"), status(200, sseMedia, "\x1f\x8b", "Content-Encoding", "gzip"), 502, "encoded answer", ""},
		"not JSON":                      {stream(ndMedia, false, "{oops}\n"), stream(sseMedia, false, "data: {oops}\n\n"), 502, "not JSON", ""},
		"not UTF-8":                     {stream(ndMedia, false, "{\"message\":{\"content\":\"\xff\"}}\n"), stream(sseMedia, false, "data: {\"x\":\"\xff\"}\n\n"), 502, "not UTF-8", ""},
		"a key twice":                   {stream(ndMedia, false, `{"message":{"content":"Hel","content":"lo"}}`+"\n"), stream(sseMedia, false, `data: {"choices":[{"delta":{"content":"Hel","Content":"lo"}}]}`+"\n\n"), 502, "are the same to some readers", ""},
		"a line that clients pass over": {stream(ndMedia, false, "\ufeff"+oneLine), stream(sseMedia, false, "\ufeff"+oneEvent), 502, "is no part of a stream", ""},
		"another API's line":            {stream(ndMedia, false, oneLine, "data: "+oneLine), stream(sseMedia, false, oneEvent, oneLine), 200, "is no part of a stream", "Hel"},
		"broken arguments": {
			stream(ndMedia, false, oneLine, `{"message":{"tool_calls":[{"function":{"name":"exec","arguments":"{\"a\":"}}]},"done":true}`+"\n"),
			stream(sseMedia, false, oneEvent, `data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"1","function":{"name":"exec","arguments":"{\"a\""}}]}}]}`+"\n\n", `data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":":"}}]}}]}`+"\n\n", `data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}`+"\n\ndata: [DONE]\n\n"),
			200, `the arguments for tool "exec" are no JSON object`, "Hel",
		},
		"nothing":        {stream(ndMedia, false), stream(sseMedia, false), 502, "ended before it was complete", ""},
		"not JSON later": {stream(ndMedia, false, oneLine, "{oops}\n"), stream(sseMedia, false, oneEvent, "data: {oops}\n\n"), 200, "not JSON", "Hel"},
		"ends early":     {stream(ndMedia, false, oneLine), stream(sseMedia, false, oneEvent), 200, "ended before it was complete", "Hel"},
		"cut":            {broken(ndMedia, oneLine), broken(sseMedia, oneEvent), 200, "ended before it was complete", "Hel"},
		"cut in a line":  {broken(ndMedia, oneLine+`{"mess`), broken(sseMedia, oneEvent+`data: {"cho`), 200, "ended before it was complete", "Hel"},
		"silent":         {stream(ndMedia, true), stream(sseMedia, true), 504, "nothing came for", ""},
		"silent later":   {stream(ndMedia, true, oneLine), stream(sseMedia, true, oneEvent), 200, "nothing came for", "Hel"},
		"endless":        {endless(ndMedia, oneLine), endless(sseMedia, oneEvent), 200, "longer than 65536 bytes", "Hel"},
		"endless line":   {endless(ndMedia, "{"), endless(sseMedia, "data:"), 502, "longer than 65536 bytes", ""},
		"own error":      {stream(ndMedia, false, oneLine, `{"error":"runner died"}`+"\n"), stream(sseMedia, false, oneEvent, `data: {"error":{"message":"runner died"}}`+"\n\n"), 200, "runner died", "Hel"},
	} {
		t.Run(name, func(t *testing.T) {
			for kind, up := range map[string]http.HandlerFunc{"ollama": c.nd, "openai": c.sse, "translated": c.sse, "messages": c.sse, "responses": c.sse, "gemini": c.sse} {
				t.Run(kind, func(t *testing.T) { misbehave(t, kind, up, c.status, c.want, c.got) })
			}
		})
	}
}

func misbehave(t *testing.T, kind string, up http.HandlerFunc, status int, want, said string) {
	p := serve(t, up)
	yaml, path := toOpenAI(p.URL), "/api/chat"
	switch kind {
	case "ollama":
		yaml = toOllama(p.URL)
	case "openai":
		path = "/v1/chat/completions"
	case "messages":
		path = "/v1/messages"
	case "responses":
		path = "/v1/responses"
	case "gemini":
		path = geminiStream
	}
	b := newBench(t, yaml, nil)
	b.misled(path, status, want, said)
}

// misled makes a call that goes wrong, and checks what the agent is told and
// what is recorded.
func (b *bench) misled(path string, status int, want, said string) {
	b.Helper()
	t := b.T
	b.router.answer = 65536
	if strings.Contains(want, "nothing came") { // else a busy machine would be the cause
		b.use(b.yaml + "limits: {idle: 200ms}\n")
	}
	got := b.post(path, hiBy(path))
	call := b.last()
	if got.status != status || call.Status != status {
		t.Errorf("status %d, recorded %d, want %d: %.300s", got.status, call.Status, status, got.body)
	}
	if !strings.Contains(call.Error, want) || !strings.HasPrefix(call.Answer, said) {
		t.Errorf("recorded %q after %.50q, want %q after %q", call.Error, call.Answer, want, said)
	}
	text, final := got.text(), got.body
	if status == 200 {
		lines := strings.Split(strings.TrimSpace(got.body), "\n")
		final = lines[len(lines)-1]
		data, isEvent := strings.CutPrefix(final, "data: ")
		if isEvent == strings.HasPrefix(path, "/api") {
			t.Errorf("last element %.200q", final)
		}
		text = reply{body: data}.text()
		if path == "/v1/responses" {
			text = b.failedResponse(got.body)
		}
	}
	if !strings.Contains(text, want) {
		t.Errorf("the agent is told %q by %.300q, want %q", text, final, want)
	}
	if strings.Contains(got.body, "evil.example/x") {
		t.Error("the redirect's path reached the agent")
	}
}

// geminiStream is Gemini's API as its clients stream by it.
const geminiStream = "/v1beta/models/any:streamGenerateContent?alt=sse"

// hiBy is a request for a streamed answer.
func hiBy(path string) string {
	switch path {
	case "/v1/responses":
		return `{"model":"any","stream":true,"input":"hi"}`
	case geminiStream:
		return `{"contents":[{"parts":[{"text":"hi"}]}]}`
	}
	return `{"model":"any","stream":true,"messages":[{"role":"user","content":"hi"}]}`
}

// failedResponse is the error by which a stream of OpenAI's responses ends: the
// event that its clients heed, and the failed response; both say the same.
func (b *bench) failedResponse(stream string) string {
	b.Helper()
	_, last, _ := strings.Cut(stream, "event: error\ndata: ")
	first, second, _ := strings.Cut(last, "\n\nevent: response.failed\ndata: ")
	var e struct{ Message string }
	var f struct {
		Response struct{ Error struct{ Message string } }
	}
	if json.Unmarshal([]byte(first), &e) != nil || json.Unmarshal([]byte(second), &f) != nil || e.Message != f.Response.Error.Message {
		b.Errorf("the stream ends with %q and %q", first, second)
	}
	return e.Message
}

// Whole answers go wrong in ways of their own.
func TestWholeAnswersThatMisbehave(t *testing.T) {
	for name, c := range map[string]struct {
		up   http.HandlerFunc
		want string
	}{
		"not JSON":  {status(200, jsonType, "{oops"), "not JSON"},
		"not UTF-8": {status(200, jsonType, "{\"a\":\"\xff\"}"), "not JSON"},
		"cut":       {status(200, jsonType, `{"a":`, "Content-Length", "1000"), "ended before"},
		"too long":  {endless(jsonType, " "), "longer than"},
		"silent":    {stream(jsonType, true, "{"), "nothing came"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, toOpenAI(serve(t, c.up).URL), nil)
			b.router.answer = 65536
			if c.want == "nothing came" {
				b.use(b.yaml + "limits: {idle: 200ms}\n")
			}
			for _, path := range []string{"/v1/chat/completions", "/v1/embeddings"} {
				got := b.post(path, `{"model":"any","input":"x"}`)
				if got.status < 500 || !strings.Contains(got.text(), c.want) || !strings.Contains(b.last().Error, c.want) {
					t.Errorf("%s: %d %s", path, got.status, got.body)
				}
			}
		})
	}
}

// Each part reaches the agent while the provider is still at the next one.
func TestStreamsAsItArrives(t *testing.T) {
	for _, c := range []struct {
		yaml, path, media string
		parts             []string
	}{
		{"ollama", "/api/chat", ndMedia, []string{oneLine, `{"done":true,"eval_count":1}` + "\n"}},
		{"openai", "/v1/chat/completions", sseMedia, []string{oneEvent, "data: [DONE]\n\n"}},
		{"openai", "/api/chat", sseMedia, []string{oneEvent, "data: [DONE]\n\n"}},
		{"openai", "/v1/messages", sseMedia, []string{oneEvent, "data: [DONE]\n\n"}},
		{"anthropic", "/v1/messages", sseMedia, []string{anthropicEvent, eventsOf(messageStop)}},
		{"anthropic", "/v1/chat/completions", sseMedia, []string{anthropicEvent, eventsOf(messageStop)}},
		{"anthropic", "/api/chat", sseMedia, []string{anthropicEvent, eventsOf(messageStop)}},
	} {
		next := make(chan struct{})
		p := serve(t, func(w http.ResponseWriter, r *http.Request) {
			stream(c.media, false, c.parts[0])(w, r)
			<-next
			stream(c.media, false, c.parts[1])(w, r)
		})
		yaml := toOllama(p.URL)
		switch c.yaml {
		case "openai":
			yaml = toOpenAI(p.URL)
		case "anthropic":
			yaml = toAnthropic(p.URL)
		}
		b := newBench(t, yaml, nil)
		resp, err := http.Post(b.url+c.path, jsonType, strings.NewReader(`{"model":"any","stream":true,"messages":[{"role":"user","content":"x"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		begun, line := bufio.NewReader(resp.Body), ""
		for err == nil && !strings.Contains(line, "Hel") {
			line, err = begun.ReadString('\n')
		}
		if err != nil {
			t.Errorf("%s %s: %q %v", c.yaml, c.path, line, err)
		}
		close(next)
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Error(err)
		}
		resp.Body.Close()
		if call := b.last(); call.Answer != "Hel" || call.Error != "" {
			t.Errorf("%+v", call)
		}
	}
}

// A client that leaves ends the provider's work at once.
func TestHangingUpReachesTheProvider(t *testing.T) {
	for _, early := range []bool{true, false} {
		started, ended := make(chan struct{}), make(chan struct{})
		p := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if !early {
				stream(ndMedia, false, oneLine)(w, r)
			}
			close(started)
			<-r.Context().Done()
			close(ended)
		})
		b := newBench(t, toOllama(p.URL), nil)
		ctx, leave := context.WithCancel(t.Context())
		t.Cleanup(leave)
		if early {
			go func() {
				<-started
				leave()
			}()
		}
		req, _ := http.NewRequestWithContext(ctx, "POST", b.url+"/api/chat", strings.NewReader(hello))
		if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
			if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
				t.Error(err)
			}
			leave()
			resp.Body.Close()
		}
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			t.Fatal("the provider works on")
		}
		want := 200
		if early {
			want = statusHungUp
		}
		if c := b.last(); c.Status != want || c.Error != "the agent hung up" {
			t.Errorf("early %v: %+v", early, c)
		}
	}
}
