package inference

import (
	"encoding/json"
	"fmt"
)

// generated is the form of OpenAI's chat answers for an agent that calls
// Gemini's generateContent. In a pipe, it comes after a form that counts.
type generated struct {
	*exchange
	ear
	id    string
	array bool // the stream is one JSON array, as it is for who does not ask for events
	begun bool
	ended bool
}

func (g *generated) media() string {
	if g.array {
		return jsonType
	}
	return "text/event-stream"
}

func (g *generated) line(_, payload []byte) ([]byte, error) {
	if len(payload) == 0 || g.ended {
		return nil, nil
	}
	if string(payload) == sseEnd {
		return g.end()
	}
	w, err := g.hear(payload)
	if err != nil {
		return nil, err
	}
	parts := spokenParts(w)
	if parts == nil {
		return nil, nil
	}
	a := g.answer(parts)
	return g.element(a), nil
}

// spokenParts are what one element adds, but for calls of tools: those must be
// whole.
func spokenParts(w word) []geminiPart {
	var parts []geminiPart
	if w.thinking != "" {
		parts = append(parts, geminiPart{Text: &w.thinking, Thought: true})
	}
	if w.text != "" {
		parts = append(parts, geminiPart{Text: &w.text})
	}
	return parts
}

func (g *generated) answer(parts []geminiPart) *geminiAnswer {
	a := &geminiAnswer{Candidates: make([]geminiCandidate, 1), Version: g.call.Asked, ID: g.id}
	a.Candidates[0].Content.Parts, a.Candidates[0].Content.Role = parts, "model"
	return a
}

// element is an answer as a part of a stream.
func (g *generated) element(v any) []byte {
	b, _ := json.Marshal(v) // its raw parts were checked
	if !g.array {
		return fmt.Appendf(nil, "data: %s\r\n\r\n", b)
	}
	before := "["
	if g.begun {
		before = ",\r\n"
	}
	g.begun = true
	return append([]byte(before), b...)
}

// last is the answer's end: the calls of tools, the reason and the figures.
func (g *generated) last(parts []geminiPart) (*geminiAnswer, error) {
	whole, err := g.calls.whole()
	if err != nil {
		return nil, err
	}
	for _, c := range whole {
		parts = append(parts, geminiPart{Call: &geminiCall{ID: c.id, Name: c.name, Args: c.arguments}})
	}
	a := g.answer(parts)
	a.Candidates[0].FinishReason = finishOfGemini(g.reason)
	a.Usage = &geminiUsage{Prompt: g.used.PromptTokens, Candidates: g.used.CompletionTokens, Total: g.used.PromptTokens + g.used.CompletionTokens, Cached: g.used.Details.CachedTokens}
	if g.used.Out != nil {
		a.Usage.Thoughts = min(g.used.Out.ReasoningTokens, g.used.CompletionTokens)
		a.Usage.Candidates -= a.Usage.Thoughts
	}
	return a, nil
}

func (g *generated) end() ([]byte, error) {
	if g.ended {
		return nil, nil
	}
	g.ended = true
	a, err := g.last(nil)
	if err != nil {
		return nil, err
	}
	return g.close(g.element(a)), nil
}

func (g *generated) close(out []byte) []byte {
	if g.array {
		out = append(out, "]\r\n"...)
	}
	return out
}

func (g *generated) whole(body []byte) ([]byte, error) {
	w, err := g.hearWhole(body)
	if err != nil {
		return nil, err
	}
	a, err := g.last(spokenParts(w))
	if err != nil {
		return nil, err
	}
	if !g.stream {
		return json.Marshal(a)
	}
	return g.close(g.element(a)), nil // a stream of one element, from a server that does not stream
}

// fault ends a stream that has begun.
func (g *generated) fault(no *refusal) []byte {
	if g.array {
		return g.close(g.element(no.form(gemini)))
	}
	return g.element(no.form(gemini))
}

// finishOfGemini is the reason for an answer's end in Gemini's words.
func finishOfGemini(reason string) string {
	switch reason {
	case "length":
		return "MAX_TOKENS"
	case "content_filter":
		return "SAFETY"
	}
	return "STOP"
}
