package inference

import (
	"encoding/json"
	"time"
)

// entry is one model of a list, in either API.
type entry struct {
	ID      string `json:"id"`      // OpenAI's
	Name    string `json:"name"`    // Ollama's
	Model   string `json:"model"`   // the same
	Created int64  `json:"created"` // OpenAI's, Unix seconds

	CreatedAt json.RawMessage `json:"created_at"` // Anthropic's: RFC 3339
	Display   string          `json:"display_name"`
}

// when the model was made, as far as its list says.
func (e entry) when() time.Time {
	var when time.Time
	if e.CreatedAt != nil && json.Unmarshal(e.CreatedAt, &when) == nil && !when.IsZero() {
		return when.UTC()
	}
	return time.Unix(e.Created, 0).UTC()
}

func (e entry) name() string {
	switch {
	case e.ID != "":
		return e.ID
	case e.Model != "":
		return e.Model
	}
	return e.Name
}

// listed is the form of a list of models: those that the policy gives no route
// are left out. A list without such passes as it is.
type listed struct{ *exchange }

func (l *listed) media() string                    { return "" }
func (l *listed) end() ([]byte, error)             { return nil, nil }
func (l *listed) line(_, _ []byte) ([]byte, error) { return nil, nonsense("a stream, for a list") }
func (l *listed) whole(body []byte) ([]byte, error) {
	o, err := parseObject(body)
	if err != nil {
		return nil, nonsense("it is no list of models")
	}
	key := "data"
	if l.endpoint.api == ollama {
		key = "models"
	}
	raw, err := o.value(key)
	if err != nil {
		return nil, nonsense("it is no list of models")
	}
	var all, kept []json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return body, nil // no list: null or absent
	}
	for _, one := range all {
		if l.routed(one) {
			kept = append(kept, one)
		}
	}
	if len(kept) == len(all) {
		return body, nil
	}
	if kept == nil {
		kept = []json.RawMessage{}
	}
	rest, err := json.Marshal(kept)
	if err != nil {
		return nil, nonsense("it is no list of models")
	}
	return o.with(key, rest), nil
}

func (x *exchange) routed(raw json.RawMessage) bool {
	var e entry
	if json.Unmarshal(raw, &e) != nil || e.name() == "" {
		return false
	}
	_, err := x.policy.Route(e.name())
	return err == nil
}

// tags is the form of OpenAI's list of models for an agent that speaks Ollama's
// API.
type tags struct{ *exchange }

type tag struct {
	Name       string         `json:"name"`
	Model      string         `json:"model"`
	ModifiedAt time.Time      `json:"modified_at"`
	Size       int64          `json:"size"`
	Digest     string         `json:"digest"`
	Details    map[string]any `json:"details"`
}

func (t *tags) media() string                    { return "" }
func (t *tags) end() ([]byte, error)             { return nil, nil }
func (t *tags) line(_, _ []byte) ([]byte, error) { return nil, nonsense("a stream, for a list") }
func (t *tags) whole(body []byte) ([]byte, error) {
	var from struct {
		Data []json.RawMessage `json:"data"`
	}
	if json.Unmarshal(body, &from) != nil {
		return nil, nonsense("it is no list of models")
	}
	to := struct {
		Models []tag `json:"models"`
	}{Models: []tag{}}
	for _, raw := range from.Data {
		var e entry
		if t.routed(raw) && json.Unmarshal(raw, &e) == nil {
			to.Models = append(to.Models, tag{
				Name: e.name(), Model: e.name(), ModifiedAt: e.when(),
				Details: map[string]any{"format": "remote", "family": t.call.Provider},
			})
		}
	}
	return json.Marshal(to)
}
