package model

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/test/model/tiny"
)

type message struct {
	Role      string `json:"role"`
	Content   string `json:"content"`
	ToolCalls []struct {
		Function struct {
			Name      string         `json:"name"`
			Arguments map[string]any `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls,omitempty"`
}

var execTool = json.RawMessage(`[{"type":"function","function":{"name":"exec","description":"run","parameters":{"type":"object","properties":{"command":{"type":"string"}}}}}]`)

func chat(t *testing.T, url, model string, tools json.RawMessage, messages ...message) message {
	t.Helper()
	body, err := json.Marshal(map[string]any{"model": model, "messages": messages, "tools": tools, "stream": false})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Timeout: time.Minute}).Post(url+"/api/chat", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s %v", resp.Status, text, err)
	}
	var answer struct{ Message message }
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Message
}

func TestTinySaysItsSentence(t *testing.T) {
	url := Ollama(t)
	for _, prompt := range []string{"hi", "What is 2+2?", "Grüße, 世界 \u0000"} {
		got := chat(t, url, "tiny", nil, message{Role: "user", Content: prompt})
		if got.Content != Sentence || len(got.ToolCalls) > 0 {
			t.Errorf("%q: %+v", prompt, got)
		}
	}
	got := chat(t, url, "tiny", execTool, message{Role: "user", Content: "hi"})
	if got.Content != Sentence {
		t.Errorf("with tools: %+v", got)
	}
}

func TestRogueCallsItsTool(t *testing.T) {
	steps := tiny.Model{Name: "steps", Turns: []tiny.Turn{
		tiny.Call("exec", map[string]string{"command": "id"}),
		tiny.Call("exec", map[string]string{"command": "kill -9 1"}),
		tiny.Say("done with both"),
	}}
	url := Ollama(t, steps)
	talk := []message{{Role: "user", Content: "hello"}}
	if got := chat(t, url, "rogue", nil, talk...); got.Content != Confession {
		t.Errorf("without tools: %+v", got)
	}
	expect(t, chat(t, url, "rogue", execTool, talk...), Command)

	for _, command := range []string{"id", "kill -9 1"} {
		answer := chat(t, url, "steps", execTool, talk...)
		expect(t, answer, command)
		talk = append(talk, answer, message{Role: "tool", Content: "ran"})
	}
	if got := chat(t, url, "steps", execTool, talk...); got.Content != "done with both" {
		t.Errorf("at the end: %+v", got)
	}
}

// expect wants one call of exec with command.
func expect(t *testing.T, m message, command string) {
	t.Helper()
	if len(m.ToolCalls) != 1 || m.ToolCalls[0].Function.Name != "exec" ||
		m.ToolCalls[0].Function.Arguments["command"] != command {
		t.Errorf("want exec of %q, got %+v", command, m)
	}
}
