package inference

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// asMessages sends one request of Anthropic's API through to a provider that speaks
// OpenAI's, and gives what that was asked and what the agent got.
func asMessages(t *testing.T, yaml func(string) string, path, request, answer string) (asked string, got reply, c Call) {
	t.Helper()
	media := jsonType
	if strings.HasPrefix(answer, "data:") {
		media = sseMedia
	}
	p := serve(t, says(media, answer))
	b := newBench(t, yaml(p.URL)+fetchAllowed, nil)
	got = b.post("/v1/messages?beta=true", request, "Anthropic-Version", "2023-06-01", "Anthropic-Beta", "x")
	req, asked := p.asked()
	if req != nil && (req.URL.String() != path || req.Header.Get("Anthropic-Beta") != "") {
		t.Errorf("asked at %s with %v", req.URL, req.Header)
	}
	return asked, got, b.last()
}

const chatPath = "/v1/chat/completions"

// What becomes of a request of Anthropic's API.
func TestMessagesForChat(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"plain": {`{"model":"any","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}`,
			`{"model":"meta/llama-3.1-8b","stream":false,"max_tokens":100,"messages":[{"role":"user","content":"hi"}]}`},
		"what Claude Code sends": {`{"model":"any","max_tokens":32000,"stream":true,"thinking":{"type":"adaptive","display":"omitted"},"metadata":{"user_id":"u"},
			"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]},"output_config":{"effort":"high"},
			"system":[{"type":"text","text":"a"},{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}],
			"tools":[{"name":"Bash","description":"run","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral"}},{"name":"Later","description":"x","input_schema":{"type":"object"},"defer_loading":true}],
			"messages":[{"role":"user","content":[{"type":"text","text":"note"},{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]},{"role":"system","content":[{"type":"text","text":"env"}],"output_config":{"effort":"medium"}}]}`,
			`{"model":"meta/llama-3.1-8b","stream":true,"stream_options":{"include_usage":true},"max_tokens":32000,
			"tools":[{"type":"function","function":{"name":"Bash","description":"run","parameters":{"type":"object"}}},{"type":"function","function":{"name":"Later","description":"x","parameters":{"type":"object"}}}],
			"messages":[{"role":"system","content":"a\n\nb"},{"role":"user","content":"note\nhi"},{"role":"system","content":"env"}]}`},
		"tools and their answers": {`{"model":"any","max_tokens":1,"tool_choice":{"type":"tool","name":"x","disable_parallel_tool_use":true},"tools":[{"type":"custom","name":"x","input_schema":{"type":"object"},"strict":true}],"messages":[
			{"role":"assistant","content":[{"type":"thinking","thinking":"so","signature":"E"},{"type":"text","text":"I will"},{"type":"tool_use","id":"toolu_1","name":"x","input":{"a": 1}},{"type":"tool_use","id":"toolu_2","name":"x","input":{}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"one"},{"type":"tool_result","tool_use_id":"toolu_2","is_error":true,"content":[{"type":"text","text":"bad"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]},{"type":"text","text":"go on"}]}]}`,
			`{"model":"meta/llama-3.1-8b","stream":false,"max_tokens":1,"tool_choice":{"type":"function","function":{"name":"x"}},"parallel_tool_calls":false,
			"tools":[{"type":"function","function":{"name":"x","parameters":{"type":"object"},"strict":true}}],"messages":[
			{"role":"assistant","content":"I will","tool_calls":[{"id":"toolu_1","type":"function","function":{"name":"x","arguments":"{\"a\": 1}"}},{"id":"toolu_2","type":"function","function":{"name":"x","arguments":"{}"}}]},
			{"role":"tool","tool_call_id":"toolu_1","content":"one"},{"role":"tool","tool_call_id":"toolu_2","content":"error: bad"},
			{"role":"user","content":[{"type":"text","text":"The tool's answer to toolu_2 shows:"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}},{"type":"text","text":"go on"}]}]}`},
		"the rest": {`{"model":"any","max_tokens":1,"temperature":0.30,"top_p":0.9,"stop_sequences":["x"],"tool_choice":{"type":"any"},"tools":[{"name":"y","input_schema":{}}],"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}},"mcp_servers":[],"top_k":null,
			"system":"s","messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://x.example/a.png"}},{"type":"document","title":"t","source":{"type":"text","media_type":"text/plain","data":"doc"}}]},{"role":"assistant","content":[]}]}`,
			`{"model":"meta/llama-3.1-8b","stream":false,"max_tokens":1,"temperature":0.30,"top_p":0.9,"stop":["x"],"tool_choice":"required","tools":[{"type":"function","function":{"name":"y","parameters":{"type":"object","properties":{}}}}],
			"response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":{"type":"object"},"strict":true}},
			"messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x.example/a.png"}},{"type":"text","text":"t"},{"type":"text","text":"doc"}]}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			asked, got, _ := asMessages(t, toOpenAI, chatPath, c.in, answered)
			if got.status != 200 {
				t.Fatalf("%+v", got)
			}
			sameJSON(t, asked, c.want)
		})
	}
}

// OpenAI's own servers have a newer word for the limit, which others do not
// know.
func TestLimitsName(t *testing.T) {
	o, err := parseObject([]byte(`{"model":"m","max_tokens":5,"messages":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{"api.openai.com": `"max_completion_tokens":5`, "x.openai.azure.com": `"max_completion_tokens":5`, "127.0.0.1": `"max_tokens":5`, "integrate.api.nvidia.com": `"max_tokens":5`} {
		chat, err := messagesForChat(o, "m", false)
		if err != nil {
			t.Fatal(err)
		}
		chat.limitFor(host)
		out, err := json.Marshal(chat)
		if err != nil || !strings.Contains(string(out), want) || strings.Count(string(out), "tokens") != 1 {
			t.Errorf("%s: %s %v", host, out, err)
		}
	}
}

// What has no counterpart is refused by name, and nobody is asked.
func TestUnfitForChat(t *testing.T) {
	for _, c := range []struct{ fields, want string }{
		{`"top_k":5`, `field "top_k"`},
		{`"container":"c"`, `field "container"`},
		{`"mcp_servers":[{"url":"https://x.example"}]`, `field "mcp_servers"`},
		{`"tools":[{"type":"web_search_20250305","name":"web_search"}]`, `tools[0]: type "web_search_20250305", which only Anthropic's own servers have`},
		{`"tools":[{"name":"x","input_schema":{},"unheard_of":1}]`, `tools[0]: field "unheard_of"`},
		{`"tools":[{"name":"x","input_schema":{}}],"tool_choice":{"type":"most"}`, `tool_choice: type "most"`},
		{`"output_config":{"format":{"type":"xml"}}`, `the format is no schema`},
		{`"output_config":{"unheard_of":1}`, `output_config: field "unheard_of"`},
		{`"system":[{"type":"image"}]`, `system: [0]: type "image"`},
		{`"messages":[{"role":"oracle","content":"x"}]`, `messages[0]: role "oracle"`},
		{`"messages":[{"role":"user","content":"x","name":"Ann"}]`, `messages[0]: field "name"`},
		{`"messages":[{"role":"system","content":"x","output_config":{"effort":"low","format":{}}}]`, `messages[0]: output_config: field "format"`},
		{`"messages":[{"role":"user","content":3}]`, `messages[0]: "content"`},
		{`"messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"x"}}]}]`, `messages[0]: content[1]: source: a document of type "base64"`},
		{`"messages":[{"role":"user","content":[{"type":"image","source":{"type":"file","file_id":"f"}}]}]`, `content[0]: source: field "file_id"`},
		{`"messages":[{"role":"user","content":[{"type":"document","citations":{"enabled":true},"source":{"type":"text","media_type":"text/plain","data":"x"}}]}]`, `content[0]: citations`},
		{`"messages":[{"role":"user","content":[{"type":"text","text":"x","unheard_of":1}]}]`, `content[0]: field "unheard_of"`},
		{`"messages":[{"role":"assistant","content":[{"type":"server_tool_use","id":"x"}]}]`, `content[0]: type "server_tool_use"`},
		{`"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"x","name":"y","input":"z"}]}]`, `content[0]: input`},
		{`"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"x","content":[{"type":"video"}]}]}]`, `content[0]: content: [0]: type "video"`},
	} {
		asked, got, call := asMessages(t, toOpenAI, chatPath, `{"model":"any","max_tokens":1,`+c.fields+`}`, answered)
		if got.status != 400 || asked != "" || !strings.HasPrefix(got.body, `{"type":"error","error":{"type":"invalid_request_error",`) || !strings.Contains(got.text(), c.want) || call.Error == "" {
			t.Errorf("%s: %d %s, want %s", c.fields, got.status, got.body, c.want)
		}
	}
}

// The stream that Anthropic's clients expect, of an Ollama and of another.
func TestStreamForAnthropic(t *testing.T) {
	tail := `{"stop_reason":"tool_use","stop_sequence":null}`
	want := []string{
		`message_start {"type":"message_start","message":{"id":"*","type":"message","role":"assistant","model":"any","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}`,
		`content_block_start {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`,
		`content_block_delta {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"I will "}}`,
		`content_block_stop {"type":"content_block_stop","index":0}`,
		`content_block_start {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"a1","name":"exec","input":{}}}`,
		`content_block_delta {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"command\":\"id\"}"}}`,
		`content_block_stop {"type":"content_block_stop","index":1}`,
		`content_block_start {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"a2","name":"read","input":{}}}`,
		`content_block_delta {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{}"}}`,
		`content_block_stop {"type":"content_block_stop","index":2}`,
		`message_delta {"type":"message_delta","delta":` + tail + `,"usage":{"input_tokens":20,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":8}}`,
		`message_stop {"type":"message_stop"}`,
	}
	for _, yaml := range []func(string) string{toOllama, toOpenAI} {
		_, got, c := asMessages(t, yaml, chatPath, askMessages, toolEvents)
		parts := strings.Split(strings.TrimSuffix(got.body, "\n\n"), "\n\n")
		if got.status != 200 || got.header.Get("Content-Type") != sseMedia || len(parts) != len(want) {
			t.Fatalf("%d parts: %+v", len(parts), got)
		}
		for i, w := range want {
			kind, payload, _ := strings.Cut(w, " ")
			data, ok := strings.CutPrefix(parts[i], "event: "+kind+"\ndata: ")
			if !ok {
				t.Fatalf("%q, want %s", parts[i], kind)
			}
			sameJSON(t, data, payload)
		}
		if c.API != "anthropic" || c.Answer != "<think>so</think>\nI will \n[tool exec {\"command\":\"id\"}]\n[tool read {}]" || c.TokensIn != 20 || c.TokensOut != 8 || c.FirstToken <= 0 {
			t.Errorf("%+v", c)
		}
	}
}

// While a model thinks, or writes a tool's arguments, the agent is shown that
// somebody is there.
func TestHiddenTextIsASignOfLife(t *testing.T) {
	part := `data: {"id":"chatcmpl-1","choices":[{"delta":{"reasoning":"` + strings.Repeat("hm ", 200) + `"}}]}` + "\n\n"
	_, got, _ := asMessages(t, toOllama, chatPath, askMessages, strings.Repeat(part, 6)+`data: {"choices":[{"delta":{"content":"42"},"finish_reason":"length"}]}`+"\n\ndata: [DONE]\n\n")
	if strings.Count(got.body, "event: ping\ndata: {\"type\":\"ping\"}\n\n") != 3 || strings.Contains(got.body, "hm ") || !strings.Contains(got.body, `"id":"msg_`) || !strings.Contains(got.body, `"stop_reason":"max_tokens"`) {
		t.Error(got.body)
	}
}

// A server that does not stream is one that streams all at once.
func TestWholeForAStream(t *testing.T) {
	_, got, c := asMessages(t, toOpenAI, chatPath, askMessages, answered)
	if got.header.Get("Content-Type") != sseMedia || strings.Count(got.body, "event: ") != 6 || !strings.Contains(got.body, `"text":"Hello"`) || c.TokensOut != 4 {
		t.Errorf("%+v", got)
	}
}

func TestWholeForAnthropic(t *testing.T) {
	_, got, c := asMessages(t, toOpenAI, chatPath, `{"model":"any","max_tokens":1,"messages":[]}`, strings.Replace(answered, `"usage":{`, `"usage":{"prompt_tokens_details":{"cached_tokens":4},`, 1))
	sameJSON(t, got.body, `{"id":"*","type":"message","role":"assistant","model":"any","content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn","stop_sequence":null,
		"usage":{"input_tokens":5,"cache_creation_input_tokens":0,"cache_read_input_tokens":4,"output_tokens":4}}`)
	if c.TokensIn != 9 || c.Answer != "<think>hm</think>\nHello" {
		t.Errorf("%+v", c)
	}
	call := `"tool_calls":[{"function":{"name":"exec","arguments":"{\"a\":1}"}}],"content":null`
	for reason, want := range map[string]string{"stop": "tool_use", "tool_calls": "tool_use", "length": "max_tokens", "content_filter": "refusal"} {
		_, got, _ := asMessages(t, toOpenAI, chatPath, `{"model":"any","max_tokens":1,"messages":[]}`, fmt.Sprintf(`{"id":"chatcmpl-a.b","choices":[{"message":{%s},"finish_reason":%q}]}`, call, reason))
		sameJSON(t, got.body, `{"id":"*","type":"message","role":"assistant","model":"any","content":[{"type":"tool_use","id":"*","name":"exec","input":{"a":1}}],"stop_reason":"`+want+`","stop_sequence":null,
			"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}`)
	}
	for _, bad := range []string{`{"choices":[]}`, `{"choices":[{"message":{"tool_calls":[{"function":{"name":"x","arguments":"{"}}]}}]}`} {
		if _, got, _ := asMessages(t, toOpenAI, chatPath, `{"model":"any","max_tokens":1,"messages":[]}`, bad); got.status != 502 || !strings.Contains(got.body, `"api_error"`) {
			t.Errorf("%s: %+v", bad, got)
		}
	}
}
