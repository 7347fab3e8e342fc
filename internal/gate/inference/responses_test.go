package inference

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
)

// What becomes of a request for OpenAI's responses.
func TestResponsesForChat(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"plain": {`{"model":"any","input":"hi"}`, `{"model":"meta/llama-3.1-8b","stream":false,"messages":[{"role":"user","content":"hi"}]}`},
		"what Codex sends": {`{"model":"any","stream":true,"store":false,"include":["reasoning.encrypted_content"],"prompt_cache_key":"k","client_metadata":{"a":"b"},"reasoning":{"summary":"auto"},
			"parallel_tool_calls":true,"tool_choice":"auto","instructions":"be good",
			"tools":[{"type":"function","name":"exec_command","description":"run","strict":false,"parameters":{"type":"object"}},{"type":"namespace","name":"multi","description":"x","tools":[{"type":"function","name":"spawn","description":"s","parameters":{"type":"object"}}]},
			{"type":"custom","name":"apply_patch","description":"patch","format":{"type":"grammar","syntax":"lark","definition":"start: x"}}],
			"input":[{"type":"message","id":"msg_1","role":"developer","content":[{"type":"input_text","text":"a"}]},{"type":"message","role":"user","content":[{"type":"input_text","text":"b"},{"type":"input_text","text":"c"}]},
			{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"E"},
			{"type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"I will","annotations":[]}]},
			{"type":"function_call","id":"fc_1","call_id":"c1","name":"exec_command","arguments":"{\"cmd\": \"id\"}"},{"type":"function_call","call_id":"c2","namespace":"multi","name":"spawn","arguments":""},{"type":"custom_tool_call","call_id":"c3","name":"apply_patch","input":"*** \"x\""},
			{"type":"function_call_output","call_id":"c1","output":"uid=0"},{"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"see"},{"type":"input_image","image_url":"data:image/png;base64,aa","detail":"high"}]},{"type":"custom_tool_call_output","call_id":"c3","output":"done"},
			{"role":"user","content":"go on"}]}`,
			`{"model":"meta/llama-3.1-8b","stream":true,"stream_options":{"include_usage":true},"tool_choice":"auto",
			"tools":[{"type":"function","function":{"name":"exec_command","description":"run","parameters":{"type":"object"}}},{"type":"function","function":{"name":"multi__spawn","description":"s","parameters":{"type":"object"}}},
			{"type":"function","function":{"name":"apply_patch","description":"patch\n\nThe input follows this grammar (lark):\nstart: x","parameters":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}}}],
			"messages":[{"role":"system","content":"be good\n\na"},{"role":"user","content":"b\nc"},
			{"role":"assistant","content":"I will","tool_calls":[{"id":"c1","type":"function","function":{"name":"exec_command","arguments":"{\"cmd\": \"id\"}"}},{"id":"c2","type":"function","function":{"name":"multi__spawn","arguments":"{}"}},{"id":"c3","type":"function","function":{"name":"apply_patch","arguments":"{\"input\":\"*** \\\"x\\\"\"}"}}]},
			{"role":"tool","tool_call_id":"c1","content":"uid=0"},{"role":"tool","tool_call_id":"c2","content":"see"},{"role":"tool","tool_call_id":"c3","content":"done"},
			{"role":"user","content":[{"type":"text","text":"The tool's answer to c2 shows:"},{"type":"image_url","image_url":{"url":"data:image/png;base64,aa","detail":"high"}}]},{"role":"user","content":"go on"}]}`},
		"the rest": {`{"model":"any","max_output_tokens":5,"temperature":0.30,"top_p":0.9,"truncation":"disabled","background":false,"previous_response_id":null,"parallel_tool_calls":false,"tool_choice":{"type":"function","name":"y"},
			"tools":[{"type":"function","name":"y"}],"text":{"verbosity":"medium","format":{"type":"json_schema","name":"n","schema":{"type":"object"},"strict":true}},"input":[{"role":"user","content":[{"type":"input_text","text":"what"},{"type":"input_image","detail":"auto","image_url":"https://x.example/a.png"}]}]}`,
			`{"model":"meta/llama-3.1-8b","stream":false,"max_tokens":5,"temperature":0.30,"top_p":0.9,"parallel_tool_calls":false,"tool_choice":{"type":"function","function":{"name":"y"}},"tools":[{"type":"function","function":{"name":"y","parameters":{"type":"object","properties":{}}}}],
			"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"},"strict":true}},
			"messages":[{"role":"user","content":[{"type":"text","text":"what"},{"type":"image_url","image_url":{"url":"https://x.example/a.png"}}]}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			p := serve(t, says(jsonType, answered))
			got := newBench(t, toOpenAI(p.URL)+fetchAllowed, nil).post("/v1/responses", c.in)
			if got.status != 200 {
				t.Fatalf("%+v", got)
			}
			req, asked := p.asked()
			if req.URL.Path != chatPath {
				t.Error(req.URL)
			}
			sameJSON(t, asked, c.want)
		})
	}
}

// What has no counterpart is refused by name, and nobody is asked.
func TestUnfitResponses(t *testing.T) {
	p := serve(t, says(jsonType, answered))
	b := newBench(t, toOpenAI(p.URL), nil)
	for _, c := range []struct{ fields, want string }{
		{`"input":"x","previous_response_id":"resp_1"`, `field "previous_response_id"`},
		{`"input":"x","conversation":"c"`, `field "conversation"`},
		{`"input":"x","background":true`, `field "background"`},
		{`"input":"x","include":["message.output_text.logprobs"]`, `include "message.output_text.logprobs"`},
		{`"input":"x","tools":[{"type":"web_search","external_web_access":false}]`, `tools[0]: type "web_search", which only OpenAI's own servers have`},
		{`"input":"x","tools":[{"type":"function","name":"a","unheard_of":1}]`, `tools[0]: field "unheard_of"`},
		{`"input":"x","tools":[{"type":"function","name":"a__b"},{"type":"namespace","name":"a","tools":[{"type":"function","name":"b"}]}]`, `tool "a__b" is there twice`},
		{`"input":"x","tools":[{"type":"function","name":"a"}],"tool_choice":{"type":"allowed_tools"}`, `"tool_choice" is`},
		{`"input":"x","text":{"verbosity":"low"}`, `text: verbosity "low"`},
		{`"input":"x","text":{"format":{"type":"xml"}}`, `text: format "xml"`},
		{`"instructions":"x"`, `there is no "input"`},
		{`"input":3`, `"input" is neither`},
		{`"input":[{"type":"item_reference","id":"x"}]`, `input[0]: type "item_reference"`},
		{`"input":[{"type":"function_call","call_id":"a","name":"b","arguments":"{oops"}]`, `input[0]: arguments: not JSON`},
		{`"input":[{"role":"user","content":[{"type":"input_file","file_id":"f"}]}]`, `input[0]: content[0]: type "input_file"`},
		{`"input":[{"role":"user","content":[{"type":"input_image","file_id":"f"}]}]`, `input[0]: content[0]: field "file_id"`},
		{`"input":[{"role":"oracle","content":"x"}]`, `role "oracle"`},
		{`"input":[{"role":"user","content":"x","unheard_of":1}]`, `field "unheard_of"`},
	} {
		got := b.post("/v1/responses", `{"model":"any",`+c.fields+`}`)
		if req, _ := p.asked(); got.status != 400 || req != nil || !strings.Contains(got.body, `"type":"invalid_request_error"`) || !strings.Contains(got.text(), c.want) || b.last().Error == "" {
			t.Errorf("%s: %d %s, want %s", c.fields, got.status, got.body, c.want)
		}
	}
}

