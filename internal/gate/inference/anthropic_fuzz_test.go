package inference

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// through sends a provider's stream through a form.
func through(form form, stream []byte) ([]byte, error) {
	var out []byte
	for line := range bytes.Lines(stream) {
		part, err := form.line(line, payloadOf(line))
		if err != nil {
			return nil, err
		}
		out = append(out, part...)
	}
	last, err := form.end()
	return append(out, last...), err
}

// The law of Anthropic's stream: whatever another provider sends, the agent gets
// one message, whose blocks begin, go on and end one after the other; or an
// error.
func FuzzEvents(f *testing.F) {
	f.Add([]byte(toolEvents))
	f.Add([]byte(sse))
	f.Add([]byte(`data: {"choices":[{"delta":{"content":"x","tool_calls":[{"index":3,"function":{"name":"a"}}]}}],"usage":{"prompt_tokens":-1}}`))
	r := New(Config{})
	f.Fuzz(func(t *testing.T, stream []byte) {
		out, err := through(&events{exchange: &exchange{router: r}}, stream)
		if err != nil {
			return
		}
		open, next, ended := -1, 0, false
		for i, part := range strings.Split(strings.TrimSuffix(string(out), "\n\n"), "\n\n") {
			name, data, ok := strings.Cut(part, "\ndata: ")
			var e struct {
				Type  string
				Index int
			}
			if !ok || json.Unmarshal([]byte(data), &e) != nil || name != "event: "+e.Type || (i == 0) != (e.Type == "message_start") || ended {
				t.Fatalf("%q gave %q, at %d %q", stream, out, i, part)
			}
			wrong := false
			switch e.Type {
			case "content_block_start":
				wrong = open >= 0 || e.Index != next
				open, next = e.Index, next+1
			case "content_block_delta":
				wrong = e.Index != open
			case "content_block_stop":
				wrong, open = e.Index != open, -1
			case "message_delta":
				wrong = open >= 0
			case "message_stop":
				ended = true
			}
			if wrong {
				t.Fatalf("%q gave %q, at %q", stream, out, part)
			}
		}
		if !ended {
			t.Fatalf("%q gave %q", stream, out)
		}
	})
}

// The law of translation there and back: what Anthropic's model said and which
// tools it called is what an agent hears, through OpenAI's form and out of it
// again.
func FuzzThereAndBack(f *testing.F) {
	f.Add([]byte(helloEvents))
	f.Add([]byte(toolEventsOfAnthropic))
	f.Add([]byte(eventsOf(messageStart, `{"type":"content_block_start","content_block":{"type":"tool_use","id":"a","name":"b","input":{"c":1}}}`, messageStop)))
	r := New(Config{})
	f.Fuzz(func(t *testing.T, stream []byte) {
		x := &exchange{router: r}
		middle, err := through(&chunks{exchange: x, figures: true}, stream)
		if err != nil || bytes.Count(middle, []byte(sseEnd)) != 1 {
			return
		}
		said, heard := &exchange{router: r}, &exchange{router: r}
		if _, err := through(&same{exchange: said}, middle); said.tally.uncallable() != nil {
			return
		} else if err != nil {
			t.Fatalf("%q became %q: %v", stream, middle, err)
		}
		out, err := through(&events{exchange: x}, middle)
		if err != nil {
			return // a call without a name, arguments that are none
		}
		if _, err := through(&messages{exchange: heard}, out); err != nil {
			t.Fatalf("%q became %q: %v", stream, out, err)
		}
		var names [2][]string
		for i, t := range []*tally{&said.tally, &heard.tally} {
			for _, tool := range t.tools {
				names[i] = append(names[i], tool.name)
			}
		}
		if said.tally.text.String() != heard.tally.text.String() || !slices.Equal(names[0], names[1]) {
			t.Fatalf("%q: said %q %q, heard %q %q", stream, said.tally.text.String(), names[0], heard.tally.text.String(), names[1])
		}
	})
}

// The law of a request for Anthropic: it names the model and a limit, and its
// turns alternate and are never empty.
func FuzzChatForAnthropic(f *testing.F) {
	for _, s := range []string{
		hello, `{"model":"a","messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"b","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"x"},{"role":"user","content":[{"type":"text","text":""}]}]}`,
		`{"model":"a","max_tokens":null,"stop":[],"tools":[null],"messages":[{"role":"system","content":"x"}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := parseObject(raw)
		if err != nil {
			return
		}
		out, err := chatForAnthropic(o, "claude", true)
		if err != nil {
			return
		}
		var chat struct {
			Model     string
			MaxTokens json.RawMessage `json:"max_tokens"`
			Messages  []struct {
				Role    string
				Content []json.RawMessage
			}
		}
		if json.Unmarshal(out, &chat) != nil || chat.Model != "claude" || len(chat.MaxTokens) == 0 {
			t.Fatalf("%q became %q", raw, out)
		}
		for i, m := range chat.Messages {
			if len(m.Content) == 0 || i > 0 && m.Role == chat.Messages[i-1].Role {
				t.Fatalf("%q became %q", raw, out)
			}
		}
	})
}

// The law of a request of Anthropic's: what OpenAI's form of it says can be said
// in Anthropic's again, and then in OpenAI's: the two are the same.
func FuzzMessagesForChat(f *testing.F) {
	for _, s := range []string{
		askMessages, `{"model":"a","max_tokens":1,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"x","content":"y"},{"type":"text","text":"z"}]},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"b","input":{}}]}]}`,
		`{"model":"a","max_tokens":1,"tools":[{"name":"x","input_schema":{"type":"object"}}],"tool_choice":{"type":"any"},"messages":[{"role":"user","content":"x"}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		first, ok := chatOf(raw)
		if !ok {
			return
		}
		o, err := parseObject(first)
		if err != nil {
			t.Fatalf("%q became %q: %v", raw, first, err)
		}
		back, err := chatForAnthropic(o, "m", false)
		if err != nil {
			return // too hot, for one
		}
		if second, ok := chatOf(back); !ok {
			t.Fatalf("%q became %q became %q, which is not taken", raw, first, back)
		} else if o, err := parseObject(second); err != nil {
			t.Fatal(err)
		} else if again, err := chatForAnthropic(o, "m", false); err != nil || !bytes.Equal(back, again) {
			t.Fatalf("%q became %q, and then %q (%v)", raw, back, again, err)
		}
	})
}

func chatOf(raw []byte) ([]byte, bool) {
	o, err := parseObject(raw)
	if err != nil {
		return nil, false
	}
	chat, err := messagesForChat(o, "m", false)
	if err != nil {
		return nil, false
	}
	out, err := json.Marshal(chat)
	return out, err == nil
}
