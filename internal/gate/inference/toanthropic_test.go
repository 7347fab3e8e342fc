package inference

import (
	"strings"
	"testing"
)

// asAnthropic sends one request through to a provider that speaks Anthropic's
// API, and gives what that was asked and what the agent got.
func asAnthropic(t *testing.T, path, request, answer string) (asked string, got reply, c Call) {
	t.Helper()
	media := jsonType
	if strings.HasPrefix(answer, "event:") {
		media = sseMedia
	}
	p := serve(t, says(media, answer))
	b := newBench(t, toAnthropic(p.URL)+fetchAllowed, nil)
	got = b.post(path, request)
	req, asked := p.asked()
	if req != nil && (req.URL.String() != "/v1/messages" || req.Header.Get("Content-Type") != jsonType) {
		t.Errorf("asked at %s with %v", req.URL, req.Header)
	}
	return asked, got, b.last()
}

// What becomes of a request: of OpenAI's chat, and of Ollama's.
func TestChatForAnthropic(t *testing.T) {
	for name, c := range map[string]struct{ path, in, want string }{
		"plain": {"/v1/chat/completions", `{"model":"any","messages":[{"role":"user","content":"hi"}]}`,
			`{"model":"claude-sonnet-4-5","max_tokens":32000,"stream":false,"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}`},
		"numbers": {"/v1/chat/completions", `{"model":"any","messages":[],"max_tokens":5,"max_completion_tokens":7,"temperature":0.50,"top_p":0.9,"stop":"x","user":"u",
			"n":1,"frequency_penalty":0,"seed":null,"store":false,"reasoning_effort":"high","stream_options":null,"parallel_tool_calls":false}`,
			`{"model":"claude-sonnet-4-5","max_tokens":7,"stream":false,"messages":[],"temperature":0.50,"top_p":0.9,"stop_sequences":["x"],"output_config":{"effort":"high"},"metadata":{"user_id":"u"}}`},
		"system, in every place": {"/v1/chat/completions", `{"model":"any","messages":[{"role":"system","content":"a"},{"role":"developer","content":[{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}]},
			{"role":"user","content":"hi"},{"role":"user","content":"again"},{"role":"system","content":"c"},{"role":"assistant","content":""},{"role":"user","content":""}]}`,
			`{"model":"claude-sonnet-4-5","max_tokens":32000,"stream":false,"system":[{"type":"text","text":"a"},{"type":"text","text":"b","cache_control":{"type":"ephemeral"}},{"type":"text","text":"c"}],
			"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"text","text":"again"}]}]}`},
		"images": {"/v1/chat/completions", `{"model":"any","messages":[{"role":"user","content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo=","detail":"low"}},{"type":"image_url","image_url":{"url":"https://x.example/a.png"}}]}]}`,
			`{"model":"claude-sonnet-4-5","max_tokens":32000,"stream":false,"messages":[{"role":"user","content":[{"type":"text","text":"look"},
			{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}},{"type":"image","source":{"type":"url","url":"https://x.example/a.png"}}]}]}`},
		"tools": {"/v1/chat/completions", `{"model":"any","tool_choice":"required","parallel_tool_calls":false,
			"tools":[{"type":"function","function":{"name":"exec","description":"run","parameters":{"type":"object"},"strict":true}},{"type":"function","function":{"name":"now","strict":false}}],
			"messages":[{"role":"user","content":"hi"},
			{"role":"assistant","content":null,"refusal":null,"reasoning_content":"hm","tool_calls":[{"index":0,"id":"functions.exec:0","type":"function","function":{"name":"exec","arguments":"{\"command\": \"id\"}"}},{"id":"b","type":"function","function":{"name":"now","arguments":""}}]},
			{"role":"tool","tool_call_id":"functions.exec:0","content":"uid=0"},{"role":"tool","tool_call_id":"b","name":"now","content":[{"type":"text","text":"noon"}]},{"role":"user","content":"go on"}]}`,
			`{"model":"claude-sonnet-4-5","max_tokens":32000,"stream":false,"tool_choice":{"type":"any","disable_parallel_tool_use":true},
			"tools":[{"name":"exec","description":"run","input_schema":{"type":"object"},"strict":true},{"name":"now","input_schema":{"type":"object","properties":{}}}],
			"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]},
			{"role":"assistant","content":[{"type":"tool_use","id":"functions_exec_0","name":"exec","input":{"command":"id"}},{"type":"tool_use","id":"b","name":"now","input":{}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"functions_exec_0","content":[{"type":"text","text":"uid=0"}]},{"type":"tool_result","tool_use_id":"b","content":[{"type":"text","text":"noon"}]},{"type":"text","text":"go on"}]}]}`},
		"one tool, one schema": {"/v1/chat/completions", `{"model":"any","messages":[],"tools":[{"type":"function","function":{"name":"x","parameters":{}}}],"tool_choice":{"type":"function","function":{"name":"x"}},"response_format":{"type":"json_schema","json_schema":{"name":"a","strict":true,"schema":{"type":"object"}}}}`,
			`{"model":"claude-sonnet-4-5","max_tokens":32000,"stream":false,"messages":[],"tools":[{"name":"x","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"tool","name":"x"},"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}}`},
		"a choice of no tools": {"/v1/chat/completions", `{"model":"any","messages":[],"tools":[],"tool_choice":"auto","response_format":{"type":"text"}}`,
			`{"model":"claude-sonnet-4-5","max_tokens":32000,"stream":false,"messages":[]}`},
		"ollama's chat": {"/api/chat", `{"model":"any","stream":false,"think":false,"keep_alive":"5m","format":{"type":"object"},"options":{"num_ctx":32768,"temperature":0.5,"top_k":20,"num_predict":100,"stop":["x"]},
			"tools":[{"type":"function","function":{"name":"exec","parameters":{"type":"object"}}}],
			"messages":[{"role":"system","content":"be kind"},{"role":"user","content":"look","images":["iVBORw0KGgo="]},
			{"role":"assistant","content":"","tool_calls":[{"function":{"name":"exec","arguments":{"command":"id"}}}]},{"role":"tool","content":"uid=0","tool_name":"exec"}]}`,
			`{"model":"claude-sonnet-4-5","max_tokens":100,"stream":false,"temperature":0.5,"top_k":20,"stop_sequences":["x"],"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}},
			"tools":[{"name":"exec","input_schema":{"type":"object"}}],"system":[{"type":"text","text":"be kind"}],
			"messages":[{"role":"user","content":[{"type":"text","text":"look"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]},
			{"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"exec","input":{"command":"id"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":[{"type":"text","text":"uid=0"}]}]}]}`},
		"ollama's generate": {"/api/generate", `{"model":"any","system":"s","prompt":"p","stream":false,"options":{"num_predict":-1}}`,
			`{"model":"claude-sonnet-4-5","max_tokens":32000,"stream":false,"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[{"type":"text","text":"p"}]}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			asked, got, _ := asAnthropic(t, c.path, c.in, wholeMessage)
			if got.status != 200 {
				t.Fatalf("%+v", got)
			}
			sameJSON(t, asked, c.want)
		})
	}
}

// What has no counterpart is refused by name, and nobody is asked.
func TestUnfitForAnthropic(t *testing.T) {
	for _, c := range []struct{ path, fields, want string }{
		{"/v1/chat/completions", `"seed":1`, `field "seed"`},
		{"/v1/chat/completions", `"n":2`, `field "n"`},
		{"/v1/chat/completions", `"logprobs":true`, `field "logprobs"`},
		{"/v1/chat/completions", `"logit_bias":{"1":2}`, `field "logit_bias"`},
		{"/v1/chat/completions", `"presence_penalty":0.1`, `field "presence_penalty"`},
		{"/v1/chat/completions", `"audio":{}`, `field "audio"`},
		{"/v1/chat/completions", `"unheard_of":0`, `field "unheard_of"`},
		{"/v1/chat/completions", `"temperature":1.5`, `"temperature" is 1.5: at most 1`},
		{"/v1/chat/completions", `"temperature":"hot"`, `"temperature" is "hot"`},
		{"/v1/chat/completions", `"response_format":{"type":"json_object"}`, `"response_format" is "json_object"`},
		{"/v1/chat/completions", `"reasoning_effort":"minimal"`, `"reasoning_effort" is "minimal"`},
		{"/v1/chat/completions", `"tool_choice":{"type":"allowed_tools"}`, `"tool_choice" is`},
		{"/v1/chat/completions", `"stop":3`, `"stop" is neither`},
		{"/v1/chat/completions", `"tools":[{"type":"custom"}]`, `tools[0]: type "custom"`},
		{"/v1/chat/completions", `"tools":[{"type":"function","function":{"name":"x","examples":[]}}]`, `tools[0]: function: field "examples"`},
		{"/v1/chat/completions", `"messages":[{"role":"user","content":"x","audio":{"id":"a"}}]`, `messages[0]: field "audio"`},
		{"/v1/chat/completions", `"messages":[{"role":"user","name":"Ann","content":"x"}]`, `messages[0]: field "name"`},
		{"/v1/chat/completions", `"messages":[{"role":"user","content":[{"type":"input_audio"}]}]`, `messages[0]: content[0]: type "input_audio"`},
		{"/v1/chat/completions", `"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png,x"}}]}]`, `image_url: an image that is not base64`},
		{"/v1/chat/completions", `"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}]}]`, `image_url: neither`},
		{"/v1/chat/completions", `"messages":[{"role":"system","content":[{"type":"image_url","image_url":{"url":"https://x.example"}}]}]`, `an image that the system shows`},
		{"/v1/chat/completions", `"messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"x","arguments":"{"}}]}]`, `messages[0]: tool_calls[0]: arguments`},
		{"/v1/chat/completions", `"messages":[{"role":"oracle","content":"x"}]`, `role "oracle"`},
		{"/v1/chat/completions", `"messages":3`, `messages`},
		{"/api/chat", `"format":"json"`, `"format" is "json"`},
		{"/api/chat", `"options":{"seed":1}`, `option "seed"`},
		{"/api/chat", `"options":{"mirostat":1}`, `option "mirostat"`},
		{"/api/chat", `"think":"very"`, `"think" is`},
		{"/api/generate", `"suffix":"x"`, `field "suffix"`},
	} {
		asked, got, call := asAnthropic(t, c.path, `{"model":"any",`+c.fields+`}`, wholeMessage)
		if got.status != 400 || asked != "" || !strings.Contains(got.text(), "speaks Anthropic's API, and this request cannot be put into it: ") || !strings.Contains(got.text(), c.want) || call.Error == "" {
			t.Errorf("%s: %d %s, want %s", c.fields, got.status, got.body, c.want)
		}
	}
}

