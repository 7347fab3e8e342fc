package inference

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A conversation is what every API can say, in words of none: the test's own
// reading, which shares nothing with the translations.
type conversation struct {
	System string
	Turns  []saidTurn
	Tools  []knownTool
}

type saidTurn struct {
	Role    string // user, assistant, tool
	Text    string
	Calls   []madeCall
	Answers int // of tool: which call of the conversation, from 0
}

type madeCall struct {
	Name      string
	Arguments any
}

type knownTool struct {
	Name, Description string
	Schema            any
}

// openclawSaid is a conversation as the real OpenClaw 2026.6.11 had it with the
// real Ollama, by its native API: three tools were called and have answered.
func openclawSaid(t *testing.T) (raw []byte, c conversation) {
	t.Helper()
	raw, err := os.ReadFile("testdata/openclaw.json")
	if err != nil {
		t.Fatal(err)
	}
	c = ofOllama(t, raw)
	if len(c.Tools) < 30 || len(c.Turns) != 7 || len(c.System) < 10_000 || c.Turns[6].Answers != 2 {
		t.Fatalf("%d tools, %d turns", len(c.Tools), len(c.Turns))
	}
	return raw, c
}

// What a provider was asked.

func ofOllama(t *testing.T, raw []byte) (c conversation) {
	t.Helper()
	var in struct {
		Messages []struct {
			Role, Content string
			ToolCalls     []struct {
				Function struct {
					Name      string
					Arguments any
				}
			} `json:"tool_calls"`
		}
		Tools []struct {
			Function struct {
				Name, Description string
				Parameters        any
			}
		}
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		t.Fatal(err)
	}
	answered := 0
	for _, m := range in.Messages {
		if m.Role == "system" {
			c.System = m.Content
			continue
		}
		turn := saidTurn{Role: m.Role, Text: m.Content}
		for _, call := range m.ToolCalls {
			turn.Calls = append(turn.Calls, madeCall(call.Function))
		}
		if m.Role == "tool" {
			turn.Answers, answered = answered, answered+1
		}
		c.Turns = append(c.Turns, turn)
	}
	for _, tool := range in.Tools {
		c.Tools = append(c.Tools, knownTool{tool.Function.Name, tool.Function.Description, tool.Function.Parameters})
	}
	return c
}

func ofOpenAI(t *testing.T, raw []byte) (c conversation) {
	t.Helper()
	var in struct {
		Messages []struct {
			Role       string
			Content    *string
			ToolCallID string `json:"tool_call_id"`
			ToolCalls  []struct {
				ID       string
				Function struct{ Name, Arguments string }
			} `json:"tool_calls"`
		}
		Tools []struct {
			Function struct {
				Name, Description string
				Parameters        any
			}
		}
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		t.Fatalf("%v: %.300s", err, raw)
	}
	var ids []string
	for _, m := range in.Messages {
		text := ""
		if m.Content != nil {
			text = *m.Content
		}
		if m.Role == "system" {
			c.System += text
			continue
		}
		turn := saidTurn{Role: m.Role, Text: text}
		for _, call := range m.ToolCalls {
			ids = append(ids, call.ID)
			turn.Calls = append(turn.Calls, madeCall{call.Function.Name, anyOf(t, call.Function.Arguments)})
		}
		if m.Role == "tool" {
			turn.Answers = slices.Index(ids, m.ToolCallID)
		}
		c.Turns = append(c.Turns, turn)
	}
	for _, tool := range in.Tools {
		c.Tools = append(c.Tools, knownTool{tool.Function.Name, tool.Function.Description, tool.Function.Parameters})
	}
	return c
}

func ofAnthropic(t *testing.T, raw []byte) (c conversation) {
	t.Helper()
	type block struct {
		Type, Text, ID, Name string
		Input                any
		ToolUseID            string `json:"tool_use_id"`
		Content              []struct{ Text string }
	}
	var in struct {
		System   []struct{ Text string }
		Messages []struct {
			Role    string
			Content []block
		}
		Tools []struct {
			Name, Description string
			Schema            any `json:"input_schema"`
		}
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		t.Fatalf("%v: %.300s", err, raw)
	}
	for _, s := range in.System {
		c.System += s.Text
	}
	var ids []string
	for _, m := range in.Messages {
		turn := saidTurn{Role: m.Role}
		for _, b := range m.Content {
			switch b.Type {
			case "text":
				turn.Text += b.Text
			case "tool_use":
				ids = append(ids, b.ID)
				turn.Calls = append(turn.Calls, madeCall{b.Name, b.Input})
			case "tool_result":
				c.Turns = append(c.Turns, saidTurn{Role: "tool", Text: b.Content[0].Text, Answers: slices.Index(ids, b.ToolUseID)})
			}
		}
		if turn.Text != "" || turn.Calls != nil {
			c.Turns = append(c.Turns, turn)
		}
	}
	for _, tool := range in.Tools {
		c.Tools = append(c.Tools, knownTool{tool.Name, tool.Description, tool.Schema})
	}
	return c
}

