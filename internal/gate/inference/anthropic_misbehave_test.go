package inference

import (
	"net/http"
	"strings"
	"testing"
)

// Each way of a provider that speaks Anthropic's API to go wrong is a clear
// error in the agent's own API, whichever that is.
func TestAnthropicsThatMisbehave(t *testing.T) {
	first, second, _ := strings.Cut(helloEvents, `"lo"`)
	begun := first[:strings.LastIndex(first, "event:")]
	if second == "" || !strings.Contains(begun, "Hel") {
		t.Fatal(begun)
	}
	overloaded := eventsOf(`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`)
	cut := eventsOf(`{"type":"content_block_stop","index":0}`,
		`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"exec","input":{}}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}`,
		`{"type":"content_block_stop","index":1}`, `{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":9}}`, `{"type":"message_stop"}`)
	for name, c := range map[string]struct {
		up     http.HandlerFunc
		status int
		want   string
		got    string // what was passed on before
	}{
		"overloaded":       {status(529, jsonType, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`), 529, "answered 529: Overloaded", ""},
		"refused key":      {status(401, jsonType, `{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}`), 401, "secret set anthropic", ""},
		"redirect":         {status(302, "text/html", "", "Location", "https://evil.example/x"), 502, "redirect to https://evil.example, which is not followed", ""},
		"web page":         {status(200, "text/html", "<html>hello</html>"), 502, "page for people", ""},
		"not JSON":         {stream(sseMedia, false, "event: message_start\ndata: {oops}\n\n"), 502, "not JSON", ""},
		"not UTF-8":        {stream(sseMedia, false, "data: {\"x\":\"\xff\"}\n\n"), 502, "not UTF-8", ""},
		"nothing":          {stream(sseMedia, false), 502, "ended before it was complete", ""},
		"silent":           {stream(sseMedia, true), 504, "nothing came for", ""},
		"not JSON later":   {stream(sseMedia, false, begun, "data: {oops}\n\n"), 200, "not JSON", "Hel"},
		"ends early":       {stream(sseMedia, false, begun), 200, "ended before it was complete", "Hel"},
		"without a stop":   {stream(sseMedia, false, begun, eventsOf(messageDelta)), 200, "ended before it was complete", "Hel"},
		"cut":              {broken(sseMedia, begun), 200, "ended before it was complete", "Hel"},
		"cut in a line":    {broken(sseMedia, begun+"event: content_block_delta\ndata: {\"ty"), 200, "ended before it was complete", "Hel"},
		"silent later":     {stream(sseMedia, true, begun), 200, "nothing came for", "Hel"},
		"pings, endless":   {endless(sseMedia, eventsOf(aPing)), 0, "longer than 65536 bytes", ""},
		"error at once":    {stream(sseMedia, false, overloaded), 502, "Overloaded", ""},
		"broken arguments": {stream(sseMedia, false, begun, cut), 200, `the arguments for tool "exec" are no JSON object`, "Hel"},
		"own error":        {stream(sseMedia, false, begun, overloaded), 200, "Overloaded", "Hel"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/v1/messages", "/v1/chat/completions", "/api/chat", "/v1/responses", geminiStream} {
				t.Run(path, func(t *testing.T) {
					b := newBench(t, toAnthropic(serve(t, c.up).URL), nil)
					want := c.status
					if want == 0 {
						want = http.StatusBadGateway
						if path == "/v1/messages" {
							want = http.StatusOK // pings were passed on
						}
					}
					b.misled(path, want, c.want, c.got)
				})
			}
		})
	}
}

// What an Anthropic says of itself before anything was passed on lets another
// provider answer.
func TestAnthropicFallsBack(t *testing.T) {
	bad := serve(t, status(529, jsonType, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`))
	good := serve(t, says(sseMedia, toolEvents))
	yaml := `routes: [{model: "*", to: [anthropic/claude, backup/small]}]` + "\nproviders: {anthropic: {url: \"" + bad.URL + "\", key: anthropic}, backup: {url: \"" + good.URL + "\"}}\n"
	b := newBench(t, yaml, nil)
	got := b.post("/v1/messages", askMessages)
	if got.status != 200 || !strings.HasSuffix(got.body, "data: {\"type\":\"message_stop\"}\n\n") {
		t.Errorf("%+v", got)
	}
	if c := b.last(); c.Given != "backup/small" || c.Error != "" || b.count() != 1 {
		t.Errorf("%+v", c)
	}
}
