package inference

import (
	"encoding/json"
	"strings"
	"testing"
)

const geminiWhole = "/v1beta/models/any:generateContent"

// What becomes of a request for Gemini's generateContent.
func TestGeminiForChat(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"plain": {`{"contents":[{"parts":[{"text":"hi"}]}]}`, `{"model":"meta/llama-3.1-8b","stream":false,"messages":[{"role":"user","content":"hi"}]}`},
		"what Gemini CLI sends": {`{"systemInstruction":{"role":"user","parts":[{"text":"be good"}]},"generationConfig":{"temperature":1,"topP":0.95,"topK":64,"thinkingConfig":{"includeThoughts":true}},
			"tools":[{"functionDeclarations":[{"name":"exec","description":"run","parametersJsonSchema":{"type":"object"}},{"name":"now"}]}],
			"contents":[{"role":"user","parts":[{"text":"a"},{"text":"b"}]},{"role":"model","parts":[{"text":"so","thought":true},{"text":"I will"},{"functionCall":{"name":"exec","args":{"a": 1}},"thoughtSignature":"E"},{"functionCall":{"id":"x","name":"exec"}}]},
			{"role":"user","parts":[{"functionResponse":{"name":"exec","response":{"output":"one"}}},{"functionResponse":{"id":"x","name":"exec","response":{"error":"bad"}}},{"text":"go on"}]},
			{"role":"model","parts":[{"functionCall":{"name":"now","args":{}}}]},{"role":"function","parts":[{"functionResponse":{"name":"now","response":{"hour":1,"minute":2}}}]}]}`,
			`{"model":"meta/llama-3.1-8b","stream":false,"temperature":1,"top_p":0.95,
			"tools":[{"type":"function","function":{"name":"exec","description":"run","parameters":{"type":"object"}}},{"type":"function","function":{"name":"now","parameters":{"type":"object","properties":{}}}}],
			"messages":[{"role":"system","content":"be good"},{"role":"user","content":"a\nb"},
			{"role":"assistant","content":"I will","tool_calls":[{"id":"call_1","type":"function","function":{"name":"exec","arguments":"{\"a\": 1}"}},{"id":"x","type":"function","function":{"name":"exec","arguments":"{}"}}]},
			{"role":"tool","tool_call_id":"call_1","content":"one"},{"role":"tool","tool_call_id":"x","content":"error: bad"},{"role":"user","content":"go on"},
			{"role":"assistant","content":null,"tool_calls":[{"id":"call_3","type":"function","function":{"name":"now","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_3","content":"{\"hour\":1,\"minute\":2}"}]}`},
		"the rest, in the other spelling": {`{"system_instruction":{"parts":[{"text":"s"}]},"safety_settings":[{}],"tool_config":{"function_calling_config":{"mode":"ANY","allowed_function_names":["y"]}},
			"tools":[{"function_declarations":[{"name":"y","parameters":{"type":"OBJECT","property_ordering":["a"],"properties":{"a":{"type":"STRING","nullable":true,"max_length":"5"},"type":{"type":"ARRAY","items":{"anyOf":[{"type":"INTEGER"},{"type":"NUMBER"}]}}}}}]}],
			"generation_config":{"max_output_tokens":5,"stop_sequences":["x"],"seed":7,"candidate_count":1,"presence_penalty":0.5,"frequency_penalty":0.25,"response_mime_type":"application/json","response_schema":{"type":"OBJECT"},"response_modalities":["TEXT"]},
			"contents":[{"role":"user","parts":[{"text":"what"},{"inline_data":{"mime_type":"image/png","data":"a-_b"}}]}]}`,
			`{"model":"meta/llama-3.1-8b","stream":false,"max_tokens":5,"stop":["x"],"seed":7,"presence_penalty":0.5,"frequency_penalty":0.25,"tool_choice":{"type":"function","function":{"name":"y"}},
			"tools":[{"type":"function","function":{"name":"y","parameters":{"type":"object","properties":{"a":{"type":["string","null"],"maxLength":5},"type":{"type":"array","items":{"anyOf":[{"type":"integer"},{"type":"number"}]}}}}}}],
			"response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":{"type":"object"}}},
			"messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"what"},{"type":"image_url","image_url":{"url":"data:image/png;base64,a+/b"}}]}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			p := serve(t, says(jsonType, answered))
			got := newBench(t, toOpenAI(p.URL), nil).post(geminiWhole, c.in)
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

// What has no counterpart is refused by name, in Google's form, and nobody is
// asked.
func TestUnfitGemini(t *testing.T) {
	p := serve(t, says(jsonType, answered))
	b := newBench(t, toOpenAI(p.URL)+fetchAllowed, nil)
	const hi = `"contents":[{"parts":[{"text":"hi"}]}]`
	for _, c := range []struct{ fields, want string }{
		{hi + `,"cachedContent":"c"`, `field "cachedContent"`},
		{hi + `,"system_instruction":{},"systemInstruction":{}`, `field "systemInstruction" is there by two names`},
		{hi + `,"tools":[{"googleSearch":{}}]`, `tools[0]: field "googleSearch", which only Google's own servers have`},
		{hi + `,"tools":[{"functionDeclarations":[{"name":"a","parameters":{"type":"OBJECT"},"parametersJsonSchema":{"type":"object"}}]}]`, `parameters: there are two`},
		{hi + `,"tools":[{"functionDeclarations":[{"name":"a","parameters":{"type":1}}]}]`, `a schema whose type is no word`},
		{hi + `,"tools":[{"functionDeclarations":[{"name":"a"},{"name":"b"}]}],"toolConfig":{"functionCallingConfig":{"mode":"AUTO","allowedFunctionNames":["a"]}}`, `allowedFunctionNames`},
		{hi + `,"generationConfig":{"candidateCount":2}`, `candidateCount 2`},
		{hi + `,"generationConfig":{"speechConfig":{}}`, `generationConfig: field "speechConfig"`},
		{hi + `,"generationConfig":{"responseModalities":["IMAGE"]}`, `responseModalities "IMAGE"`},
		{hi + `,"generationConfig":{"responseMimeType":"text/x.enum"}`, `responseMimeType "text/x.enum"`},
		{`"contents":[]`, `there are no contents`},
		{`"contents":[{"role":"oracle","parts":[]}]`, `role "oracle"`},
		{`"contents":[{"parts":[{"inlineData":{"mimeType":"audio/wav","data":"x"}}]}]`, `contents[0]: parts[0]: inlineData: "audio/wav": only images`},
		{`"contents":[{"parts":[{"fileData":{"fileUri":"x"}}]}]`, `parts[0]: field "fileData"`},
		{`"contents":[{"parts":[{"functionResponse":{"name":"x","response":{}}}]}]`, `it answers no call of "x"`},
		{`"contents":[{"parts":[{"functionCall":{"name":"x","args":{}}}]}]`, `it is the other's to say`},
		{`"contents":[{"role":"model","parts":[{"functionCall":{"name":"x","args":"y"}}]}]`, `functionCall: args`},
	} {
		got := b.post(geminiWhole, `{`+c.fields+`}`)
		if req, _ := p.asked(); got.status != 400 || req != nil || !strings.Contains(got.body, `"status":"INVALID_ARGUMENT"`) || !strings.Contains(got.text(), c.want) || b.last().Error == "" {
			t.Errorf("%s: %d %s, want %s", c.fields, got.status, got.body, c.want)
		}
	}
}