// How an agent says it.

func sayOpenAI(c conversation) fields {
	messages := []any{fields{"role": "system", "content": c.System}}
	calls := 0
	for _, turn := range c.Turns {
		m := fields{"role": turn.Role, "content": turn.Text}
		var made []any
		for _, call := range turn.Calls {
			made = append(made, fields{"id": fmt.Sprint("call-", calls), "type": "function", "function": fields{"name": call.Name, "arguments": jsonOf(call.Arguments)}})
			calls++
		}
		if made != nil {
			m["tool_calls"], m["content"] = made, nil
		}
		if turn.Role == "tool" {
			m["tool_call_id"] = fmt.Sprint("call-", turn.Answers)
		}
		messages = append(messages, m)
	}
	var tools []any
	for _, tool := range c.Tools {
		tools = append(tools, fields{"type": "function", "function": fields{"name": tool.Name, "description": tool.Description, "parameters": tool.Schema}})
	}
	return fields{"model": "any", "messages": messages, "tools": tools}
}

func sayResponses(c conversation) fields {
	var items, tools []any
	calls := 0
	for _, turn := range c.Turns {
		if turn.Role == "tool" {
			items = append(items, fields{"type": "function_call_output", "call_id": fmt.Sprint("call-", turn.Answers), "output": turn.Text})
			continue
		}
		if turn.Text != "" {
			items = append(items, fields{"type": "message", "role": turn.Role, "content": []any{fields{"type": "input_text", "text": turn.Text}}})
		}
		for _, call := range turn.Calls {
			items = append(items, fields{"type": "function_call", "call_id": fmt.Sprint("call-", calls), "name": call.Name, "arguments": jsonOf(call.Arguments)})
			calls++
		}
	}
	for _, tool := range c.Tools {
		tools = append(tools, fields{"type": "function", "name": tool.Name, "description": tool.Description, "parameters": tool.Schema, "strict": false})
	}
	return fields{"model": "any", "instructions": c.System, "input": items, "tools": tools}
}

func sayAnthropic(c conversation) fields {
	var messages, tools []any
	calls := 0
	for _, turn := range c.Turns {
		role, blocks := turn.Role, []any{}
		if turn.Role == "tool" {
			role, blocks = "user", append(blocks, fields{"type": "tool_result", "tool_use_id": fmt.Sprint("call-", turn.Answers), "content": []any{fields{"type": "text", "text": turn.Text}}})
		} else if turn.Text != "" {
			blocks = append(blocks, fields{"type": "text", "text": turn.Text})
		}
		for _, call := range turn.Calls {
			blocks = append(blocks, fields{"type": "tool_use", "id": fmt.Sprint("call-", calls), "name": call.Name, "input": call.Arguments})
			calls++
		}
		messages = append(messages, fields{"role": role, "content": blocks})
	}
	for _, tool := range c.Tools {
		tools = append(tools, fields{"name": tool.Name, "description": tool.Description, "input_schema": tool.Schema})
	}
	return fields{"model": "any", "max_tokens": 1000, "system": []any{fields{"type": "text", "text": c.System}}, "messages": messages, "tools": tools}
}

func sayGemini(c conversation) fields {
	var contents, tools []any
	var names []string
	for _, turn := range c.Turns {
		role, parts := map[string]string{"assistant": "model"}[turn.Role], []any{}
		if turn.Role == "tool" {
			parts = append(parts, fields{"functionResponse": fields{"name": names[turn.Answers], "response": fields{"output": turn.Text}}})
		} else if turn.Text != "" {
			parts = append(parts, fields{"text": turn.Text})
		}
		for _, call := range turn.Calls {
			names = append(names, call.Name)
			parts = append(parts, fields{"functionCall": fields{"name": call.Name, "args": call.Arguments}})
		}
		if role == "" {
			role = "user"
		}
		contents = append(contents, fields{"role": role, "parts": parts})
	}
	for _, tool := range c.Tools {
		tools = append(tools, fields{"name": tool.Name, "description": tool.Description, "parametersJsonSchema": tool.Schema})
	}
	return fields{"systemInstruction": fields{"parts": []any{fields{"text": c.System}}}, "contents": contents, "tools": []any{fields{"functionDeclarations": tools}}}
}

