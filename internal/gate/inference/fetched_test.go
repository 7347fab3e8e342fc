package inference

import (
	"encoding/json"
	"strings"
	"testing"
)

// Each is a part of a request that has some provider open an address.
var fetches = map[string][2]string{
	"picture":                 {"/v1/chat/completions", `"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://away.example/?said=secret"}}]}]`},
	"picture, escaped":        {"/v1/chat/completions", `"messages":[{"role":"user","content":[{"type":"image_url","\u0069mage_url":{"\u0075rl":"\u0068ttp://127.0.0.1:2375/"}}]}]`},
	"picture, other letters":  {"/v1/chat/completions", `"messages":[{"role":"user","content":[{"type":"image_url","Image_URL":{"URL":"http://169.254.169.254/"}}]}]`},
	"picture, at once":        {"/v1/chat/completions", `"messages":[{"role":"user","content":[{"type":"image_url","image_url":"file:///etc/passwd"}]}]`},
	"picture in a tool's":     {"/v1/chat/completions", `"messages":[{"role":"tool","content":[{"type":"image_url","image_url":{"url":"https://away.example"}}]}]`},
	"picture, not quite data": {"/v1/chat/completions", `"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":" data:,"}}]}]`},
	"film":                    {"/v1/chat/completions", `"messages":[{"role":"user","content":[{"type":"video_url","video_url":{"url":"https://away.example"}}]}]`},
	"sound":                   {"/v1/chat/completions", `"messages":[{"role":"user","content":[{"type":"audio_url","audio_url":{"url":"https://away.example"}}]}]`},
	"item":                    {"/v1/responses", `"input":[{"role":"user","content":[{"type":"input_image","image_url":"https://away.example"}]}]`},
	"item's file":             {"/v1/responses", `"input":[{"role":"user","content":[{"type":"input_file","file_url":"https://away.example"}]}]`},
	"item that a tool gave":   {"/v1/responses", `"input":[{"type":"function_call_output","call_id":"c","output":[{"type":"input_image","image_url":"https://away.example"}]}]`},
	"stored prompt":           {"/v1/responses", `"input":"x","prompt":{"id":"p","variables":{"a":{"type":"input_image","image_url":"https://away.example"}}}`},
	"tool's server":           {"/v1/responses", `"input":"x","tools":[{"type":"mcp","server_label":"a","server_url":"https://away.example"}]`},
	"tool's connector":        {"/v1/responses", `"input":"x","tools":[{"type":"mcp","server_label":"a","connector_id":"connector_gmail"}]`},
	"block":                   {"/v1/messages", `"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://away.example"}}]}]`},
	"block that a tool gave":  {"/v1/messages", `"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"document","source":{"type":"url","url":"https://away.example"}}]}]}]`},
	"servers":                 {"/v1/messages", `"messages":[],"mcp_servers":[{"type":"url","url":"https://away.example","name":"a"}]`},
	"page":                    {"/v1/messages", `"messages":[{"role":"user","content":"https://away.example"}],"tools":[{"type":"web_fetch_20250910","name":"web_fetch"}]`},
	"block to be counted":     {"/v1/messages/count_tokens", `"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://away.example"}}]}]`},
	"vector of a picture":     {"/v1/embeddings", `"input":[{"image":"https://away.example"}]`},
	"Gemini's file":           {"/v1beta/models/any:generateContent", `"contents":[{"parts":[{"fileData":{"mimeType":"image/png","fileUri":"https://away.example"}}]}]`},
	"Gemini's page":           {"/v1beta/models/any:generateContent", `"contents":[{"parts":[{"file_data":{"file_uri":"https://away.example"}}]}]`},
}

const fetchAllowed = "fetch: allow\n"

func body(path, part string) string {
	if strings.Contains(path, ":generateContent") {
		return `{` + part + `}`
	}
	return `{"model":"any","max_tokens":5,` + part + `}`
}

// The network wall says which hosts are reached. A provider that fetches what the
// agent names would be a way around it, also to this machine's own loopback.
func TestNothingIsFetchedForTheAgent(t *testing.T) {
	p := serve(t, says(jsonType, `{}`))
	for name, c := range fetches {
		t.Run(name, func(t *testing.T) {
			for _, yaml := range []string{toOpenAI(p.URL), toAnthropic(p.URL), toOllama(p.URL)} {
				b := newBench(t, yaml, nil)
				got := b.post(c[0], body(c[0], c[1]))
				if got.status != 403 || !strings.Contains(got.text(), "past the network policy") || !strings.Contains(got.text(), "fetch: allow") {
					t.Errorf("%+v", got)
				}
				if !b.last().Refused {
					t.Error("not recorded as refused")
				}
			}
		})
	}
	if req, _ := p.asked(); req != nil {
		t.Error("the provider was asked")
	}
}