// The two streams that clients of Gemini's expect: events, and one array.
func TestStreamOfGemini(t *testing.T) {
	want := []string{
		`{"candidates":[{"content":{"role":"model","parts":[{"text":"so","thought":true}]},"index":0}],"modelVersion":"any","responseId":"*"}`,
		`{"candidates":[{"content":{"role":"model","parts":[{"text":"I will "}]},"index":0}],"modelVersion":"any","responseId":"*"}`,
		`{"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"id":"a1","name":"exec","args":{"command":"id"}}},{"functionCall":{"id":"a2","name":"read","args":{}}}]},"finishReason":"STOP","index":0}],
			"usageMetadata":{"promptTokenCount":20,"candidatesTokenCount":8,"totalTokenCount":28},"modelVersion":"any","responseId":"*"}`,
	}
	b := newBench(t, toOllama(serve(t, says(sseMedia, toolEvents)).URL), nil)
	got := b.post(geminiStream, hiBy(geminiStream))
	parts := strings.Split(strings.TrimSuffix(got.body, "\r\n\r\n"), "\r\n\r\n")
	if got.status != 200 || got.header.Get("Content-Type") != sseMedia || len(parts) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i, w := range want {
		sameJSON(t, strings.TrimPrefix(parts[i], "data: "), w)
	}
	if c := b.last(); c.API != "gemini" || c.Asked != "any" || !c.Stream || c.TokensIn != 20 || c.Answer != "<think>so</think>\nI will \n[tool exec {\"command\":\"id\"}]\n[tool read {}]" || !strings.Contains(c.Prompt, "hi") {
		t.Errorf("%+v", c)
	}
	got = b.post(strings.TrimSuffix(geminiStream, "?alt=sse"), hiBy(geminiStream))
	sameJSON(t, got.body, "["+strings.Join(want, ",")+"]")
	if got.header.Get("Content-Type") != jsonType {
		t.Error(got.header)
	}
	b = newBench(t, toOllama(serve(t, broken(sseMedia, oneEvent)).URL), nil)
	got = b.post(strings.TrimSuffix(geminiStream, "?alt=sse"), hiBy(geminiStream))
	var elements []map[string]any
	if json.Unmarshal([]byte(got.body), &elements) != nil || len(elements) != 2 || elements[1]["error"] == nil {
		t.Errorf("%+v", got)
	}
}