// speaker is how an agent asks by one API, and what it makes of the answer.
type speaker struct {
	path  func(stream bool) string
	body  func(conversation) fields // nil: as it was recorded
	heard func(t *testing.T, answer string, stream bool) saidTurn
}

func at(path string) func(bool) string { return func(bool) string { return path } }

var speakers = map[string]speaker{
	"ollama":    {at("/api/chat"), nil, heardBy(func(x *exchange) form { return &same{exchange: x} })},
	"openai":    {at("/v1/chat/completions"), sayOpenAI, heardBy(func(x *exchange) form { return &same{exchange: x} })},
	"responses": {at("/v1/responses"), sayResponses, heardBy(func(x *exchange) form { return &replies{exchange: x} })},
	"anthropic": {at("/v1/messages"), sayAnthropic, heardBy(func(x *exchange) form { return &messages{exchange: x} })},
	"gemini": {func(stream bool) string {
		if stream {
			return geminiStream
		}
		return geminiWhole
	}, sayGemini, heardFromGemini},
}

// heardBy reads an answer with what the record is made by: those readers take
// every API's own form, and no part in translating.
func heardBy(reader func(*exchange) form) func(*testing.T, string, bool) saidTurn {
	return func(t *testing.T, answer string, stream bool) saidTurn {
		t.Helper()
		x := &exchange{router: New(Config{})}
		var err error
		if stream {
			_, err = through(reader(x), []byte(answer))
		} else {
			_, err = reader(x).whole([]byte(answer))
		}
		if err != nil {
			t.Fatalf("%v: %s", err, answer)
		}
		turn := saidTurn{Role: "assistant", Text: x.tally.text.String()}
		for _, tool := range x.tally.tools {
			turn.Calls = append(turn.Calls, madeCall{tool.name, anyOf(t, string(tool.arguments))})
		}
		return turn
	}
}

func heardFromGemini(t *testing.T, answer string, stream bool) saidTurn {
	t.Helper()
	turn := saidTurn{Role: "assistant"}
	for part := range strings.SplitSeq(strings.TrimSuffix(answer, "\r\n\r\n"), "\r\n\r\n") {
		var a geminiAnswer
		if err := json.Unmarshal([]byte(strings.TrimPrefix(part, "data: ")), &a); err != nil {
			t.Fatalf("%v: %s", err, part)
		}
		for _, p := range a.Candidates[0].Content.Parts {
			if p.Text != nil {
				turn.Text += *p.Text
			}
			if p.Call != nil {
				turn.Calls = append(turn.Calls, madeCall{p.Call.Name, anyOf(t, string(p.Call.Args))})
			}
		}
	}
	return turn
}

// The conversation means the same to every provider, whichever API the agent
// speaks, and so does the answer to every agent, streamed and not.
func TestOneConversationByEveryPair(t *testing.T) {
	raw, want := openclawSaid(t)
	for provider, yaml := range map[string]func(string) string{"ollama": toOllama, "openai": toOpenAI, "anthropic": toAnthropic} {
		for name, agent := range speakers {
			for _, stream := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s to %s, stream %v", name, provider, stream), func(t *testing.T) {
					read, answer, media := ofOpenAI, answerOfOpenAI, sseMedia
					if provider == "anthropic" {
						read, answer = ofAnthropic, answerOfAnthropic
					} else if provider == "ollama" && name == "ollama" {
						read, answer, media = ofOllama, answerOfOllama, ndMedia
					}
					if !stream {
						media = jsonType
					}
					p := serve(t, says(media, answer(stream)))
					b := newBench(t, yaml(p.URL), nil)
					var body fields
					if agent.body != nil {
						body = agent.body(want)
					} else if err := json.Unmarshal(raw, &body); err != nil {
						t.Fatal(err)
					}
					if name != "gemini" {
						body["stream"] = stream
					}
					got := b.post(agent.path(stream), jsonOf(body))
					if got.status != 200 {
						t.Fatalf("%+v", got)
					}
					_, asked := p.asked()
					if meant := read(t, []byte(asked)); !reflect.DeepEqual(meant, want) {
						t.Errorf("the provider was asked %+v\nwant %+v", meant.Turns, want.Turns)
					}
					if heard := agent.heard(t, got.body, stream); !reflect.DeepEqual(heard, theAnswer) {
						t.Errorf("the agent heard %+v\nwant %+v\n%s", heard, theAnswer, got.body)
					}
				})
			}
		}
	}
}
