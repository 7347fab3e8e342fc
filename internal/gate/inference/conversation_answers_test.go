package inference

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

type fields = map[string]any

// What every provider answers, streamed and not: all of them say the same.
var (
	theAnswer = saidTurn{Role: "assistant", Text: "I will “look”.", Calls: []madeCall{
		{"exec", fields{"command": "echo \"a\\b\" ☃", "n": 1.5}}, {"read", fields{"path": "x", "deep": fields{"list": []any{"y", nil, true}}}},
	}}
	theArguments = []string{`{"command":"echo \"a\\b\" ☃","n":1.5}`, `{"path":"x","deep":{"list":["y",null,true]}}`}
)

func callsOfOpenAI(index bool) []any {
	var out []any
	for i, call := range theAnswer.Calls {
		c := fields{"id": fmt.Sprint("new-", i), "type": "function", "function": fields{"name": call.Name, "arguments": theArguments[i]}}
		if index {
			c["index"] = i
		}
		out = append(out, c)
	}
	return out
}

func answerOfOpenAI(stream bool) string {
	if !stream {
		return jsonOf(fields{"id": "1", "object": "chat.completion", "choices": []any{fields{"index": 0, "finish_reason": "tool_calls", "message": fields{"role": "assistant", "content": theAnswer.Text, "tool_calls": callsOfOpenAI(false)}}}})
	}
	var out strings.Builder
	for _, delta := range []any{fields{"role": "assistant", "content": theAnswer.Text[:7]}, fields{"content": theAnswer.Text[7:]}, fields{"tool_calls": callsOfOpenAI(true)}} {
		out.WriteString("data: " + jsonOf(fields{"choices": []any{fields{"index": 0, "delta": delta}}}) + "\n\n")
	}
	return out.String() + "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n"
}

func answerOfOllama(stream bool) string {
	var calls []any
	for i, call := range theAnswer.Calls {
		calls = append(calls, fields{"function": fields{"index": i, "name": call.Name, "arguments": json.RawMessage(theArguments[i])}})
	}
	if !stream {
		return jsonOf(fields{"model": "m", "done": true, "message": fields{"role": "assistant", "content": theAnswer.Text, "tool_calls": calls}})
	}
	return jsonOf(fields{"model": "m", "message": fields{"role": "assistant", "content": theAnswer.Text}}) + "\n" + jsonOf(fields{"model": "m", "message": fields{"role": "assistant", "tool_calls": calls}}) + "\n" + `{"model":"m","done":true,"done_reason":"stop"}` + "\n"
}

func answerOfAnthropic(stream bool) string {
	blocks := []any{fields{"type": "text", "text": theAnswer.Text}}
	for i, call := range theAnswer.Calls {
		blocks = append(blocks, fields{"type": "tool_use", "id": fmt.Sprint("toolu_", i), "name": call.Name, "input": json.RawMessage(theArguments[i])})
	}
	if !stream {
		return jsonOf(fields{"type": "message", "id": "msg_1", "role": "assistant", "model": "m", "content": blocks, "stop_reason": "tool_use", "usage": fields{"input_tokens": 1, "output_tokens": 1}})
	}
	events := []string{messageStart, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, jsonOf(fields{"type": "content_block_delta", "index": 0, "delta": fields{"type": "text_delta", "text": theAnswer.Text}}), `{"type":"content_block_stop","index":0}`}
	for i, call := range theAnswer.Calls {
		events = append(events, jsonOf(fields{"type": "content_block_start", "index": i + 1, "content_block": fields{"type": "tool_use", "id": fmt.Sprint("toolu_", i), "name": call.Name, "input": fields{}}}))
		for _, piece := range []string{theArguments[i][:9], theArguments[i][9:]} {
			events = append(events, jsonOf(fields{"type": "content_block_delta", "index": i + 1, "delta": fields{"type": "input_json_delta", "partial_json": piece}}))
		}
		events = append(events, fmt.Sprintf(`{"type":"content_block_stop","index":%d}`, i+1))
	}
	return eventsOf(append(events, `{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":1}}`, messageStop)...)
}

func anyOf(t *testing.T, raw string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		t.Fatalf("%v: %.300s", err, raw)
	}
	return v
}

func jsonOf(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
