package inference

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// geminiForChat puts a request for Gemini's generateContent into OpenAI's chat.
func geminiForChat(o *object, model string, stream bool) (*openaiChat, error) {
	var in geminiAsk
	if err := protobuf(o.raw, &in); err != nil {
		return nil, err
	}
	out := &openaiChat{Model: model, Stream: stream}
	if stream {
		out.StreamOptions = &streamOptions{IncludeUsage: true}
	}
	for _, step := range []func(*geminiAsk) error{out.turnsOfGemini, out.toolsOfGemini, out.configOfGemini} {
		if err := step(&in); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// configOfGemini is how the answer is made.
func (c *openaiChat) configOfGemini(in *geminiAsk) error {
	var g geminiConfig
	if filled(in.Config) == nil {
		return nil
	}
	if err := protobuf(in.Config, &g); err != nil {
		return fmt.Errorf("generationConfig: %w", err)
	}
	c.Temperature, c.TopP, c.Seed, c.MaxTokens, c.Stop = g.Temperature, g.TopP, g.Seed, g.MaxOutputTokens, filled(g.StopSequences)
	c.PresencePenalty, c.FrequencyPenalty = g.PresencePenalty, g.FrequencyPenalty
	if n := string(g.CandidateCount); n != "" && n != "1" {
		return fmt.Errorf("generationConfig: candidateCount %.20s: one at a time", n)
	}
	for _, m := range g.Modalities {
		if m != "TEXT" {
			return fmt.Errorf("generationConfig: responseModalities %.20q: only TEXT", m)
		}
	}
	return c.shapeOfGemini(&g)
}

// shapeOfGemini is the form that the answer must have.
func (c *openaiChat) shapeOfGemini(g *geminiConfig) error {
	schema, err := schemaOfEither(g.Schema, g.JSONSchema)
	switch {
	case err != nil:
		return fmt.Errorf("generationConfig: responseSchema: %w", err)
	case g.MIMEType == "" || g.MIMEType == "text/plain":
		if schema != nil {
			return errors.New("generationConfig: a schema for an answer that is no JSON")
		}
	case g.MIMEType != jsonType:
		return fmt.Errorf("generationConfig: responseMimeType %.50q", g.MIMEType)
	case schema != nil:
		c.ResponseFormat = map[string]any{"type": "json_schema", "json_schema": map[string]any{"name": "answer", "schema": schema}}
	default:
		c.ResponseFormat = map[string]string{"type": "json_object"}
	}
	return nil
}

// schemaOfEither is the one of two forms of a schema that there is, nil for none.
func schemaOfEither(openAPI, plain json.RawMessage) (json.RawMessage, error) {
	switch {
	case filled(openAPI) != nil && filled(plain) != nil:
		return nil, errors.New("there are two")
	case filled(openAPI) != nil:
		return plainSchema(openAPI)
	}
	return filled(plain), nil
}

// toolsOfGemini takes over the agent's own tools, and whether they are called.
// Those that run on Google's machines are nowhere else.
func (c *openaiChat) toolsOfGemini(in *geminiAsk) error {
	var tools []openaiTool
	for i, raw := range in.Tools {
		var group struct {
			Functions []json.RawMessage `json:"functionDeclarations"`
		}
		if err := protobuf(raw, &group); err != nil {
			return fmt.Errorf("tools[%d]: %w, which only Google's own servers have", i, err)
		}
		for j, raw := range group.Functions {
			tool, err := toolOfGemini(raw)
			if err != nil {
				return fmt.Errorf("tools[%d]: functionDeclarations[%d]: %w", i, j, err)
			}
			tools = append(tools, tool)
		}
	}
	if len(tools) == 0 {
		return nil
	}
	var err error
	if c.Tools, err = json.Marshal(tools); err != nil {
		return err
	}
	return c.choiceOfGemini(in.ToolConfig, tools)
}

func toolOfGemini(raw json.RawMessage) (openaiTool, error) {
	var f geminiFunction
	out := openaiTool{Type: "function"}
	if err := protobuf(raw, &f); err != nil {
		return out, err
	}
	if f.Behavior != "" && f.Behavior != "BLOCKING" {
		return out, fmt.Errorf("behavior %.20q", f.Behavior)
	}
	schema, err := schemaOfEither(f.Parameters, f.ParametersSchema)
	if err != nil {
		return out, fmt.Errorf("parameters: %w", err)
	}
	if schema == nil {
		schema = json.RawMessage(`{"type":"object","properties":{}}`)
	}
	out.Function.Name, out.Function.Description, out.Function.Parameters = f.Name, f.Description, schema
	return out, nil
}

// choiceOfGemini says whether tools are called, and which.
func (c *openaiChat) choiceOfGemini(raw json.RawMessage, tools []openaiTool) error {
	var config struct {
		Calling json.RawMessage `json:"functionCallingConfig"`
	}
	var calling struct {
		Mode    string   `json:"mode"`
		Allowed []string `json:"allowedFunctionNames"`
	}
	if filled(raw) == nil {
		return nil
	}
	if err := protobuf(raw, &config); err != nil {
		return fmt.Errorf("toolConfig: %w", err)
	}
	if filled(config.Calling) == nil {
		return nil
	}
	if err := protobuf(config.Calling, &calling); err != nil {
		return fmt.Errorf("toolConfig: %w", err)
	}
	some := len(calling.Allowed) > 0 && slices.ContainsFunc(tools, func(t openaiTool) bool { return !slices.Contains(calling.Allowed, t.Function.Name) })
	switch mode := calling.Mode; {
	case some && (mode != "ANY" || len(calling.Allowed) > 1):
		return errors.New("toolConfig: allowedFunctionNames: only all tools or the one to be called can be told")
	case mode == "" || mode == "MODE_UNSPECIFIED" || mode == "AUTO":
		c.ToolChoice = "auto"
	case mode == "NONE":
		c.ToolChoice = "none"
	case mode == "ANY" && len(calling.Allowed) == 1:
		one := openaiChoice{Type: "function"}
		one.Function.Name = calling.Allowed[0]
		c.ToolChoice = one
	case mode == "ANY":
		c.ToolChoice = "required"
	default:
		return fmt.Errorf("toolConfig: mode %.20q", mode)
	}
	return nil
}

// turnsOfGemini are the messages, with what the system says before them.
func (c *openaiChat) turnsOfGemini(in *geminiAsk) error {
	d := &dialogue{}
	if filled(in.System) != nil {
		made, err := d.turn(in.System)
		if err != nil {
			return fmt.Errorf("systemInstruction: %w", err)
		}
		for _, m := range made {
			text, ok := m.Content.(string)
			if !ok || m.Role != "user" {
				return errors.New("systemInstruction: more than text")
			}
			c.Messages = append(c.Messages, openaiMessage{Role: "system", Content: text})
		}
	}
	for i, raw := range in.Contents {
		made, err := d.turn(raw)
		if err != nil {
			return fmt.Errorf("contents[%d]: %w", i, err)
		}
		c.Messages = append(c.Messages, made...)
	}
	if len(in.Contents) == 0 {
		return errors.New("there are no contents")
	}
	return nil
}

// dialogue gives every call of a tool a name of its own, which OpenAI's API
// needs and Gemini's does not: an answer without one belongs to the oldest call
// of its tool that has none yet.
type dialogue struct {
	open []openaiCall // calls without an answer
	made int
}

func (d *dialogue) turn(raw json.RawMessage) ([]openaiMessage, error) {
	var content geminiContent
	if err := protobuf(raw, &content); err != nil {
		return nil, err
	}
	t := turning{role: "user"}
	switch content.Role {
	case "", "user", "function", "system":
	case "model":
		t.role = "assistant"
	default:
		return nil, fmt.Errorf("role %.20q", content.Role)
	}
	for i, raw := range content.Parts {
		var part geminiPart
		err := protobuf(raw, &part)
		if err == nil {
			err = d.part(&t, &part)
		}
		if err != nil {
			return nil, fmt.Errorf("parts[%d]: %w", i, err)
		}
	}
	return t.done(), nil
}

func (d *dialogue) part(t *turning, p *geminiPart) error {
	switch {
	case p.Thought: // only who thought it can read it
	case p.Call != nil && t.role == "assistant":
		return d.call(t, p.Call)
	case p.Response != nil && t.role == "user":
		return d.answer(t, p.Response)
	case p.Data != nil && t.role == "user":
		return showBlob(t, p.Data)
	case p.Text != nil:
		t.say(*p.Text)
	case p.Call != nil || p.Response != nil || p.Data != nil:
		return errors.New("it is the other's to say")
	}
	return nil
}

func showBlob(t *turning, raw json.RawMessage) error {
	var blob geminiBlob
	if err := protobuf(raw, &blob); err != nil {
		return fmt.Errorf("inlineData: %w", err)
	}
	if !strings.HasPrefix(blob.MIMEType, "image/") {
		return fmt.Errorf("inlineData: %.50q: only images can be passed on", blob.MIMEType)
	}
	// Google's servers take the alphabet of addresses too; others do not.
	data := strings.NewReplacer("-", "+", "_", "/").Replace(blob.Data)
	t.parts = append(t.parts, openaiPart{Type: "image_url", ImageURL: &imageURL{URL: "data:" + blob.MIMEType + ";base64," + data}})
	return nil
}

func (d *dialogue) call(t *turning, in *geminiCall) error {
	arguments := in.Args
	if filled(arguments) == nil {
		arguments = json.RawMessage("{}")
	}
	if _, err := parseObject(arguments); err != nil {
		return fmt.Errorf("functionCall: args: %w", err)
	}
	d.made++
	c := openaiCall{ID: in.ID, Type: "function"}
	if c.ID == "" {
		c.ID = fmt.Sprintf("call_%d", d.made)
	}
	c.Function.Name, c.Function.Arguments = in.Name, string(arguments)
	t.calls = append(t.calls, c)
	d.open = append(d.open, c)
	return nil
}

func (d *dialogue) answer(t *turning, in *geminiResult) error {
	at := slices.IndexFunc(d.open, func(c openaiCall) bool { return in.ID != "" && in.ID == c.ID })
	if at < 0 {
		at = slices.IndexFunc(d.open, func(c openaiCall) bool { return in.Name == c.Function.Name })
	}
	if at < 0 {
		return fmt.Errorf("functionResponse: it answers no call of %.50q", in.Name)
	}
	id := d.open[at].ID
	d.open = slices.Delete(d.open, at, at+1)
	t.tools = append(t.tools, openaiMessage{Role: "tool", Content: resultText(in.Response), ToolCallID: id})
	if len(in.Parts) == 0 {
		return nil
	}
	t.say("The tool's answer to " + id + " shows:")
	for _, raw := range in.Parts {
		var part struct {
			Data json.RawMessage `json:"inlineData"`
		}
		if err := protobuf(raw, &part); err != nil {
			return fmt.Errorf("functionResponse: %w", err)
		}
		if err := showBlob(t, part.Data); err != nil {
			return fmt.Errorf("functionResponse: %w", err)
		}
	}
	return nil
}

// resultText is what a tool gave, as text. Gemini's API wants an object: of one
// that has the keys that its documentation names, what is in them.
func resultText(raw json.RawMessage) string {
	o, err := parseObject(raw)
	if err != nil || len(o.fields) != 1 {
		return string(raw)
	}
	if text, err := o.text("output"); err == nil && text != "" {
		return text
	}
	if text, err := o.text("error"); err == nil && text != "" {
		return "error: " + text
	}
	return string(raw)
}