const responseTools = `"tools":[{"type":"function","name":"exec"},{"type":"custom","name":"read"},{"type":"namespace","name":"n","tools":[{"type":"function","name":"run"}]}]`

// The stream that clients of OpenAI's responses expect.
func TestStreamOfResponses(t *testing.T) {
	stream := strings.Replace(toolEvents, `"name":"read","arguments":"{}"`, `"name":"read","arguments":"{\"input\":\"text\"}"`, 1)
	p := serve(t, says(sseMedia, stream))
	b := newBench(t, toOpenAI(p.URL), nil)
	got := b.post("/v1/responses", `{"model":"any","stream":true,"input":"hi",`+responseTools+`}`)
	var kinds []string
	var last struct{ Response json.RawMessage }
	for i, part := range strings.Split(strings.TrimSuffix(got.body, "\n\n"), "\n\n") {
		kind, data, ok := strings.Cut(part, "\ndata: ")
		var e struct {
			Type     string
			Sequence int `json:"sequence_number"`
		}
		if !ok || json.Unmarshal([]byte(data), &e) != nil || kind != "event: "+e.Type || e.Sequence != i {
			t.Fatalf("at %d %q", i, part)
		}
		kinds = append(kinds, strings.TrimPrefix(e.Type, "response."))
		_ = json.Unmarshal([]byte(data), &last)
	}
	want := `created in_progress output_item.added content_part.added reasoning_text.delta reasoning_text.done content_part.done output_item.done
		output_item.added content_part.added output_text.delta output_text.done content_part.done output_item.done
		output_item.added function_call_arguments.delta output_item.added function_call_arguments.delta
		function_call_arguments.done output_item.done custom_tool_call_input.delta custom_tool_call_input.done output_item.done completed`
	if strings.Join(kinds, " ") != strings.Join(strings.Fields(want), " ") {
		t.Errorf("%s\n%s", strings.Join(kinds, " "), got.body)
	}
	sameJSON(t, string(last.Response), `{"id":"*","object":"response","created_at":"*","status":"completed","background":false,"error":null,"incomplete_details":null,"model":"any","store":false,"previous_response_id":null,
		"instructions":null,"max_output_tokens":null,"parallel_tool_calls":true,"reasoning":{"effort":null,"summary":null},"temperature":null,"text":{"format":{"type":"text"}},"tool_choice":"auto",`+responseTools+`,"top_p":null,"truncation":"disabled","metadata":{},
		"output":[{"id":"*","type":"reasoning","status":"completed","summary":[],"content":[{"type":"reasoning_text","text":"so"}]},
		{"id":"*","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"I will ","annotations":[]}]},
		{"id":"*","type":"function_call","status":"completed","call_id":"a1","name":"exec","arguments":"{\"command\":\"id\"}"},
		{"id":"*","type":"custom_tool_call","status":"completed","call_id":"a2","name":"read","input":"text"}],
		"usage":{"input_tokens":20,"input_tokens_details":{"cached_tokens":0},"output_tokens":8,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":28}}`)
	if c := b.last(); c.API != "openai" || c.Path != "/v1/responses" || c.TokensIn != 20 || c.FirstToken <= 0 || strings.Join(c.Tools, " ") != "exec read" {
		t.Errorf("%+v", c)
	}
}