func TestLongest(t *testing.T) {
	for model, want := range map[string]int{"claude-3-haiku-20240307": 4096, "claude-3-5-sonnet-20241022": 8192, "claude-opus-4-1": 32000, "someone-elses": 8192} {
		if got := longest(model); got != want {
			t.Errorf("%s: %d, want %d", model, got, want)
		}
	}
}

// toolEventsOfAnthropic think, say, and call two tools, one without arguments.
var toolEventsOfAnthropic = eventsOf(messageStart,
	`{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}`,
	`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"so"}}`,
	`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQB"}}`,
	`{"type":"content_block_stop","index":0}`,
	`{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}`,
	`{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"I will "}}`,
	`{"type":"content_block_stop","index":1}`,
	`{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"exec","input":{}}}`,
	`{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}`,
	`{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"command\":"}}`, aPing,
	`{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"\"id\"}"}}`,
	`{"type":"content_block_stop","index":2}`,
	`{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_2","name":"now","input":{}}}`,
	`{"type":"content_block_stop","index":3}`,
	`{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":30}}`, messageStop)

func TestAnthropicsStreamForOpenAI(t *testing.T) {
	asked, got, c := asAnthropic(t, "/v1/chat/completions", `{"model":"any","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}`, toolEventsOfAnthropic)
	if !strings.Contains(asked, `"stream":true`) || got.header.Get("Content-Type") != sseMedia || !strings.HasSuffix(got.body, "data: [DONE]\n\n") {
		t.Errorf("%s\n%+v", asked, got)
	}
	want := []string{
		`{"role":"assistant","content":""}`, `{"reasoning_content":"so"}`, `{"content":"I will "}`,
		`{"tool_calls":[{"index":0,"id":"toolu_1","type":"function","function":{"name":"exec","arguments":""}}]}`,
		`{"tool_calls":[{"index":0,"function":{"arguments":"{\"command\":"}}]}`, `{"tool_calls":[{"index":0,"function":{"arguments":"\"id\"}"}}]}`,
		`{"tool_calls":[{"index":1,"id":"toolu_2","type":"function","function":{"name":"now","arguments":""}}]}`, `{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}`,
	}
	parts := strings.Split(strings.TrimSpace(got.body), "\n\n")
	if len(parts) != len(want)+3 {
		t.Fatalf("%d parts: %s", len(parts), got.body)
	}
	for i, delta := range want {
		sameJSON(t, strings.TrimPrefix(parts[i], "data: "), `{"id":"msg_01","object":"chat.completion.chunk","created":"*","model":"any","choices":[{"index":0,"delta":`+delta+`,"finish_reason":null}]}`)
	}
	sameJSON(t, strings.TrimPrefix(parts[len(want)], "data: "), `{"id":"msg_01","object":"chat.completion.chunk","created":"*","model":"any","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`)
	sameJSON(t, strings.TrimPrefix(parts[len(want)+1], "data: "), `{"id":"msg_01","object":"chat.completion.chunk","created":"*","model":"any","choices":[],
		"usage":{"prompt_tokens":109,"completion_tokens":30,"total_tokens":139,"prompt_tokens_details":{"cached_tokens":100}}}`)
	if c.Answer != "<think>so</think>\nI will \n[tool exec {\"command\":\"id\"}]\n[tool now ]" || c.TokensIn != 109 || c.TokensOut != 30 || strings.Join(c.Tools, " ") != "exec now" {
		t.Errorf("%+v", c)
	}
	if _, got, _ := asAnthropic(t, "/v1/chat/completions", `{"model":"any","stream":true,"messages":[]}`, toolEventsOfAnthropic); strings.Contains(got.body, "usage") {
		t.Error("figures that nobody asked for")
	}
}