func TestWholeOfGemini(t *testing.T) {
	for reason, want := range map[string]string{"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"} {
		p := serve(t, says(jsonType, `{"choices":[{"message":{"content":"x","reasoning_content":"hm"},"finish_reason":"`+reason+`"}],"usage":{"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":5},"completion_tokens_details":{"reasoning_tokens":3}}}`))
		got := newBench(t, toOpenAI(p.URL), nil).post(geminiWhole, hiBy(geminiStream), "X-Goog-Api-Key", "the-agents-own")
		sameJSON(t, got.body, `{"candidates":[{"content":{"role":"model","parts":[{"text":"hm","thought":true},{"text":"x"}]},"finishReason":"`+want+`","index":0}],
			"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":1,"totalTokenCount":13,"thoughtsTokenCount":3,"cachedContentTokenCount":5},"modelVersion":"any","responseId":"*"}`)
	}
}

func TestModelsForGemini(t *testing.T) {
	p := serve(t, says(jsonType, `{"data":[{"id":"good","created":1},{"id":"other"}]}`))
	b := newBench(t, "routes: [{model: good, to: x/good}]\nproviders: {x: {url: \""+p.URL+"\"}}\n", nil)
	sameJSON(t, b.do("GET", "/v1beta/models?pageSize=5", nil).body, `{"models":[{"name":"models/good","version":"","displayName":"good","supportedGenerationMethods":["generateContent","countTokens"]}]}`)
	p = serve(t, says(jsonType, `{"id":"good","created":1}`))
	b.use("routes: [{model: good, to: x/good}]\nproviders: {x: {url: \"" + p.URL + "\"}}\n")
	sameJSON(t, b.do("GET", "/v1beta/models/good", nil).body, `{"name":"models/good","version":"","displayName":"good","supportedGenerationMethods":["generateContent","countTokens"]}`)
	if got := b.do("GET", "/v1/models/good", nil, "X-Goog-Api-Key", "x"); !strings.Contains(got.body, `"models/good"`) {
		t.Errorf("%+v", got) // by the version that Google's newer clients ask for
	}
	if got := b.do("GET", "/v1beta/models/other", nil); got.status != 404 || !strings.Contains(got.body, `"status":"NOT_FOUND"`) {
		t.Errorf("%+v", got)
	}
	for _, path := range []string{"/v1beta/models/good:embedContent", "/v1beta/models/good:predict", "/v1beta/files", "/v1/models/good:nothing"} {
		if got := b.post(path, "{}", "X-Goog-Api-Key", "x"); got.status != 404 && got.status != 405 || !strings.HasPrefix(got.body, `{"error":{`) {
			t.Errorf("%s: %+v", path, got)
		}
	}
	if got := b.post("/v1/models/good:generateContent", `{"contents":[{"parts":[]}]}`); got.status != 502 || !strings.Contains(got.body, `"status":"UNAVAILABLE"`) {
		t.Errorf("%+v", got) // it is there: the provider's answer is no chat's
	}
}
