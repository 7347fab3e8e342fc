package inference

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Call is one model call as it is recorded: every one that the agent made, the
// refused ones too.
type Call struct {
	Time     time.Time `json:"time"`               // when the request began
	Program  string    `json:"program,omitempty"`  // inside, that made it
	API      string    `json:"api"`                // that the agent speaks: ollama, openai, anthropic
	Path     string    `json:"path"`               // /api/chat …
	Asked    string    `json:"asked"`              // the model that the agent asked for
	Given    string    `json:"given,omitempty"`    // provider/model that it got
	Provider string    `json:"provider,omitempty"` // of Given
	Status   int       `json:"status"`             // HTTP; 499 when the agent hung up before the answer began
	Stream   bool      `json:"stream"`
	Refused  bool      `json:"refused,omitempty"` // by the policy or a limit; no provider was asked

	// Of log: full only.
	Prompt string `json:"prompt,omitempty"` // the messages as JSON, or the prompt or input
	Extra  string `json:"extra,omitempty"`  // the request's other fields, as a JSON object
	Answer string `json:"answer,omitempty"` // text and tool calls, streamed ones put together

	Tools     []string `json:"tools,omitempty"`          // names of the tools that the model called
	TokensIn  int      `json:"tokens_in"`                // the provider's own figure; 0 where it gave none
	TokensOut int      `json:"tokens_out"`               // the same
	Cached    int      `json:"tokens_cached,omitempty"`  // of TokensIn, what the provider had kept
	Counted   int64    `json:"tokens_counted,omitempty"` // for the day's limit, where that is not the sum of the figures
	Cost      float64  `json:"cost,omitempty"`           // by the policy's prices, in their currency
	Steps     []Step   `json:"steps,omitempty"`          // who was asked before, and why another was

	lost int // bytes of Answer that were not kept to be written

	FirstToken float64 `json:"first_token_ms"`
	Duration   float64 `json:"duration_ms"`
	Error      string  `json:"error,omitempty"`
}

// Step is a provider that could not answer before another was asked.
type Step struct {
	Given  string  `json:"given"`  // provider/model
	Status int     `json:"status"` // HTTP, as the agent would have got it
	Error  string  `json:"error"`
	Took   float64 `json:"took_ms"`
}

// The longest texts that a record keeps, in bytes. What is cut out is the
// middle: a conversation's news is at its end.
const (
	maxPrompt = 256 << 10
	maxExtra  = 64 << 10
	maxAnswer = 256 << 10
	maxError  = 2 << 10
	maxName   = 256

	// border is what is masked beyond what is kept, in bytes, so that a secret
	// at the cut is seen whole. No key is longer.
	border = 4 << 10
)

// shortened is s within about most bytes, with what was left out said in the
// middle.
func shortened(s string, most int) string {
	head, tail := most/4, 3*most/4
	if len(s) <= most {
		return s
	}
	return joined(s[:head], len(s)-head-tail, s[len(s)-tail:])
}

// unseen is s shortened and without secrets. It masks only what it keeps: an
// agent can make contents as long as a body may be.
func unseen(s string, most int, mask func(string) string) string {
	return unseenOf(s, 0, most, mask)
}

// unseenOf is the same of a text from whose middle lost bytes are gone.
func unseenOf(s string, lost, most int, mask func(string) string) string {
	if len(s) <= most+2*border {
		return shortened(mask(s), most)
	}
	head, tail := most/4, 3*most/4
	first, last := mask(s[:head+border]), mask(s[len(s)-tail-border:])
	return joined(first[:min(head, len(first))], lost+len(s)-head-tail, last[max(len(last)-tail, 0):])
}

func joined(first string, left int, last string) string {
	return fmt.Sprintf("%s … %d bytes left out … %s", first, left, last)
}

// clean is the call as it may be written: bounded, without secrets and, when
// only metadata is wanted, without contents.
func (c Call) clean(full bool, mask func(string) string) Call {
	if !full {
		c.Prompt, c.Extra, c.Answer = "", "", ""
	}
	c.Asked = unseen(c.Asked, maxName, mask)
	c.Prompt = unseen(c.Prompt, maxPrompt, mask)
	c.Extra = unseen(c.Extra, maxExtra, mask)
	c.Answer = unseenOf(c.Answer, c.lost, maxAnswer, mask)
	c.Error = unseen(c.Error, maxError, mask)
	c.Steps = slices.Clone(c.Steps)
	for i := range c.Steps {
		c.Steps[i].Error = unseen(c.Steps[i].Error, maxError, mask)
	}
	return c
}

// size is about how many bytes the record takes.
func (c Call) size() int64 { return int64(1024 + len(c.Prompt) + len(c.Extra) + len(c.Answer)) }

// line is the call as one line of JSON.
func (c Call) line() []byte {
	b, _ := json.Marshal(c) // strings and numbers always can be
	return append(b, '\n')
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