func TestWholeResponses(t *testing.T) {
	for reason, status := range map[string]string{"stop": `"completed"`, "length": `"incomplete"`, "content_filter": `"incomplete"`} {
		p := serve(t, says(jsonType, `{"choices":[{"message":{"content":"x","tool_calls":[{"id":"c","function":{"name":"n__run","arguments":"{}"}}]},"finish_reason":"`+reason+`"}]}`))
		got := newBench(t, toOllama(p.URL), nil).post("/v1/responses", `{"model":"any","input":"hi",`+responseTools+`}`)
		if got.status != 200 || !strings.Contains(got.body, `"status":`+status) || !strings.Contains(got.body, `"call_id":"c","name":"run","namespace":"n","arguments":"{}"`) {
			t.Errorf("%+v", got)
		}
	}
}

// A tool that is called with what is no text of its, or no object, is an error:
// no call is lost.
func TestBrokenArguments(t *testing.T) {
	for _, call := range []string{`"name":"exec","arguments":"{oops"`, `"name":"exec","arguments":"[]"`, `"name":"read","arguments":"{\"other\":1}"`, `"name":"","arguments":"{}"`} {
		p := serve(t, says(jsonType, `{"choices":[{"message":{"content":"x","tool_calls":[{"id":"c","function":{`+call+`}}]}}]}`))
		b := newBench(t, toOpenAI(p.URL), nil)
		if got := b.post("/v1/responses", `{"model":"any","input":"hi",`+responseTools+`}`); got.status != 502 || !strings.Contains(got.text(), "makes no sense") || b.last().Error == "" {
			t.Errorf("%s: %+v", call, got)
		}
	}
}

