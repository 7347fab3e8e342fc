package inference

import "encoding/json"

// calls are the tool calls of one answer of OpenAI's API, put together from the
// parts of a stream.
type calls []streamedCall

type streamedCall struct {
	id, name  string
	arguments []byte // JSON
}

// add adds a part of a call. A part belongs to the call at its index; some
// servers leave the index out, and send each call whole.
func (k *calls) add(c called) {
	at := len(*k)
	switch {
	case c.Index != nil && *c.Index >= 0:
		at = *c.Index
	case c.Function.Name == "" && at > 0:
		at--
	}
	if at >= maxTools {
		return
	}
	for len(*k) <= at {
		*k = append(*k, streamedCall{})
	}
	var arguments string
	if json.Unmarshal(c.Function.Arguments, &arguments) != nil {
		arguments = string(c.Function.Arguments)
	}
	call := &(*k)[at]
	if c.ID != "" {
		call.id = c.ID
	}
	call.name += c.Function.Name
	call.arguments = append(call.arguments, arguments...)
}

// whole are the calls, when no more comes: each with a name, and with an object
// as its arguments.
func (k calls) whole() ([]streamedCall, error) {
	for i, c := range k {
		if c.name == "" {
			return nil, nonsense("a call of a tool without a name")
		}
		if len(c.arguments) == 0 {
			k[i].arguments = []byte("{}")
		}
		if _, err := parseObject(k[i].arguments); err != nil {
			return nil, nonsense("the arguments for tool %.50q are no JSON object", c.name)
		}
	}
	return k, nil
}
