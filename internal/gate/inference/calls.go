package inference

import "encoding/json"

// calls are the tool calls of one answer of OpenAI's API, put together from the
// parts of a stream.
type calls []streamedCall

type streamedCall struct {
	id, name  string
	arguments []byte // JSON
}

// callPart is what an element of a stream adds to the call at a place.
type callPart struct {
	at        int
	arguments string
}

// add adds a part of a call. A part belongs to the call at its index; some
// servers leave the index out, and send each call whole. One call beyond the
// bound is kept for whole to complain of; its parts are not.
func (k *calls) add(c called) callPart {
	at := len(*k)
	switch {
	case c.Index != nil && *c.Index >= 0:
		at = *c.Index
	case c.Function.Name == "" && at > 0:
		at--
	}
	at = min(at, maxTools)
	for len(*k) <= at {
		*k = append(*k, streamedCall{})
	}
	if at == maxTools {
		return callPart{at: at}
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
	return callPart{at, arguments}
}

// whole are the calls, when no more comes: each with a name, and with an object
// as its arguments.
func (k calls) whole() ([]streamedCall, error) {
	if len(k) > maxTools {
		return nil, nonsense("more than %d calls of tools", maxTools)
	}
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
