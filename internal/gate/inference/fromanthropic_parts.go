package inference

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// given is one block of what an agent sends by Anthropic's API.
type given struct {
	Type      string          `json:"type"`
	Text      string          `json:"text"`
	Source    json.RawMessage `json:"source"` // of image and document
	ID        string          `json:"id"`     // of tool_use, with name and input
	Name      string          `json:"name"`
	Input     json.RawMessage `json:"input"`
	ToolUseID string          `json:"tool_use_id"` // of tool_result, with content
	Content   json.RawMessage `json:"content"`
	IsError   bool            `json:"is_error"`
	ToolName  string          `json:"tool_name"` // of tool_reference
	Title     string          `json:"title"`     // of document
	Context   string          `json:"context"`   // the same
	Citations json.RawMessage `json:"citations"` // wanted of a document; in a text, those that were given

	// Of use to Anthropic's servers alone.
	CacheControl json.RawMessage `json:"cache_control"`
	Caller       json.RawMessage `json:"caller"`
	Thinking     string          `json:"thinking"`
	Signature    string          `json:"signature"`
	Data         string          `json:"data"` // of redacted_thinking
}

// openaiPart is a part of a message in OpenAI's form.
type openaiPart struct {
	Type     string    `json:"type"` // text or image_url
	Text     string    `json:"text,omitempty"`
	ImageURL *imageURL `json:"image_url,omitempty"`
}

type imageURL struct {
	URL    string `json:"url"`
	Detail string `json:"detail,omitempty"`
}

// kinds are the blocks that have a counterpart, or need none.
var kinds = map[string]bool{textKind: true, imageKind: true, "document": true, useKind: true, resultKind: true, "thinking": true, "redacted_thinking": true}

// chatMessages are the messages, with what the system says before them.
func chatMessages(system json.RawMessage, in []json.RawMessage) ([]openaiMessage, error) {
	text, err := textOf(system)
	if err != nil {
		return nil, fmt.Errorf("system: %w", err)
	}
	out := []openaiMessage{}
	if text != "" {
		out = append(out, openaiMessage{Role: "system", Content: text})
	}
	for i, raw := range in {
		made, err := chatMessage(raw)
		if err != nil {
			return nil, fmt.Errorf("messages[%d]: %w", i, err)
		}
		out = append(out, made...)
	}
	return out, nil
}

// chatMessage is what becomes of one turn: in OpenAI's API every tool's answer
// is a message of its own.
func chatMessage(raw json.RawMessage) ([]openaiMessage, error) {
	var m struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
		Config  json.RawMessage `json:"output_config"` // Claude Code's, from here on
	}
	if err := strictly(raw, &m); err != nil {
		return nil, err
	}
	if err := effortAlone(m.Config); err != nil {
		return nil, err
	}
	if m.Role == "system" { // Anthropic's newer models take one between others
		text, err := textOf(m.Content)
		return []openaiMessage{{Role: "system", Content: text}}, err
	}
	if m.Role != "user" && m.Role != "assistant" {
		return nil, fmt.Errorf("role %.50q", m.Role)
	}
	var text string
	if json.Unmarshal(m.Content, &text) == nil {
		return []openaiMessage{{Role: m.Role, Content: text}}, nil
	}
	var blocks []json.RawMessage
	if json.Unmarshal(m.Content, &blocks) != nil {
		return nil, errors.New(`"content" is neither a text nor a list of blocks`)
	}
	t := turning{role: m.Role}
	for i, raw := range blocks {
		if err := t.block(raw); err != nil {
			return nil, fmt.Errorf("content[%d]: %w", i, err)
		}
	}
	return t.done(), nil
}

// effortAlone holds a turn's configuration to what may be left out: how much to
// think.
func effortAlone(config json.RawMessage) error {
	if filled(config) == nil {
		return nil
	}
	var in struct {
		Effort json.RawMessage `json:"effort"`
	}
	if err := strictly(config, &in); err != nil {
		return fmt.Errorf("output_config: %w", err)
	}
	return nil
}

// turning takes one turn apart.
type turning struct {
	role  string
	tools []openaiMessage // the tools' answers, which come first in both APIs
	parts []openaiPart
	calls []openaiCall
}

