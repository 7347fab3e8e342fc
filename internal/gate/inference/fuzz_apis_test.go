package inference

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// saidBy is what a stream of OpenAI's chat says, by the reader that the record
// is made with: the text and the calls, and whether it is one that ends.
func saidBy(r *Router, stream []byte) (t *tally, ok bool) {
	x := &exchange{router: r}
	for line := range bytes.Lines(stream) {
		if _, err := (&same{exchange: x}).line(line, payloadOf(line)); err != nil {
			return nil, false
		}
	}
	return &x.tally, x.tally.fault == ""
}

var chatStreams = []string{
	toolEvents, sse,
	`data: {"choices":[{"delta":{"content":"x","tool_calls":[{"index":3,"function":{"name":"a"}}]}}],"usage":{"prompt_tokens":-1}}`,
	`data: {"choices":[{"delta":{"tool_calls":[{"function":{"name":"a","arguments":"{}"}},{"function":{"name":"b","arguments":{"c":1}}}]}}]}` + "\n\ndata: [DONE]\n\n",
	`data: {"choices":[{"delta":{"refusal":"no"},"finish_reason":"content_filter"}]}` + "\n\ndata: [DONE]\n\n",
	`data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"a"}},{"index":0,"function":{"name":"b"}}]}}]}`,
}

// The law of OpenAI's responses: whatever a provider streams, the agent gets
// numbered events, items that begin and end once, and in the last event all that
// was said and every call; or an error.
func FuzzResponded(f *testing.F) {
	for _, s := range chatStreams {
		f.Add([]byte(s))
	}
	r := New(Config{})
	f.Fuzz(func(t *testing.T, stream []byte) {
		said, ok := saidBy(r, stream)
		form := &responded{exchange: &exchange{router: r}, tools: &toolbox{spaced: map[string]fullName{"n__a": {"n", "a"}}}}
		out, err := through(form, stream)
		if err != nil || !ok {
			return
		}
		heard, state := &tally{}, map[int]string{}
		parts := strings.Split(strings.TrimSuffix(string(out), "\n\n"), "\n\n")
		for i, part := range parts {
			name, data, ok := strings.Cut(part, "\ndata: ")
			var e struct {
				Type     string
				Sequence int `json:"sequence_number"`
				At       int `json:"output_index"`
				Response replied
			}
			if !ok || json.Unmarshal([]byte(data), &e) != nil || name != "event: "+e.Type || e.Sequence != i {
				t.Fatalf("%q gave %q, at %d %q", stream, out, i, part)
			}
			kind := strings.TrimPrefix(e.Type, "response.")
			switch last := i == len(parts)-1; {
			case (kind == "completed" || kind == "incomplete") != last, (kind == "created") != (i == 0):
				t.Fatalf("%q gave %q, at %d %q", stream, out, i, part)
			case last:
				for _, item := range e.Response.Output {
					for _, p := range item.Content {
						heard.speak(item.Type, p.Text)
					}
					heard.item(&item)
				}
			case kind == "output_item.added", kind == "output_item.done":
				if (kind == "output_item.added") != (state[e.At] == "") || state[e.At] == "output_item.done" {
					t.Fatalf("%q gave %q, at %q", stream, out, part)
				}
				state[e.At] = kind
			}
		}
		for at, kind := range state {
			if kind != "output_item.done" {
				t.Fatalf("%q: item %d has no end: %q", stream, at, out)
			}
		}
		sameSaid(t, stream, said, heard, strings.NewReplacer("n__a", "a"))
	})
}

// sameSaid compares what a provider said with what an agent heard.
func sameSaid(t *testing.T, stream []byte, said, heard *tally, names *strings.Replacer) {
	t.Helper()
	tools := func(t *tally) (out []string) {
		for _, tool := range t.tools {
			out = append(out, names.Replace(tool.name))
		}
		slices.Sort(out)
		return slices.Compact(out) // some servers say a name with every part
	}
	if said.text.String() != heard.text.String() || said.thinking.String() != heard.thinking.String() || !slices.Equal(tools(said), tools(heard)) {
		t.Fatalf("%q: said %q %q %q, heard %q %q %q", stream, said.thinking.String(), said.text.String(), tools(said), heard.thinking.String(), heard.text.String(), tools(heard))
	}
}

