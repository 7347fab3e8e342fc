package inference

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Fields of OpenAI's responses: those that a chat has a counterpart for; those
// that speak of OpenAI's own machinery, and how a model thinks, which most are
// not to be told; and those that are only taken when they say what is so anyway:
// the router keeps no answers to go on from.
var (
	responseFields = []string{
		"model", "stream", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "max_output_tokens",
		"temperature", "top_p", "text", "include",
	}
	responseOwn = []string{
		"store", "metadata", "user", "safety_identifier", "service_tier", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options",
		"client_metadata", "stream_options", "reasoning",
	}
	responseVoid = map[string][]string{
		"background": {"false"}, "truncation": {`"disabled"`}, "top_logprobs": {"0"}, "previous_response_id": {`""`},
	}
)

// included are the additions to an answer that say nothing where a model's
// thoughts are not sealed, and nothing is searched.
var included = []string{"reasoning.encrypted_content", "web_search_call.action.sources"}

// responsesForChat puts a request for OpenAI's responses into its chat.
func responsesForChat(o *object, model string, stream bool) (*openaiChat, *toolbox, error) {
	if err := onlyKnown(o, append(responseFields, responseOwn...), responseVoid); err != nil {
		return nil, nil, err
	}
	var in responsesAsk
	if err := json.Unmarshal(o.raw, &in); err != nil {
		return nil, nil, err
	}
	for _, name := range in.Include {
		if !slices.Contains(included, name) {
			return nil, nil, fmt.Errorf("include %.50q", name)
		}
	}
	out := &openaiChat{
		Model: model, Stream: stream, MaxTokens: filledNumber(in.MaxOutputTokens),
		Temperature: filledNumber(in.Temperature), TopP: filledNumber(in.TopP),
	}
	if stream {
		out.StreamOptions = &streamOptions{IncludeUsage: true}
	}
	tools := &toolbox{}
	for _, step := range []func() error{
		func() error { return out.converse(in.Instructions, in.Input) },
		func() error { return out.toolsOfResponses(tools, &in) },
		func() error { return out.textOfResponses(in.Text) },
	} {
		if err := step(); err != nil {
			return nil, nil, err
		}
	}
	return out, tools, nil
}

// toolbox knows the tools of a request that are called otherwise in a chat.
type toolbox struct {
	tools  []openaiTool
	custom map[string]bool     // by their name in the chat
	spaced map[string]fullName // the same
}

type fullName struct{ namespace, name string }

// own is the agent's name for a tool.
func (t *toolbox) own(name string) fullName {
	if full, ok := t.spaced[name]; ok {
		return full
	}
	return fullName{name: name}
}

// spacedName is what a tool of a namespace is called where there are none.
func spacedName(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "__" + name
}

func (c *openaiChat) toolsOfResponses(box *toolbox, in *responsesAsk) error {
	if err := box.fill("", in.Tools); err != nil {
		return fmt.Errorf("tools%w", err)
	}
	if len(box.tools) == 0 {
		return nil
	}
	raw, err := json.Marshal(box.tools)
	if err != nil {
		return err
	}
	c.Tools, c.ParallelToolCalls = raw, in.ParallelToolCalls
	if in.ParallelToolCalls != nil && *in.ParallelToolCalls {
		c.ParallelToolCalls = nil // what holds anyway, and not every server knows the word
	}
	return c.choiceOfResponses(in.ToolChoice)
}

