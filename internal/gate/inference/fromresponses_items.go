package inference

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// converse puts instructions and items into messages.
func (c *openaiChat) converse(instructions string, input json.RawMessage) error {
	s := &script{out: []openaiMessage{}}
	s.system(instructions)
	var text string
	var items []json.RawMessage
	switch {
	case filled(input) == nil:
		return errors.New(`there is no "input"`)
	case json.Unmarshal(input, &text) == nil:
		s.out = append(s.out, openaiMessage{Role: "user", Content: text})
	case json.Unmarshal(input, &items) != nil:
		return errors.New(`"input" is neither a text nor a list of items`)
	}
	for i, raw := range items {
		if err := s.item(raw); err != nil {
			return fmt.Errorf("input[%d]: %w", i, err)
		}
	}
	s.flush()
	c.Messages = s.out
	return nil
}

// script is a conversation while it is put into messages.
type script struct {
	out   []openaiMessage
	shown []openaiPart // what tools showed, until all that were called have answered
}

// system adds to what the system says. Many models take one such message only,
// the first.
func (s *script) system(text string) {
	if text == "" {
		return
	}
	if last := len(s.out) - 1; last >= 0 && s.out[last].Role == "system" {
		before, _ := s.out[last].Content.(string)
		s.out[last].Content = before + "\n\n" + text
		return
	}
	s.out = append(s.out, openaiMessage{Role: "system", Content: text})
}

// flush gives what tools showed, as if the agent's person had sent it.
func (s *script) flush() {
	if len(s.shown) > 0 {
		s.out = append(s.out, openaiMessage{Role: "user", Content: s.shown})
	}
	s.shown = nil
}

func (s *script) item(raw json.RawMessage) error {
	var it responseItem
	if err := json.Unmarshal(dropNulls(raw), &it); err != nil {
		return err
	}
	if it.Type == thoughtItem {
		return nil // only who thought it can read it
	}
	take := map[string]func(*responseItem) error{
		"": s.message, messageItem: s.message, callItem: s.call, customItem: s.call, outputItem: s.output, customOutput: s.output,
	}[it.Type]
	if take == nil {
		return fmt.Errorf("type %.50q", it.Type)
	}
	if err := strictly(dropNulls(raw), &it); err != nil {
		return err
	}
	return take(&it)
}

func (s *script) message(it *responseItem) error {
	s.flush()
	parts, err := responseParts(it.Content)
	if err != nil {
		return err
	}
	text, images := apart(parts)
	switch it.Role {
	case "system", "developer":
		if len(images) > 0 {
			return errors.New("an image that the system shows")
		}
		s.system(text)
		return nil
	case "user", "assistant":
	default:
		return fmt.Errorf("role %.50q", it.Role)
	}
	m := openaiMessage{Role: it.Role, Content: text}
	if len(images) > 0 {
		m.Content = parts
	}
	s.out = append(s.out, m)
	return nil
}

// call adds to the calls of the last message of the model's.
func (s *script) call(it *responseItem) error {
	s.flush()
	c := openaiCall{ID: it.CallID, Type: "function"}
	c.Function.Name, c.Function.Arguments = spacedName(it.Namespace, it.Name), it.Arguments
	if it.Type == customItem {
		c.Function.Arguments = `{"input":` + string(quote(it.Input)) + `}`
	}
	if strings.TrimSpace(c.Function.Arguments) == "" {
		c.Function.Arguments = "{}"
	}
	if _, err := parseObject([]byte(c.Function.Arguments)); err != nil {
		return fmt.Errorf("arguments: %w", err)
	}
	last := len(s.out) - 1
	if last < 0 || s.out[last].Role != "assistant" {
		s.out = append(s.out, openaiMessage{Role: "assistant"})
		last++
	}
	s.out[last].ToolCalls = append(s.out[last].ToolCalls, c)
	return nil
}

func (s *script) output(it *responseItem) error {
	parts, err := responseParts(it.Output)
	if err != nil {
		return fmt.Errorf("output: %w", err)
	}
	text, images := apart(parts)
	s.out = append(s.out, openaiMessage{Role: "tool", Content: text, ToolCallID: it.CallID})
	if len(images) > 0 {
		s.shown = append(s.shown, openaiPart{Type: "text", Text: "The tool's answer to " + it.CallID + " shows:"})
		s.shown = append(s.shown, images...)
	}
	return nil
}

// responseParts are the parts of a message, or of what a tool gave.
func responseParts(raw json.RawMessage) ([]openaiPart, error) {
	var text string
	if filled(raw) == nil || json.Unmarshal(raw, &text) == nil {
		return []openaiPart{{Type: "text", Text: text}}, nil
	}
	var parts []json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return nil, errors.New(`neither a text nor a list of parts`)
	}
	var out []openaiPart
	for i, raw := range parts {
		part, err := responsePartOf(raw)
		if err != nil {
			return nil, fmt.Errorf("content[%d]: %w", i, err)
		}
		out = append(out, part)
	}
	return out, nil
}

func responsePartOf(raw json.RawMessage) (openaiPart, error) {
	var in responsePart
	if err := json.Unmarshal(raw, &in); err == nil && !slices.Contains([]string{"input_text", "output_text", "text", "refusal", "input_image"}, in.Type) {
		return openaiPart{}, fmt.Errorf("type %.50q", in.Type)
	}
	if err := strictly(dropNulls(raw), &in); err != nil {
		return openaiPart{}, err
	}
	if in.Type != "input_image" {
		return openaiPart{Type: "text", Text: in.Text + in.Refusal}, nil
	}
	if in.ImageURL == "" {
		return openaiPart{}, errors.New("an image that is not here")
	}
	detail := in.Detail
	if detail == "auto" {
		detail = ""
	}
	return openaiPart{Type: "image_url", ImageURL: &imageURL{in.ImageURL, detail}}, nil
}
