package inference

import (
	"context"
	"net"
	"strings"
	"testing"
)

// Arguments that are none are an error of the answer, also where both sides speak
// the same API; those of an answer that was cut at its limit pass as they came,
// since it says so itself.
func TestBrokenArgumentsOfOneAPI(t *testing.T) {
	const (
		openaiCall = `{"model":"m","choices":[{"message":{"tool_calls":[{"id":"1","function":{"name":"exec","arguments":"{\"a\":"}}]},"finish_reason":"REASON"}]}`
		ollamaCall = `{"model":"m","message":{"tool_calls":[{"function":{"name":"exec","arguments":[1]}}]},"done":true,"done_reason":"REASON"}`
		itemCall   = `{"model":"m","status":"REASON","output":[{"type":"function_call","name":"exec","arguments":"{"}]}`
		customCall = `{"model":"m","status":"completed","output":[{"type":"custom_tool_call","name":"exec","input":"{"}]}`
		blockCall  = `{"type":"message","model":"m","content":[{"type":"tool_use","id":"1","name":"exec","input":[1]}],"stop_reason":"REASON"}`
	)
	for _, c := range []struct{ path, up, reason, want string }{
		{chatPath, openaiCall, "tool_calls", "no JSON object"},
		{chatPath, openaiCall, "length", ""},
		{"/api/chat", ollamaCall, "stop", "no JSON object"},
		{"/api/chat", ollamaCall, "length", ""},
		{"/v1/messages", blockCall, "tool_use", "no JSON object"},
		{"/v1/messages", blockCall, "max_tokens", ""},
		{"/v1/responses", itemCall, "completed", "no JSON object"},
		{"/v1/responses", itemCall, "incomplete", ""},
		{"/v1/responses", customCall, "", ""}, // a text of any kind
	} {
		up := strings.Replace(c.up, "REASON", c.reason, 1)
		p := serve(t, says(jsonType, up))
		itself := func(string) string {
			return "routes: [{model: \"*\", to: \"openai/gpt-x\"}]\nproviders: {openai: {url: \"http://api.openai.com/v1\"}}\n"
		}
		yaml := map[string]func(string) string{chatPath: toOpenAI, "/api/chat": toOllama, "/v1/messages": toAnthropic, "/v1/responses": itself}[c.path](p.URL)
		b := newBench(t, yaml, nil)
		b.router.transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, strings.TrimPrefix(p.URL, "http://"))
		}
		got := b.post(c.path, `{"model":"any","stream":false,"max_tokens":9,"input":"x","messages":[{"role":"user","content":"hi"}]}`)
		last := b.last()
		if c.want == "" && (got.status != 200 || last.Error != "" || !strings.Contains(got.body, `"exec"`)) {
			t.Errorf("%s, %s: %+v; %+v", c.path, c.reason, got, last)
		}
		if c.want != "" && (got.status != 502 || !strings.Contains(got.text(), c.want) || !strings.Contains(last.Error, c.want)) {
			t.Errorf("%s, %s: %+v; %+v", c.path, c.reason, got, last)
		}
	}
}
