package inference

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// openaiSaid is one message of OpenAI's chat. What is of no use to Anthropic's
// models is read and left: another model's thoughts, notes on its own text.
type openaiSaid struct {
	Role       string          `json:"role"`
	Content    json.RawMessage `json:"content"`
	Name       string          `json:"name"`
	ToolCalls  []openaiCall    `json:"tool_calls"`
	ToolCallID string          `json:"tool_call_id"`
	Refusal    string          `json:"refusal"`

	Reasoning        json.RawMessage `json:"reasoning"`
	ReasoningContent json.RawMessage `json:"reasoning_content"`
	ReasoningDetails json.RawMessage `json:"reasoning_details"`
	Annotations      json.RawMessage `json:"annotations"`
}

// talk puts the messages into Anthropic's form: what the system says apart, and
// turns that alternate.
func (out *anthropicChat) talk(in *openaiAsk) error {
	out.Messages = []anthropicMessage{}
	for i, raw := range in.Messages {
		if err := out.add(raw); err != nil {
			return fmt.Errorf("messages[%d]: %w", i, err)
		}
	}
	return nil
}

func (out *anthropicChat) add(raw json.RawMessage) error {
	var m openaiSaid
	if err := strictly(dropNulls(raw), &m); err != nil {
		return err
	}
	blocks, err := blocksOf(m.Content)
	if err != nil {
		return err
	}
	switch m.Role {
	case "system", "developer":
		if m.Name != "" {
			return errors.New(`field "name"`)
		}
		return out.order(blocks)
	case "user":
		if m.Name != "" {
			return errors.New(`field "name"`)
		}
		out.turn("user", blocks)
	case "assistant":
		uses, err := usesOf(m.ToolCalls)
		if err != nil {
			return err
		}
		if m.Refusal != "" {
			blocks = append(blocks, textBlock{Type: textKind, Text: m.Refusal})
		}
		out.turn("assistant", append(blocks, uses...))
	case "tool":
		out.turn("user", []any{resultBlock{Type: resultKind, ToolUseID: plainID(m.ToolCallID), Content: blocks}})
	default:
		return fmt.Errorf("role %.50q", m.Role)
	}
	return nil
}

// order adds to what the system says. Anthropic's API has one place for it,
// before all messages.
func (out *anthropicChat) order(blocks []any) error {
	for _, b := range blocks {
		if _, ok := b.(textBlock); !ok {
			return errors.New("an image that the system shows")
		}
	}
	out.System = append(out.System, blocks...)
	return nil
}

// turn adds to the last turn, or begins the next one. Nothing said is none.
func (out *anthropicChat) turn(role string, blocks []any) {
	if len(blocks) == 0 {
		return
	}
	if last := len(out.Messages) - 1; last >= 0 && out.Messages[last].Role == role {
		out.Messages[last].Content = append(out.Messages[last].Content, blocks...)
		return
	}
	out.Messages = append(out.Messages, anthropicMessage{role, blocks})
}

// blocksOf are a message's parts. Empty texts are left out: Anthropic's API
// refuses them.
func blocksOf(raw json.RawMessage) ([]any, error) {
	if filled(raw) == nil {
		return nil, nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []any{textBlock{Type: textKind, Text: text}}, nil
	}
	var parts []json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return nil, errors.New(`"content" is neither a text nor a list of parts`)
	}
	var out []any
	for i, part := range parts {
		b, err := blockOf(part)
		if err != nil {
			return nil, fmt.Errorf("content[%d]: %w", i, err)
		}
		if b != nil {
			out = append(out, b)
		}
	}
	return out, nil
}

func blockOf(raw json.RawMessage) (any, error) {
	var part struct {
		Type     string `json:"type"`
		Text     string `json:"text"`
		Refusal  string `json:"refusal"`
		ImageURL *struct {
			URL    string `json:"url"`
			Detail string `json:"detail"` // how closely OpenAI's models look
		} `json:"image_url"`
		CacheControl json.RawMessage `json:"cache_control"`
	}
	if json.Unmarshal(raw, &part) == nil {
		switch {
		case part.Type == "text" && part.Text == "", part.Type == "refusal" && part.Refusal == "":
			return nil, nil
		case part.Type == "text", part.Type == "refusal":
			return textBlock{textKind, part.Text + part.Refusal, filled(part.CacheControl)}, nil
		case part.Type == "image_url" && part.ImageURL != nil:
			source, err := sourceOf(part.ImageURL.URL)
			return imageBlock{imageKind, source, filled(part.CacheControl)}, err
		}
	}
	return nil, fmt.Errorf("type %.50q", part.Type)
}

// sourceOf reads an image's address, which may be the image itself.
func sourceOf(url string) (imageSource, error) {
	inline, isData := strings.CutPrefix(url, "data:")
	if !isData {
		if !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") {
			return imageSource{}, errors.New("image_url: neither a data: nor an http address")
		}
		return imageSource{Type: "url", URL: url}, nil
	}
	media, image, found := strings.Cut(inline, ";base64,")
	if !found {
		return imageSource{}, errors.New("image_url: an image that is not base64")
	}
	return imageSource{Type: "base64", MediaType: media, Data: image}, nil
}

func usesOf(calls []openaiCall) ([]any, error) {
	var out []any
	for i, c := range calls {
		arguments := c.Function.Arguments
		if strings.TrimSpace(arguments) == "" {
			arguments = "{}"
		}
		if c.Type != "function" && c.Type != "" {
			return nil, fmt.Errorf("tool_calls[%d]: type %.50q", i, c.Type)
		}
		if _, err := parseObject([]byte(arguments)); err != nil {
			return nil, fmt.Errorf("tool_calls[%d]: arguments: %w", i, err)
		}
		out = append(out, useBlock{useKind, plainID(c.ID), c.Function.Name, json.RawMessage(arguments)})
	}
	return out, nil
}

// plainID is a call's name in the letters that Anthropic's API takes there.
func plainID(id string) string {
	return strings.Map(func(c rune) rune {
		if odd(c) || strings.ContainsRune("/.:@", c) {
			return '_'
		}
		return c
	}, id)
}

// strictly reads v, and names a field that v does not have: the agent must not
// believe that it was heeded.
func strictly(raw json.RawMessage, v any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		return nil
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return errors.New("field " + name)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

// dropNulls is a JSON object without the fields that are null.
func dropNulls(raw json.RawMessage) json.RawMessage {
	o, err := parseObject(raw)
	if err != nil {
		return raw
	}
	var null []string
	for _, f := range o.fields {
		if string(o.raw[f.start:f.end]) == "null" {
			null = append(null, f.key)
		}
	}
	if len(null) == 0 {
		return raw
	}
	return json.RawMessage(o.without(null...))
}