// The law of Gemini's stream: whatever a provider streams, the agent hears all
// of it, every call, and one reason why it ended, at the end; or gets an error.
func FuzzGenerated(f *testing.F) {
	for _, s := range chatStreams {
		f.Add([]byte(s), true)
	}
	r := New(Config{})
	f.Fuzz(func(t *testing.T, stream []byte, array bool) {
		said, ok := saidBy(r, stream)
		out, err := through(&generated{exchange: &exchange{router: r}, array: array}, stream)
		if err != nil || !ok {
			return
		}
		var answers []geminiAnswer
		if array {
			err = json.Unmarshal(out, &answers)
		} else {
			for part := range strings.SplitSeq(strings.TrimSuffix(string(out), "\r\n\r\n"), "\r\n\r\n") {
				var a geminiAnswer
				if json.Unmarshal([]byte(strings.TrimPrefix(part, "data: ")), &a) != nil {
					t.Fatalf("%q gave %q", stream, out)
				}
				answers = append(answers, a)
			}
		}
		if err != nil || len(answers) == 0 {
			t.Fatalf("%q gave %q: %v", stream, out, err)
		}
		heard := &tally{}
		for i, a := range answers {
			one := a.Candidates[0]
			if (one.FinishReason != "") != (i == len(answers)-1) {
				t.Fatalf("%q gave %q", stream, out)
			}
			for _, p := range one.Content.Parts {
				switch {
				case p.Call != nil:
					heard.item(&repliedItem{Type: callItem, Name: p.Call.Name, Arguments: string(p.Call.Args)})
				case p.Thought:
					heard.speak(thoughtItem, *p.Text)
				default:
					heard.speak(messageItem, *p.Text)
				}
			}
		}
		sameSaid(t, stream, said, heard, strings.NewReplacer())
	})
}

// The laws of a request that is put into the middle: it is JSON that Anthropic's
// side can read too or names what it cannot; every tool, every call and every
// answer of a tool of the agent's is in it; and no answer is without its call
// that had one before.
func FuzzResponsesForChat(f *testing.F) {
	for _, s := range []string{
		`{"input":"hi"}`, `{"input":[{"role":"user","content":"x"},{"type":"function_call","call_id":"a","name":"b","arguments":"{}"},{"type":"function_call_output","call_id":"a","output":"c"}]}`,
		`{"instructions":"x","input":[{"type":"custom_tool_call","call_id":"a","name":"b","input":"x"},{"type":"reasoning","summary":[]},{"type":"custom_tool_call_output","call_id":"a","output":[{"type":"input_image","image_url":"data:image/png;base64,a"}]}],"tools":[{"type":"custom","name":"b"},{"type":"namespace","name":"n","tools":[{"type":"function","name":"c"}]}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := parseObject(raw)
		if err != nil {
			return
		}
		chat, _, err := responsesForChat(o, "m", true)
		if err != nil {
			return
		}
		var in struct {
			Input []struct{ Type string }
		}
		_ = json.Unmarshal(raw, &in)
		calls, answers := 0, 0
		for _, item := range in.Input {
			switch item.Type {
			case callItem, customItem:
				calls++
			case outputItem, customOutput:
				answers++
			}
		}
		checkChat(t, raw, chat, calls, answers)
	})
}

func checkChat(t *testing.T, raw []byte, chat *openaiChat, calls, answers int) {
	t.Helper()
	for _, m := range chat.Messages {
		calls -= len(m.ToolCalls)
		if m.Role == "tool" {
			answers--
		}
		for _, c := range m.ToolCalls {
			if _, err := parseObject([]byte(c.Function.Arguments)); err != nil {
				t.Fatalf("%q: call %+v", raw, c)
			}
		}
	}
	if calls != 0 || answers != 0 {
		t.Fatalf("%q: %d calls and %d answers are missing in %+v", raw, calls, answers, chat.Messages)
	}
	middle, err := chat.object()
	if err != nil {
		t.Fatalf("%q became no JSON: %v", raw, err)
	}
	_, _ = chatForAnthropic(middle, "claude", true) // which must not panic
}

func FuzzGeminiForChat(f *testing.F) {
	for _, s := range []string{
		`{"contents":[{"parts":[{"text":"hi"}]}]}`, `{"contents":[{"role":"model","parts":[{"functionCall":{"name":"a","args":{}}}]},{"parts":[{"functionResponse":{"name":"a","response":{"output":"x"}}}]}],"tools":[{"function_declarations":[{"name":"a","parameters":{"type":"OBJECT","properties":{"b":{"type":"ARRAY","items":{"type":"STRING"}}}}}]}]}`,
		`{"contents":[{"role":"model","parts":[{"funCtionCAll":{"nAme":"a","Args":{}}}]},{"pArts":[{"funCtionResponse":{"nAme":"a","response":{"0":"0"}}}]}]}`,
		`{"system_instruction":{"parts":[{"text":"x"}]},"contents":[{"parts":[{"inline_data":{"mime_type":"image/png","data":"_-"}}]}],"generationConfig":{"responseMimeType":"application/json","responseSchema":{"anyOf":[{"type":"STRING"}]}}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := parseObject(raw)
		if err != nil {
			return
		}
		chat, err := geminiForChat(o, "m", true)
		if err != nil {
			return
		}
		var in struct {
			Contents []struct{ Parts []map[string]json.RawMessage }
		}
		_ = json.Unmarshal(raw, &in)
		calls, answers := 0, 0
		for _, c := range in.Contents {
			for _, p := range c.Parts {
				made, given := 0, 0
				for key, value := range p {
					switch name := strings.ToLower(camel(key)); { // as the codec reads it: a field by any case
					case name == "thought" && string(value) == "true":
						made, given = -2, -2
					case string(value) == "null":
					case name == "functioncall":
						made++
					case name == "functionresponse":
						given++
					}
				}
				calls, answers = calls+max(made, 0), answers+max(given, 0)
			}
		}
		checkChat(t, raw, chat, calls, answers)
	})
}