func TestAnthropicsStreamForOllama(t *testing.T) {
	_, got, c := asAnthropic(t, "/api/chat", `{"model":"any","messages":[{"role":"user","content":"hi"}]}`, toolEventsOfAnthropic)
	lines := strings.Split(strings.TrimSpace(got.body), "\n")
	if len(lines) != 4 || got.header.Get("Content-Type") != ndMedia {
		t.Fatalf("%v\n%s", got.header, got.body)
	}
	sameJSON(t, lines[0], `{"model":"any","created_at":"*","message":{"role":"assistant","content":"","thinking":"so"},"done":false}`)
	sameJSON(t, lines[1], `{"model":"any","created_at":"*","message":{"role":"assistant","content":"I will "},"done":false}`)
	sameJSON(t, lines[2], `{"model":"any","created_at":"*","message":{"role":"assistant","content":"","tool_calls":[
		{"id":"toolu_1","function":{"index":0,"name":"exec","arguments":{"command":"id"}}},{"id":"toolu_2","function":{"index":1,"name":"now","arguments":{}}}]},"done":false}`)
	sameJSON(t, lines[3], `{"model":"any","created_at":"*","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop",
		"total_duration":"*","prompt_eval_count":109,"prompt_eval_duration":"*","eval_count":30,"eval_duration":"*"}`)
	if c.API != "ollama" || c.TokensIn != 109 || !strings.HasPrefix(c.Answer, "<think>so</think>\nI will ") {
		t.Errorf("%+v", c)
	}
	_, got, _ = asAnthropic(t, "/api/generate", `{"model":"any","prompt":"hi"}`, helloEvents)
	if !strings.Contains(got.body, `"response":"Hel"`) || !strings.Contains(got.body, `"response":"lo"`) || !strings.Contains(got.body, `"done_reason":"stop"`) {
		t.Error(got.body)
	}
}

