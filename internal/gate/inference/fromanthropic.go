package inference

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// anthropicAsk is what POST /v1/messages takes, as far as OpenAI's chat has a
// counterpart.
type anthropicAsk struct {
	System   json.RawMessage   `json:"system"`
	Messages []json.RawMessage `json:"messages"`

	Tools      []json.RawMessage `json:"tools"`
	ToolChoice json.RawMessage   `json:"tool_choice"`

	MaxTokens     json.RawMessage `json:"max_tokens"`
	Temperature   json.RawMessage `json:"temperature"`
	TopP          json.RawMessage `json:"top_p"`
	StopSequences json.RawMessage `json:"stop_sequences"`

	OutputConfig json.RawMessage `json:"output_config"`
	OutputFormat json.RawMessage `json:"output_format"` // the older word for output_config.format
}

// Fields of Anthropic's messages: those with a counterpart; and those that speak
// of Anthropic's own machinery: its cache, its queues, which of its models'
// thoughts are kept and shown. How much to think (thinking and the effort in
// output_config) is among them: most other models refuse to be told, and think
// as they always do.
var (
	messageFields = []string{
		"model", "stream", "system", "messages", "tools", "tool_choice", "max_tokens", "temperature", "top_p", "stop_sequences", "output_config", "output_format",
	}
	anthropicOwn = []string{"metadata", "cache_control", "service_tier", "thinking", "context_management", "speed", "inference_geo"}
)

// messagesForChat puts a request for Anthropic's messages into OpenAI's API.
func messagesForChat(o *object, model string, stream bool) (*openaiChat, error) {
	if err := onlyKnown(o, append(messageFields, anthropicOwn...), map[string][]string{"mcp_servers": {"[]"}}); err != nil {
		return nil, err
	}
	var in anthropicAsk
	if err := json.Unmarshal(o.raw, &in); err != nil {
		return nil, err
	}
	out := &openaiChat{
		Model: model, Stream: stream, MaxTokens: filledNumber(in.MaxTokens),
		Temperature: filledNumber(in.Temperature), TopP: filledNumber(in.TopP), Stop: filled(in.StopSequences),
	}
	if stream {
		out.StreamOptions = &streamOptions{IncludeUsage: true}
	}
	var err error
	if out.Messages, err = chatMessages(in.System, in.Messages); err != nil {
		return nil, err
	}
	if err := out.toolsOf(in.Tools); err != nil {
		return nil, err
	}
	if err := out.choiceOf(in.ToolChoice); err != nil {
		return nil, err
	}
	return out, out.formatOf(in.OutputConfig, in.OutputFormat)
}

// openaiTool is a tool in OpenAI's form.
type openaiTool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string          `json:"name"`
		Description string          `json:"description,omitempty"`
		Parameters  json.RawMessage `json:"parameters"`
		Strict      json.RawMessage `json:"strict,omitempty"`
	} `json:"function"`
}

// toolsOf takes over the agent's own tools. Those that run on Anthropic's
// machines are nowhere else.
func (c *openaiChat) toolsOf(in []json.RawMessage) error {
	out := make([]openaiTool, 0, len(in))
	for i, raw := range in {
		var tool struct {
			Type        string          `json:"type"`
			Name        string          `json:"name"`
			Description string          `json:"description"`
			InputSchema json.RawMessage `json:"input_schema"`
			Strict      json.RawMessage `json:"strict"`

			// When and how Anthropic's models are told of it.
			CacheControl json.RawMessage `json:"cache_control"`
			Deferred     json.RawMessage `json:"defer_loading"`
			Callers      json.RawMessage `json:"allowed_callers"`
			Eager        json.RawMessage `json:"eager_input_streaming"`
			Examples     json.RawMessage `json:"input_examples"`
		}
		err := json.Unmarshal(raw, &tool)
		if err == nil && tool.Type != "" && tool.Type != "custom" {
			err = fmt.Errorf("type %.50q, which only Anthropic's own servers have", tool.Type)
		} else if err == nil {
			err = strictly(raw, &tool)
		}
		if err != nil {
			return fmt.Errorf("tools[%d]: %w", i, err)
		}
		t := openaiTool{Type: "function"}
		t.Function.Name, t.Function.Description = tool.Name, tool.Description
		t.Function.Parameters, t.Function.Strict = tool.InputSchema, filled(tool.Strict)
		if filled(tool.InputSchema) == nil {
			t.Function.Parameters = json.RawMessage(`{"type":"object","properties":{}}`)
		}
		out = append(out, t)
	}
	if len(out) == 0 {
		return nil
	}
	var err error
	c.Tools, err = json.Marshal(out)
	return err
}

// choiceOf says whether tools are called, and how many at once.
func (c *openaiChat) choiceOf(raw json.RawMessage) error {
	if filled(raw) == nil || c.Tools == nil {
		return nil
	}
	var choice anthropicToolChoice
	if err := strictly(raw, &choice); err != nil {
		return fmt.Errorf("tool_choice: %w", err)
	}
	switch choice.Type {
	case "auto", "none":
		c.ToolChoice = choice.Type
	case "any":
		c.ToolChoice = "required"
	case "tool":
		one := openaiChoice{Type: "function"}
		one.Function.Name = choice.Name
		c.ToolChoice = one
	default:
		return fmt.Errorf("tool_choice: type %.50q", choice.Type)
	}
	if choice.Alone {
		c.ParallelToolCalls = new(bool)
	}
	return nil
}

// formatOf is the form that the answer must have.
func (c *openaiChat) formatOf(config, older json.RawMessage) error {
	var in struct {
		Format json.RawMessage `json:"format"`
		Effort json.RawMessage `json:"effort"`
		Budget json.RawMessage `json:"task_budget"`
	}
	if filled(config) != nil {
		if err := strictly(config, &in); err != nil {
			return fmt.Errorf("output_config: %w", err)
		}
	}
	raw := in.Format
	if filled(raw) == nil {
		raw = older
	}
	if filled(raw) == nil {
		return nil
	}
	var format outputFormat
	if err := strictly(raw, &format); err != nil || format.Type != "json_schema" || filled(format.Schema) == nil {
		return errors.New("output_config: the format is no schema")
	}
	c.ResponseFormat = map[string]any{"type": "json_schema", "json_schema": map[string]any{"name": "answer", "schema": format.Schema, "strict": true}}
	return nil
}

// textOf is a text, or several that follow each other.
func textOf(raw json.RawMessage) (string, error) {
	if filled(raw) == nil {
		return "", nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	var blocks []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if json.Unmarshal(raw, &blocks) != nil {
		return "", errors.New("neither a text nor a list of blocks")
	}
	var texts []string
	for i, b := range blocks {
		if b.Type != textKind {
			return "", fmt.Errorf("[%d]: type %.50q", i, b.Type)
		}
		texts = append(texts, b.Text)
	}
	return strings.Join(texts, "\n\n"), nil
}