// What only looks like it goes on.
func TestWhatIsNotFetched(t *testing.T) {
	for name, part := range map[string]string{
		"data":               `"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,aa"}},{"type":"input_image","image_url":"data:,"}]}]`,
		"words":              `"messages":[{"role":"user","content":"{\"image_url\":\"https://away.example\"}"},{"role":"user","content":"image_url"}]`,
		"a tool's schema":    `"tools":[{"type":"function","function":{"name":"mcp","parameters":{"properties":{"image_url":{"type":"string","default":"https://a.example"},"source":{"url":"https://a.example"}}}}}]`,
		"a tool's examples":  `"tools":[{"name":"web_fetch","input_schema":{"type":"object"},"input_examples":[{"image_url":"https://a.example"}]}]`,
		"a tool's call":      `"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"b","input":{"image_url":"https://a.example","source":{"url":"https://a.example"}}}]}]`,
		"what was cited":     `"input":[{"role":"assistant","content":[{"type":"output_text","text":"x","annotations":[{"type":"url_citation","url":"https://a.example"}]}]}]`,
		"what was found":     `"messages":[{"role":"user","content":[{"type":"search_result","source":"https://a.example","title":"t","content":[]}]}]`,
		"what it says of us": `"metadata":{"image_url":"https://a.example"}`,
		"a sound":            `"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"aa","format":"wav"}}]}],"audio":{"voice":"alloy","format":"wav"}`,
	} {
		if what := fetched([]byte(`{` + part + `}`)); what != "" {
			t.Errorf("%s: %s", name, what)
		}
	}
}

func TestFetchIsTheOperatorsToAllow(t *testing.T) {
	p := serve(t, says(jsonType, `{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}`))
	b := newBench(t, toOpenAI(p.URL)+fetchAllowed, nil)
	c := fetches["picture"]
	if got := b.post(c[0], body(c[0], c[1])); got.status != 200 {
		t.Errorf("%+v", got)
	}
	if _, sent := p.asked(); !strings.Contains(sent, "away.example") {
		t.Errorf("%s", sent)
	}
}

// A body is read at the provider's as it was read here: what is plain text in
// UTF-8 can be quotes and keys in another alphabet.
func TestBodyIsReadOneWay(t *testing.T) {
	p := serve(t, says(jsonType, `{"done":true,"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}`))
	for _, yaml := range []string{toOpenAI(p.URL), toAnthropic(p.URL), toOllama(p.URL)} {
		b := newBench(t, yaml, nil)
		for _, media := range []string{"application/json; charset=utf-7", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
			b.post("/v1/chat/completions", `{"model":"any","messages":[{"role":"user","content":"+ACI-,+ACI-model+ACI-:+ACI-other"}]}`, "Content-Type", media)
			if r, _ := p.asked(); r == nil || r.Header.Get("Content-Type") != jsonType {
				t.Errorf("%s: %v", media, r)
			}
		}
	}
}

// A server that is a router itself must not take a model that was not judged.
func TestNoOtherModelBeside(t *testing.T) {
	p := serve(t, says(jsonType, `{}`))
	b := newBench(t, toOpenAI(p.URL), nil)
	for _, more := range []string{`"models":["dear/one"]`, `"fallbacks":[{"model":"dear/one"}]`, `"Models":["dear/one"]`, `"fallback_models":[]`} {
		if got := b.post("/v1/chat/completions", `{"model":"any","messages":[],`+more+`}`); got.status != 400 || !strings.Contains(got.text(), "names other models") {
			t.Errorf("%s: %+v", more, got)
		}
	}
	if r, _ := p.asked(); r != nil {
		t.Error("the provider was asked")
	}
}

// An object in which something is to be fetched is so wherever it stands, but for
// what somebody made for a tool.
func FuzzFetched(f *testing.F) {
	for _, c := range fetches {
		f.Add([]byte(body(c[0], c[1])))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) {
			return
		}
		what := fetched(raw)
		inList := append(append([]byte(`{"messages":[`), raw...), ']', '}')
		if what != "" && raw[0] == '{' && fetched(inList) == "" && !strings.Contains(strings.ToLower(string(raw)), "input") && !strings.Contains(what, "tool") {
			t.Errorf("%s, and not in a list: %s", what, raw)
		}
		forTool := append(append([]byte(`{"parameters":`), raw...), '}')
		if got := fetched(forTool); got != "" {
			t.Errorf("%s, for a tool: %s", got, raw)
		}
	})
}
