package inference

import (
	"encoding/json"
	"fmt"
	"slices"
)

// embedForOpenAI puts a request for /api/embed or, single, the older
// /api/embeddings into OpenAI's API.
func embedForOpenAI(o *object, model string, single bool) ([]byte, error) {
	known := []string{"model", "input", "prompt", "dimensions", "options", "stream", "keep_alive", "truncate"}
	for _, f := range o.fields {
		if !slices.Contains(known, f.key) {
			return nil, fmt.Errorf("field %q", f.key)
		}
	}
	out := map[string]any{"model": model, "encoding_format": "float"}
	key := "input"
	if single {
		key = "prompt"
	}
	input, err := o.value(key)
	if err != nil || input == nil {
		return nil, fmt.Errorf("there is no %q", key)
	}
	out["input"] = input
	if d, err := o.value("dimensions"); err == nil && d != nil {
		out["dimensions"] = d
	}
	return json.Marshal(out)
}

// vectors is the form of OpenAI's embeddings for an agent that speaks Ollama's
// API.
type vectors struct {
	*exchange
	single bool
}

type vector struct {
	Index     int             `json:"index"`
	Embedding json.RawMessage `json:"embedding"`
}

func (v *vectors) media() string                    { return "" }
func (v *vectors) end() ([]byte, error)             { return nil, nil }
func (v *vectors) line(_, _ []byte) ([]byte, error) { return nil, nonsense("a stream, for vectors") }
func (v *vectors) whole(body []byte) ([]byte, error) {
	var in struct {
		Data  []vector `json:"data"`
		Usage *usage   `json:"usage"`
	}
	if json.Unmarshal(body, &in) != nil || len(in.Data) == 0 {
		return nil, nonsense("it holds no vectors")
	}
	v.tally.add(&piece{Usage: in.Usage})
	slices.SortStableFunc(in.Data, func(a, b vector) int { return a.Index - b.Index })
	all := make([]json.RawMessage, 0, len(in.Data))
	for _, d := range in.Data {
		all = append(all, d.Embedding)
	}
	if v.single {
		return json.Marshal(map[string]any{"embedding": all[0]})
	}
	return json.Marshal(map[string]any{"model": v.call.Asked, "embeddings": all, "prompt_eval_count": v.tally.in})
}
