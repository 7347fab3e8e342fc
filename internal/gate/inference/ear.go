package inference

import "encoding/json"

// ear takes an answer of OpenAI's chat in, whole or in its chunks, for the forms
// that make another API's answer of it. That chat is the middle of every
// translation: what an agent's API cannot say in it, or it not in an agent's, is
// an error.
type ear struct {
	calls  calls
	reason string // why the answer ended
	used   completionUsage
	hidden int // bytes of thoughts and of calls of tools
}

// word is what one element of an answer adds.
type word struct {
	text, thinking string
	calls          []callPart
}

// chunk is what is read of OpenAI's answers here.
type chunk struct {
	Error   json.RawMessage  `json:"error"`
	Choices []choice         `json:"choices"`
	Usage   *completionUsage `json:"usage"`
}

// hear reads one element.
func (e *ear) hear(payload []byte) (word, error) {
	c, err := readAs[chunk](payload)
	if err != nil {
		return word{}, err
	}
	if f := faultOf(c.Error); f != "" {
		return word{}, nonsense("it is an error: %s", f)
	}
	if c.Usage != nil && c.Usage.PromptTokens > 0 {
		e.used = *c.Usage
	}
	if len(c.Choices) == 0 { // usage alone
		return word{}, nil
	}
	return e.take(c.Choices[0]), nil
}

// hearWhole reads a whole answer.
func (e *ear) hearWhole(body []byte) (word, error) {
	c, err := readAs[chunk](body)
	if err != nil {
		return word{}, err
	}
	if len(c.Choices) == 0 && faultOf(c.Error) == "" {
		return word{}, nonsense("it has no choices")
	}
	return e.hear(body)
}

func (e *ear) take(c choice) word {
	if c.FinishReason != nil && *c.FinishReason != "" {
		e.reason = *c.FinishReason
	}
	m := c.Delta
	if m == nil {
		m = c.Message
	}
	if m == nil {
		return word{}
	}
	w := word{text: m.Content + m.Refusal, thinking: m.Thinking + m.ReasoningContent + m.Reasoning}
	e.hidden += len(w.thinking)
	for _, call := range m.ToolCalls {
		part := e.calls.add(call)
		w.calls = append(w.calls, part)
		e.hidden += len(part.arguments)
	}
	return w
}
