package inference

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// byEveryAPI are the requests for an answer in each API, streamed and not, and
// the form that an error has there.
var byEveryAPI = []struct {
	api, path, body string
	media           string // of what a provider streams for it
	isError         func(body string) bool
}{
	{"ollama", "/api/chat", `{"model":"any","messages":[{"role":"user","content":"hi"}]}`, sseMedia, ofForm(`{"error":"`)},
	{"ollama", "/api/generate", `{"model":"any","prompt":"hi"}`, sseMedia, ofForm(`{"error":"`)},
	{"openai", "/v1/chat/completions", `{"model":"any","messages":[{"role":"user","content":"hi"}]}`, sseMedia, ofForm(`{"error":{"message":"`)},
	{"responses", "/v1/responses", `{"model":"any","input":"hi"}`, sseMedia, ofForm(`{"error":{"message":"`)},
	{"anthropic", "/v1/messages", `{"model":"any","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`, sseMedia, ofForm(`{"type":"error","error":{"type":"`)},
	{"gemini", geminiWhole, `{"contents":[{"parts":[{"text":"hi"}]}]}`, sseMedia, ofForm(`{"error":{"code":`)},
	{"gemini", geminiStream, `{"contents":[{"parts":[{"text":"hi"}]}]}`, sseMedia, ofForm(`{"error":{"code":`)},
	{"count", "/v1/messages/count_tokens", `{"model":"any","messages":[{"role":"user","content":"hi"}]}`, sseMedia, ofForm(`{"type":"error","error":{"type":"`)},
	{"count", "/v1beta/models/any:countTokens", `{"contents":[{"parts":[{"text":"hi"}]}]}`, sseMedia, ofForm(`{"error":{"code":`)},
}

func ofForm(begins string) func(string) bool {
	return func(body string) bool { return strings.HasPrefix(body, begins) && json.Valid([]byte(body)) }
}

// What an agent sends that makes no sense is refused in its own API's form, with
// one record, and no provider is asked.
func TestBadRequestsByEveryAPI(t *testing.T) {
	p := serve(t, says(jsonType, answered))
	for _, a := range byEveryAPI {
		for name, c := range map[string]struct {
			body   string
			status int
			want   string
		}{
			"malformed":           {a.body[:len(a.body)-2], 400, "not JSON"},
			"two values":          {a.body + a.body, 400, "not JSON"},
			"no object":           {`["hi"]`, 400, "not a JSON object"},
			"nothing":             {"", 400, "not JSON"},
			"not UTF-8":           {strings.Replace(a.body, "hi", "h\xff", 1), 400, "not UTF-8"},
			"a key twice":         {`{"stream":false,"stream":true,` + a.body[1:], 400, `keys "stream" and "stream" are the same`},
			"a key in two cases":  {`{"Messages":[],"messages":[],"contents":[],"Contents":[],` + a.body[1:], 400, "are the same to some readers"},
			"larger than allowed": {strings.Replace(a.body, "hi", strings.Repeat("x", 5000), 1), 413, "larger than 4000 bytes"},
		} {
			b := newBench(t, toOpenAI(p.URL)+"limits: {body_bytes: 4000}\n", nil)
			got := b.post(a.path, c.body)
			if got.status != c.status || !a.isError(got.body) || !strings.Contains(got.text(), c.want) {
				t.Errorf("%s, %s: %+v, want %d %s", a.path, name, got, c.status, c.want)
			}
			if call := b.last(); !strings.Contains(call.Error, c.want) || !call.Refused || b.count() != 1 {
				t.Errorf("%s, %s: %d records, %+v", a.path, name, b.count(), call)
			}
		}
	}
	if req, _ := p.asked(); req != nil {
		t.Errorf("asked %s", req.URL)
	}
}

