package inference

import (
	"encoding/json"
	"fmt"
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

	Tools     []string `json:"tools,omitempty"` // names of the tools that the model called
	TokensIn  int      `json:"tokens_in"`       // the provider's own figure; 0 where it gave none
	TokensOut int      `json:"tokens_out"`      // the same

	FirstToken float64 `json:"first_token_ms"`
	Duration   float64 `json:"duration_ms"`
	Error      string  `json:"error,omitempty"`
}

// The longest texts that a record keeps, in bytes. What is cut out is the
// middle: a conversation's news is at its end.
const (
	maxPrompt = 256 << 10
	maxExtra  = 64 << 10
	maxAnswer = 256 << 10
	maxError  = 2 << 10
	maxName   = 256
)

// shortened is s within max bytes, with what was left out said in the middle.
func shortened(s string, max int) string {
	if len(s) <= max {
		return s
	}
	head, tail := s[:max/4], s[len(s)-3*max/4:]
	return fmt.Sprintf("%s … %d bytes left out … %s", head, len(s)-len(head)-len(tail), tail)
}

// clean is the call as it may be written: bounded, without secrets and, when
// only metadata is wanted, without contents.
func (c Call) clean(full bool, mask func(string) string) Call {
	if !full {
		c.Prompt, c.Extra, c.Answer = "", "", ""
	}
	c.Asked = shortened(mask(c.Asked), maxName)
	c.Prompt = shortened(mask(c.Prompt), maxPrompt)
	c.Extra = shortened(mask(c.Extra), maxExtra)
	c.Answer = shortened(mask(c.Answer), maxAnswer)
	c.Error = shortened(mask(c.Error), maxError)
	return c
}

// line is the call as one line of JSON.
func (c Call) line() []byte {
	b, _ := json.Marshal(c) // strings and numbers always can be
	return append(b, '\n')
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
