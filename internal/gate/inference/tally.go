package inference

import (
	"encoding/json"
	"slices"
	"strings"
)

// tally puts an answer together from its pieces, in either API.
type tally struct {
	text     strings.Builder
	thinking strings.Builder
	tools    calls
	size     int // bytes of the texts, kept or not
	lost     int // of them, what was not kept

	in, out int    // the provider's figures
	cached  int    // of in, what it had kept from before
	done    bool   // the answer said that it is complete
	short   bool   // it was cut at the most that it may be long
	several bool   // it has more than one choice: their calls cannot be told apart
	fault   string // the error that it carried
}

// maxKept bounds what the tally keeps of an answer; the record keeps less.
const maxKept = 1 << 20

// piece is what both APIs' answers and elements of answers may have.
type piece struct {
	Error json.RawMessage `json:"error"`

	// Ollama's
	Message         *said  `json:"message"`
	Response        string `json:"response"`
	Thinking        string `json:"thinking"`
	Done            bool   `json:"done"`
	DoneReason      string `json:"done_reason"`
	PromptEvalCount int    `json:"prompt_eval_count"`
	EvalCount       int    `json:"eval_count"`

	// OpenAI's
	Choices []choice `json:"choices"`
	Usage   *usage   `json:"usage"`
}

type choice struct {
	Index        int     `json:"index"`
	Text         string  `json:"text"`
	Delta        *said   `json:"delta"`
	Message      *said   `json:"message"`
	FinishReason *string `json:"finish_reason"`
}

type said struct {
	Content          string   `json:"content"`
	Refusal          string   `json:"refusal"`
	Thinking         string   `json:"thinking"`
	ReasoningContent string   `json:"reasoning_content"`
	Reasoning        string   `json:"reasoning"`
	ToolCalls        []called `json:"tool_calls"`
}

type called struct {
	Index    *int   `json:"index,omitempty"` // OpenAI's
	ID       string `json:"id,omitempty"`
	Function struct {
		Index     *int            `json:"index,omitempty"` // Ollama's
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"` // Ollama: an object; OpenAI: a string, in parts
	} `json:"function"`
}

type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	PromptDetails    struct {
		CachedTokens int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

// add takes one piece. It says whether the piece held something that was said,
// for the time to the first token.
func (t *tally) add(p *piece) bool {
	before := t.size
	if f := faultOf(p.Error); f != "" {
		t.fault, t.done = f, true
	}
	t.take(p.Message)
	t.say(&t.text, p.Response)
	t.say(&t.thinking, p.Thinking)
	for _, c := range p.Choices {
		t.say(&t.text, c.Text)
		t.take(c.Delta)
		t.take(c.Message)
		t.several = t.several || c.Index > 0
		if c.FinishReason != nil && *c.FinishReason != "" {
			t.done = true
			t.short = t.short || *c.FinishReason == "length"
		}
	}
	t.done, t.short = t.done || p.Done, t.short || p.DoneReason == "length"
	t.in, t.out = max(t.in, p.PromptEvalCount), max(t.out, p.EvalCount)
	if p.Usage != nil {
		t.in, t.out = max(t.in, p.Usage.PromptTokens), max(t.out, p.Usage.CompletionTokens)
		t.cached = max(t.cached, p.Usage.PromptDetails.CachedTokens)
	}
	return t.size > before
}

func (t *tally) take(m *said) {
	if m == nil {
		return
	}
	t.say(&t.text, m.Content+m.Refusal)
	t.say(&t.thinking, m.Thinking+m.ReasoningContent+m.Reasoning)
	for _, c := range m.ToolCalls {
		t.tool(c)
	}
}

func (t *tally) say(b *strings.Builder, s string) {
	t.size += len(s)
	b.WriteString(s)
	t.bound(b)
}

// bound takes the middle out of what is too long: what an answer comes to is at
// its end. More is left on both sides than the record keeps, so that no secret is
// cut where it is not masked.
func (t *tally) bound(b *strings.Builder) {
	if b.Len() <= maxKept {
		return
	}
	s := b.String()
	b.Reset()
	b.WriteString(s[:maxKept/4])
	b.WriteString(s[len(s)-maxKept/4:])
	t.lost += len(s) - b.Len()
}

// maxTools bounds the tool calls of one answer.
const maxTools = 256

// tool begins a call, or adds to the one that a stream began before.
func (t *tally) tool(c called) {
	begun := len(t.tools)
	part := t.tools.add(c)
	t.size += len(part.arguments)
	if len(t.tools) > begun {
		t.size += len(c.Function.Name)
	}
}

// uncallable says why an agent could not make the calls of tools that a complete
// answer asks for. One that was cut says so itself.
func (t *tally) uncallable() error {
	if !t.done || t.short || t.several || t.fault != "" {
		return nil
	}
	if _, err := slices.Clone(t.tools).whole(); err != nil { // the record has them as they came
		return &misspoken{err}
	}
	return nil
}

// misspoken is an answer in which a model calls a tool that cannot be called: its
// own fault, not that of the server, which is not left alone for it.
type misspoken struct{ error }

func (m *misspoken) Unwrap() error { return m.error }

// faultOf is the text of an error in either API's form.
func faultOf(raw json.RawMessage) string {
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var o struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(raw, &o) == nil && o.Message != "" {
		return o.Message
	}
	return string(raw)
}

// fill writes what was said into the record.
func (t *tally) fill(c *Call) {
	c.TokensIn, c.TokensOut, c.Cached = t.in, t.out, t.cached
	var answer strings.Builder
	if t.thinking.Len() > 0 {
		answer.WriteString("<think>" + t.thinking.String() + "</think>\n")
	}
	answer.WriteString(t.text.String())
	for _, tool := range t.tools {
		if answer.Len() > 0 {
			answer.WriteByte('\n')
		}
		name := shortened(tool.name, maxName)
		answer.WriteString("[tool " + name + " " + shortened(string(tool.arguments), maxKept) + "]")
		if !slices.Contains(c.Tools, name) {
			c.Tools = append(c.Tools, name)
		}
	}
	c.Answer, c.lost = answer.String(), t.lost
	if c.Error == "" && t.fault != "" {
		c.Error = "the provider says: " + t.fault
	}
}