// A provider whose model calls a tool with what is no JSON, by none's name, or
// too often: an error in the agent's own API, where the router takes the answer
// apart. Elsewhere it passes as it came, and the agent judges.
func TestBrokenCallsByEveryAPI(t *testing.T) {
	for name, calls := range map[string]string{
		"arguments": `{"id":"a","function":{"name":"exec","arguments":"{\"command\": \"l"}}`,
		"no object": `{"id":"a","function":{"name":"exec","arguments":"[1]"}}`,
		"no name":   `{"id":"a","function":{"arguments":"{}"}}`,
		"too many":  strings.TrimSuffix(strings.Repeat(`{"id":"a","function":{"name":"x","arguments":"{}"}},`, maxTools+1), ","),
		"same keys": `{"id":"a","function":{"name":"exec","arguments":"{\"command\":\"a\",\"command\":\"b\"}"}}`,
	} {
		answer := map[bool]string{
			false: `{"choices":[{"message":{"content":"x","tool_calls":[` + calls + `]},"finish_reason":"tool_calls"}]}`,
			true:  "data: {\"choices\":[{\"delta\":{\"tool_calls\":[" + calls + "]},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n",
		}
		for _, a := range byEveryAPI {
			if a.api == "openai" || a.api == "count" || a.path == "/api/generate" { // which has no calls
				continue
			}
			for stream, text := range answer {
				media := map[bool]string{false: jsonType, true: sseMedia}[stream]
				b := newBench(t, toOpenAI(serve(t, says(media, text)).URL), nil)
				body := a.body
				if a.api != "gemini" {
					body = strings.Replace(body, "{", map[bool]string{false: `{"stream":false,`, true: `{"stream":true,`}[stream], 1)
				} else if stream != (a.path == geminiStream) {
					continue
				}
				got := b.post(a.path, body)
				if !strings.Contains(got.body, "makes no sense") || got.status != 502 && got.status != 200 || !strings.Contains(b.last().Error, "makes no sense") {
					t.Errorf("%s, %s, stream %v: %+v, recorded %q", a.path, name, stream, got, b.last().Error)
				}
				if got.status == 502 && !a.isError(strings.TrimSpace(got.body)) {
					t.Errorf("%s, %s: %s", a.path, name, got.body)
				}
			}
		}
	}
}

// Whole answers that go wrong are errors in the agent's own API, whichever that
// is, and whatever the provider speaks.
func TestWholeAnswersThatMisbehaveByEveryAPI(t *testing.T) {
	for name, c := range map[string]struct {
		up     http.HandlerFunc
		status int
		want   string
	}{
		"not JSON":    {status(200, jsonType, "{oops"), 502, "not JSON"},
		"cut":         {status(200, jsonType, `{"a":`, "Content-Length", "1000"), 502, "ended before"},
		"nothing":     {status(200, jsonType, `{}`), 502, "makes no sense"},
		"a page":      {status(200, "text/html", "<html>"), 502, "page for people"},
		"an error":    {status(500, jsonType, `{"error":{"message":"CUDA out of memory"}}`), 500, "CUDA out of memory"},
		"too many":    {status(429, jsonType, `{"error":{"message":"slow down"}}`, "Retry-After", "7"), 429, "slow down"},
		"a redirect":  {status(302, "text/html", "", "Location", "https://evil.example/x"), 502, "not followed"},
		"refused key": {status(401, jsonType, `{"error":{"message":"no"}}`), 401, "secret set"},
	} {
		for _, yaml := range []func(string) string{toOpenAI, toAnthropic} {
			for _, a := range byEveryAPI {
				if name == "nothing" && (a.api == "openai" || a.api == "anthropic" || a.api == "count") { // as it came, where both speak the same
					continue
				}
				p := serve(t, c.up)
				b := newBench(t, yaml(p.URL), nil)
				body := a.body
				if a.api != "gemini" && a.api != "count" {
					body = strings.Replace(body, "{", `{"stream":false,`, 1)
				}
				got := b.post(a.path, body)
				if got.status != c.status || !a.isError(strings.TrimSpace(got.body)) || !strings.Contains(got.text(), c.want) || !strings.Contains(b.last().Error, c.want) {
					t.Errorf("%s, %s: %+v, want %d %s", a.path, name, got, c.status, c.want)
				}
				if name == "too many" && got.header.Get("Retry-After") != "7" {
					t.Errorf("%s: Retry-After is %q", a.path, got.header.Get("Retry-After"))
				}
			}
		}
	}
}