// OpenAI's own servers have responses: those pass as they are, but for the name.
func TestOwnResponsesPassUnchanged(t *testing.T) {
	events := "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"model\":\"gpt-x\",\"output\":[]}}\n\n" +
		"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hello\"}\n\n" +
		"event: response.output_item.done\ndata: {\"type\":\"response.output_item.done\",\"item\":{\"type\":\"function_call\",\"name\":\"exec\",\"arguments\":\"{}\"}}\n\n"
	end := "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"model\":\"gpt-x\",\"usage\":{\"input_tokens\":7,\"output_tokens\":3}}}\n\n"
	answer := ""
	p := serve(t, func(w http.ResponseWriter, r *http.Request) {
		media := sseMedia
		if strings.HasPrefix(answer, "{") {
			media = jsonType
		}
		says(media, answer)(w, r)
	})
	b := newBench(t, "routes: [{model: \"*\", to: \"openai/gpt-x\"}]\nproviders: {openai: {url: \"http://api.openai.com/v1\", key: openai}}\n", nil)
	b.router.transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, strings.TrimPrefix(p.URL, "http://"))
	}
	answer = events + end
	got := b.post("/v1/responses", `{"model":"any","stream":true,"previous_response_id":"resp_1","input":"hi"}`)
	if got.status != 200 || got.body != strings.ReplaceAll(answer, "gpt-x", "any") {
		t.Errorf("%+v", got)
	}
	if req, asked := p.asked(); req.URL.Path != "/v1/responses" || asked != `{"model":"gpt-x","stream":true,"previous_response_id":"resp_1","input":"hi"}` {
		t.Errorf("%s %s", req.URL, asked)
	}
	if c := b.last(); c.Answer != "Hello\n[tool exec {}]" || c.TokensIn != 7 || c.TokensOut != 3 || c.Error != "" {
		t.Errorf("%+v", c)
	}
	answer = events
	if got := b.post("/v1/responses", `{"model":"any","stream":true,"input":"hi"}`); got.status != 200 || !strings.Contains(b.last().Error, "ended before it was complete") || !strings.Contains(got.body, "event: error") && !strings.Contains(got.body, `data: {"error"`) {
		t.Errorf("%+v %+v", got, b.last())
	}
	answer = `{"model":"gpt-x","output":[{"type":"message","content":[{"type":"output_text","text":"Hello"}]}],"usage":{"input_tokens":7,"output_tokens":3}}`
	if got := b.post("/v1/responses", `{"model":"any","input":"hi"}`); got.body != strings.ReplaceAll(answer, "gpt-x", "any") || b.last().Answer != "Hello" || b.last().TokensOut != 3 {
		t.Errorf("%+v %+v", got, b.last())
	}
}

// Calls are told apart however a server numbers them.
func TestCallsAreToldApart(t *testing.T) {
	for name, parts := range map[string]string{
		"numbered":            `{"index":0,"id":"a","function":{"name":"x","arguments":"{\"n\":"}},{"index":1,"id":"b","function":{"name":"y","arguments":"{}"}},{"index":0,"function":{"arguments":"1}"}}`,
		"not numbered":        `{"id":"a","function":{"name":"x","arguments":"{\"n\":1}"}},{"id":"b","function":{"name":"y","arguments":"{}"}}`,
		"one number":          `{"index":0,"id":"a","function":{"name":"x","arguments":"{\"n\":1}"}},{"index":0,"id":"b","function":{"name":"y","arguments":"{}"}}`,
		"from one on":         `{"index":1,"id":"a","function":{"name":"x","arguments":"{\"n\":1}"}},{"index":2,"id":"b","function":{"name":"y","arguments":"{}"}}`,
		"named in every part": `{"index":0,"id":"a","function":{"name":"x","arguments":"{\"n\":"}},{"index":0,"id":"a","function":{"name":"x","arguments":"1}"}},{"index":1,"id":"b","function":{"name":"y","arguments":""}}`,
	} {
		var all []called
		if err := json.Unmarshal([]byte("["+parts+"]"), &all); err != nil {
			t.Fatal(err)
		}
		var k calls
		for _, c := range all {
			k.add(c)
		}
		whole, err := k.whole()
		if err != nil || len(whole) != 2 || whole[0].id+whole[0].name+string(whole[0].arguments) != `ax{"n":1}` || whole[1].id+whole[1].name+string(whole[1].arguments) != "by{}" {
			t.Errorf("%s: %+v %v", name, whole, err)
		}
	}
	var k calls
	for range 3 * maxTools {
		k.add(called{})
		k = append(k, streamedCall{name: "x"})
	}
	if _, err := k.whole(); err == nil {
		t.Error("calls beyond the bound were lost without a word")
	}
}