// fill takes over the agent's own tools. Those that run on OpenAI's machines are
// nowhere else.
func (t *toolbox) fill(namespace string, in []json.RawMessage) error {
	for i, raw := range in {
		if err := t.add(namespace, raw); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return nil
}

func (t *toolbox) add(namespace string, raw json.RawMessage) error {
	var in responseTool
	if err := json.Unmarshal(raw, &in); err != nil {
		return err
	}
	out := openaiTool{Type: "function"}
	out.Function.Name, out.Function.Description = spacedName(namespace, in.Name), in.Description
	switch {
	case in.Type == "function":
		out.Function.Parameters, out.Function.Strict = in.Parameters, filled(in.Strict)
		if filled(in.Parameters) == nil {
			out.Function.Parameters = json.RawMessage(`{"type":"object","properties":{}}`)
		}
	case in.Type == "custom":
		if t.custom == nil {
			t.custom = map[string]bool{}
		}
		t.custom[out.Function.Name] = true
		out.Function.Description = in.Description + grammarOf(in.Format)
		out.Function.Parameters = json.RawMessage(`{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}`)
	case in.Type == "namespace" && namespace == "":
		return t.fill(in.Name, in.Tools)
	default:
		return fmt.Errorf("type %.50q, which only OpenAI's own servers have", in.Type)
	}
	if err := strictly(raw, &in); err != nil {
		return err
	}
	if slices.ContainsFunc(t.tools, func(o openaiTool) bool { return o.Function.Name == out.Function.Name }) {
		return fmt.Errorf("tool %.50q is there twice", out.Function.Name)
	}
	if namespace != "" {
		if t.spaced == nil {
			t.spaced = map[string]fullName{}
		}
		t.spaced[out.Function.Name] = fullName{namespace, in.Name}
	}
	t.tools = append(t.tools, out)
	return nil
}

// grammarOf tells a model in words what a custom tool's text must look like:
// only OpenAI's own servers can hold it to that.
func grammarOf(raw json.RawMessage) string {
	var format struct {
		Type       string `json:"type"`
		Syntax     string `json:"syntax"`
		Definition string `json:"definition"`
	}
	if filled(raw) == nil || json.Unmarshal(raw, &format) != nil || format.Type != "grammar" {
		return ""
	}
	return "\n\nThe input follows this grammar (" + format.Syntax + "):\n" + format.Definition
}

// choiceOfResponses says whether tools are called, and which.
func (c *openaiChat) choiceOfResponses(raw json.RawMessage) error {
	switch string(raw) {
	case "", "null":
		return nil
	case `"auto"`, `"none"`, `"required"`:
		c.ToolChoice = raw
		return nil
	}
	var one struct {
		Type string `json:"type"`
		Name string `json:"name"`
	}
	if strictly(raw, &one) != nil || one.Type != "function" && one.Type != "custom" {
		return fmt.Errorf(`"tool_choice" is %.100q`, raw)
	}
	choice := openaiChoice{Type: "function"}
	choice.Function.Name = one.Name
	c.ToolChoice = choice
	return nil
}

// textOfResponses is the form that the answer must have.
func (c *openaiChat) textOfResponses(raw json.RawMessage) error {
	if filled(raw) == nil {
		return nil
	}
	var text struct {
		Format struct {
			Type        string          `json:"type"`
			Name        string          `json:"name"`
			Schema      json.RawMessage `json:"schema"`
			Strict      json.RawMessage `json:"strict"`
			Description string          `json:"description"`
		} `json:"format"`
		Verbosity string `json:"verbosity"`
	}
	if err := strictly(raw, &text); err != nil {
		return fmt.Errorf("text: %w", err)
	}
	if text.Verbosity != "" && text.Verbosity != "medium" {
		return fmt.Errorf("text: verbosity %.20q", text.Verbosity)
	}
	switch f := text.Format; f.Type {
	case "", "text":
	case "json_object":
		c.ResponseFormat = map[string]string{"type": f.Type}
	case "json_schema":
		schema := map[string]any{"name": f.Name, "schema": f.Schema}
		if filled(f.Strict) != nil {
			schema["strict"] = f.Strict
		}
		if f.Description != "" {
			schema["description"] = f.Description
		}
		c.ResponseFormat = map[string]any{"type": f.Type, "json_schema": schema}
	default:
		return fmt.Errorf("text: format %.50q", f.Type)
	}
	return nil
}