func TestAnthropicsWholeAnswers(t *testing.T) {
	_, got, _ := asAnthropic(t, "/v1/chat/completions", hello, wholeMessage)
	sameJSON(t, got.body, `{"id":"msg_01","object":"chat.completion","created":"*","model":"any","choices":[{"index":0,"finish_reason":"tool_calls","message":{"role":"assistant","content":"I will","reasoning_content":"so",
		"tool_calls":[{"id":"toolu_1","type":"function","function":{"name":"exec","arguments":"{\"command\":\"id\"}"}}]}}],"usage":{"prompt_tokens":25,"completion_tokens":8,"total_tokens":33,"prompt_tokens_details":{"cached_tokens":5}}}`)
	_, got, c := asAnthropic(t, "/api/chat", `{"model":"any","stream":false,"messages":[]}`, wholeMessage)
	sameJSON(t, got.body, `{"model":"any","created_at":"*","message":{"role":"assistant","content":"I will","thinking":"so","tool_calls":[{"id":"toolu_1","function":{"index":0,"name":"exec","arguments":{"command":"id"}}}]},
		"done":true,"done_reason":"stop","total_duration":"*","prompt_eval_count":25,"prompt_eval_duration":"*","eval_count":8,"eval_duration":"*"}`)
	if c.TokensIn != 25 || c.Answer == "" {
		t.Errorf("%+v", c)
	}
	for reason, want := range map[string]string{"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "refusal": "content_filter", "pause_turn": "stop"} {
		_, got, _ := asAnthropic(t, "/v1/chat/completions", hello, strings.Replace(wholeMessage, `"stop_reason":"tool_use"`, `"stop_reason":"`+reason+`"`, 1))
		if !strings.Contains(got.body, `"finish_reason":"`+want+`"`) {
			t.Errorf("%s: %s", reason, got.body)
		}
	}
	if _, got, _ := asAnthropic(t, "/v1/chat/completions", hello, `{"x":1}`); got.status != 502 {
		t.Errorf("%+v", got)
	}
}