func (t *turning) block(raw json.RawMessage) error {
	var b given
	if err := json.Unmarshal(raw, &b); err == nil && !kinds[b.Type] {
		return fmt.Errorf("type %.50q", b.Type)
	}
	if err := strictly(raw, &b); err != nil {
		return err
	}
	switch {
	case b.Type == textKind:
		t.say(b.Text)
	case b.Type == "thinking", b.Type == "redacted_thinking":
		// Only who thought it can read it.
	case b.Type == imageKind && t.role == "user":
		return t.show(b.Source)
	case b.Type == "document" && t.role == "user":
		return t.quote(b)
	case b.Type == useKind && t.role == "assistant":
		return t.call(b)
	case b.Type == resultKind && t.role == "user":
		return t.result(b)
	default:
		return fmt.Errorf("type %.50q", b.Type)
	}
	return nil
}

func (t *turning) say(text string) {
	if text != "" {
		t.parts = append(t.parts, openaiPart{Type: "text", Text: text})
	}
}

func (t *turning) show(raw json.RawMessage) error {
	var source imageSource
	if err := strictly(raw, &source); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	url := source.URL
	switch source.Type {
	case "base64":
		url = "data:" + source.MediaType + ";base64," + source.Data
	case "url":
	default:
		return fmt.Errorf("source: type %.50q", source.Type)
	}
	t.parts = append(t.parts, openaiPart{Type: "image_url", ImageURL: &imageURL{URL: url}})
	return nil
}

// quote takes a document that is text.
func (t *turning) quote(b given) error {
	var source imageSource
	if err := strictly(b.Source, &source); err != nil || source.Type != "text" {
		return fmt.Errorf("source: a document of type %.50q: only text can be passed on", source.Type)
	}
	var cite struct {
		Enabled bool `json:"enabled"`
	}
	if filled(b.Citations) != nil && (strictly(b.Citations, &cite) != nil || cite.Enabled) {
		return errors.New("citations: only Anthropic's models give them")
	}
	for _, text := range []string{b.Title, b.Context, source.Data} {
		t.say(text)
	}
	return nil
}

func (t *turning) call(b given) error {
	if _, err := parseObject(b.Input); err != nil {
		return fmt.Errorf("input: %w", err)
	}
	c := openaiCall{ID: b.ID, Type: "function"}
	c.Function.Name, c.Function.Arguments = b.Name, string(b.Input)
	t.calls = append(t.calls, c)
	return nil
}

// result is a tool's answer, which is text in OpenAI's API: its images follow
// as if the agent's person had sent them.
func (t *turning) result(b given) error {
	inner := turning{role: "user"}
	var text string
	if filled(b.Content) != nil && json.Unmarshal(b.Content, &text) == nil {
		inner.say(text)
	} else if err := inner.results(b.Content); err != nil {
		return fmt.Errorf("content: %w", err)
	}
	text, images := apart(inner.parts)
	if b.IsError {
		text = "error: " + text
	}
	t.tools = append(t.tools, openaiMessage{Role: "tool", Content: text, ToolCallID: b.ToolUseID})
	if len(images) > 0 {
		t.say("The tool's answer to " + b.ToolUseID + " shows:")
		t.parts = append(t.parts, images...)
	}
	return nil
}

// results are the blocks of a tool's answer.
func (t *turning) results(raw json.RawMessage) error {
	if filled(raw) == nil {
		return nil
	}
	var blocks []given
	if err := json.Unmarshal(raw, &blocks); err != nil {
		return err
	}
	for i, b := range blocks {
		var err error
		switch b.Type {
		case textKind:
			t.say(b.Text)
		case imageKind:
			err = t.show(b.Source)
		case "document":
			err = t.quote(b)
		case "tool_reference": // a tool that was not told of before; here all are
			t.say("tool " + b.ToolName)
		default:
			err = fmt.Errorf("type %.50q", b.Type)
		}
		if err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return nil
}

// done is the turn as messages.
func (t *turning) done() []openaiMessage {
	out := t.tools
	if len(t.parts) == 0 && len(t.calls) == 0 {
		return out
	}
	m := openaiMessage{Role: t.role, ToolCalls: t.calls}
	text, images := apart(t.parts)
	switch {
	case len(images) > 0:
		m.Content = t.parts
	case text != "": // as text alone: many servers take parts only where they must
		m.Content = text
	}
	return append(out, m)
}

// apart is the text in the parts, and what else is there.
func apart(parts []openaiPart) (text string, images []openaiPart) {
	var texts []string
	for _, p := range parts {
		if p.ImageURL != nil {
			images = append(images, p)
			continue
		}
		texts = append(texts, p.Text)
	}
	return strings.Join(texts, "\n"), images
}