// An agent that leaves takes its provider's work with it, at once, in every API.
func TestAgentLeavesByEveryAPI(t *testing.T) {
	for _, a := range byEveryAPI {
		if a.path == geminiWhole || a.api == "count" {
			continue
		}
		left := make(chan time.Time, 1)
		p := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", a.media)
			_, _ = w.Write([]byte(oneEvent))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			left <- time.Now()
		})
		b := newBench(t, toOpenAI(p.URL), nil)
		body := a.body
		if a.api != "gemini" {
			body = strings.Replace(body, "{", `{"stream":true,`, 1)
		}
		ctx, leave := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url+a.path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := resp.Body.Read(make([]byte, 1)); err != nil { // the first part is here
			t.Error(err)
		}
		leave()
		select {
		case <-left:
		case <-time.After(10 * time.Second):
			t.Errorf("%s: the provider goes on", a.path)
		}
		resp.Body.Close()
		if c := b.last(); c.Error != "the agent hung up" || !strings.HasPrefix(c.Answer, "Hel") {
			t.Errorf("%s: %+v", a.path, c)
		}
	}
}

// A model that no route takes is refused in every API, wherever the API has its
// name, and no provider is asked.
func TestUnroutedModelByEveryAPI(t *testing.T) {
	p := serve(t, says(jsonType, answered))
	for _, a := range byEveryAPI {
		b := newBench(t, "routes: [{model: listed, to: nvidia/m}]\nproviders: {nvidia: {url: \""+p.URL+"\"}}\n", nil)
		got := b.post(a.path, a.body)
		if got.status != 404 || !a.isError(strings.TrimSpace(got.body)) || !strings.Contains(got.text(), "is not to be had in this sandbox") || !b.last().Refused || b.last().Asked != "any" {
			t.Errorf("%s: %+v, %+v", a.path, got, b.last())
		}
	}
	if req, _ := p.asked(); req != nil {
		t.Errorf("asked %s", req.URL)
	}
}

// By whatever header or query the agent gives a key of its own, the provider
// sees the router's alone; and a provider that says it back does not tell it.
func TestKeysByEveryAPI(t *testing.T) {
	const key = "nvapi-the-real-key-of-"
	for _, yaml := range []func(string) string{toOpenAI, toAnthropic} {
		for _, a := range byEveryAPI {
			p := serve(t, func(w http.ResponseWriter, r *http.Request) {
				status(500, jsonType, `{"error":{"message":"your key is `+r.Header.Get("Authorization")+r.Header.Get("X-Api-Key")+`"}}`)(w, r)
			})
			b := newBench(t, yaml(p.URL), nil)
			path := a.path + "?key=agents-own"
			if strings.Contains(a.path, "?") {
				path = a.path + "&key=agents-own"
			}
			got := b.post(path, a.body, "Authorization", "Bearer agents-own", "X-Api-Key", "agents-own", "X-Goog-Api-Key", "agents-own",
				"Api-Key", "agents-own", "Cookie", "a=agents-own", "Proxy-Authorization", "agents-own", "Openai-Project", "agents-own", "X-Goog-User-Project", "agents-own")
			req, asked := p.asked()
			var sent strings.Builder
			_ = req.Header.Write(&sent)
			if strings.Contains(req.URL.String()+sent.String()+asked, "agents-own") || !strings.Contains(sent.String(), key) {
				t.Errorf("%s: %s %s", a.path, req.URL, sent.String())
			}
			if strings.Contains(got.body, key) || !strings.Contains(got.body, masked) || strings.Contains(b.last().Error, key) {
				t.Errorf("%s: %+v", a.path, got)
			}
		}
	}
}

// A body that is too large is refused before it is read, and one that does not
// say how large it is no later than at the bound.
func TestGigabyteBody(t *testing.T) {
	for _, a := range byEveryAPI {
		b := newBench(t, toOpenAI("http://127.0.0.1:1")+"limits: {body_bytes: 100000}\n", nil)
		conn := open(t, b.router)
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n{", a.path, 1<<30)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Fatalf("%s: %v %v", a.path, resp, err)
		}
		endless := open(t, b.router)
		sent := make(chan int)
		go func() {
			n := 0
			part := "10000\r\n" + strings.Repeat(" ", 0x10000) + "\r\n"
			_, err := fmt.Fprintf(endless, "POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", a.path)
			for err == nil && n < 1<<30 {
				var m int
				m, err = io.WriteString(endless, part)
				n += m
			}
			sent <- n
		}()
		resp, err = http.ReadResponse(bufio.NewReader(endless), nil)
		if err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Fatalf("%s: %v %v", a.path, resp, err)
		}
		if n := <-sent; n > 64<<20 {
			t.Errorf("%s: %d bytes were taken", a.path, n)
		}
	}
}
