package inference

import "encoding/json"

// calls are the tool calls of one answer of OpenAI's API, put together from the
// parts of a stream.
type calls []streamedCall

type streamedCall struct {
	index     int // that its parts are sent with
	id, name  string
	arguments []byte // JSON
	free      bool   // they are a text of any kind
}

// callPart is what an element of a stream adds to the call at a place.
type callPart struct {
	at        int
	arguments string
}

// add adds a part of a call. One call beyond the bound is kept for whole to
// complain of; its parts are not.
func (k *calls) add(c called) callPart {
	at := min(k.place(c), maxTools)
	if at == len(*k) {
		*k = append(*k, streamedCall{index: at})
		if c.Index != nil {
			(*k)[at].index = *c.Index
		}
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
	if c.Function.Name != "" {
		call.name = c.Function.Name
	}
	call.take(arguments)
	return callPart{at, arguments}
}

func (c *streamedCall) take(arguments string) { c.arguments = append(c.arguments, arguments...) }

// place is where a part belongs: to the last call at its index, unless it names
// another call. Some servers give all calls one index, or none and each call
// whole; some say a call's name with every part of it.
func (k calls) place(c called) int {
	at := len(k) - 1
	for c.Index != nil && at >= 0 && k[at].index != *c.Index {
		at--
	}
	switch {
	case at < 0:
		return len(k)
	case c.Function.Name == "":
		return at
	case c.Index == nil:
		return len(k)
	case k[at].name == "", k[at].name == c.Function.Name && (c.ID == "" || c.ID == k[at].id):
		return at
	}
	return len(k)
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
		if c.free {
			continue
		}
		if _, err := parseObject(k[i].arguments); err != nil {
			return nil, nonsense("the arguments for tool %.50q are no JSON object", c.name)
		}
	}
	return k, nil
}
