package inference

import (
	"encoding/json"
	"time"
)

// catalog is the form of a list of models, or of one, between OpenAI's API,
// Anthropic's and Gemini's. Models that the policy gives no route are left out of the list.
type catalog struct {
	*exchange
	to api // openai, anthropic or gemini
}

type openaiModel struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"` // Unix seconds
	OwnedBy string `json:"owned_by"`
}

type anthropicModel struct {
	Type        string    `json:"type"`
	ID          string    `json:"id"`
	DisplayName string    `json:"display_name"`
	CreatedAt   time.Time `json:"created_at"`
}

type geminiModel struct {
	Name    string   `json:"name"` // models/ID
	Version string   `json:"version"`
	Display string   `json:"displayName"`
	Methods []string `json:"supportedGenerationMethods"`
}

type openaiList struct {
	Object string `json:"object"`
	Data   []any  `json:"data"`
}

type anthropicList struct {
	Data    []any   `json:"data"`
	HasMore bool    `json:"has_more"`
	FirstID *string `json:"first_id"`
	LastID  *string `json:"last_id"`
}

func (c *catalog) media() string                    { return "" }
func (c *catalog) end() ([]byte, error)             { return nil, nil }
func (c *catalog) line(_, _ []byte) ([]byte, error) { return nil, nonsense("a stream, for a list") }
func (c *catalog) whole(body []byte) ([]byte, error) {
	if c.endpoint.act == retrieve {
		var e entry
		if json.Unmarshal(body, &e) != nil || e.name() == "" {
			return nil, nonsense("it is no model")
		}
		e.ID = c.call.Asked
		return json.Marshal(c.model(e))
	}
	var from struct {
		Data []json.RawMessage `json:"data"`
	}
	if json.Unmarshal(body, &from) != nil {
		return nil, nonsense("it is no list of models")
	}
	models, names := []any{}, []string{}
	for _, raw := range from.Data {
		var e entry
		if c.routed(raw) && json.Unmarshal(raw, &e) == nil {
			models, names = append(models, c.model(e)), append(names, e.name())
		}
	}
	switch c.to {
	case gemini:
		return json.Marshal(map[string][]any{"models": models})
	case openai:
		return json.Marshal(openaiList{Object: "list", Data: models})
	}
	list := anthropicList{Data: models}
	if len(names) > 0 {
		list.FirstID, list.LastID = &names[0], &names[len(names)-1]
	}
	return json.Marshal(list)
}

func (c *catalog) model(e entry) any {
	switch c.to {
	case gemini:
		return geminiModel{Name: "models/" + e.name(), Display: e.name(), Methods: []string{"generateContent", "countTokens"}}
	case openai:
		return openaiModel{ID: e.name(), Object: "model", Created: e.when().Unix(), OwnedBy: c.call.Provider}
	}
	display := e.Display
	if display == "" {
		display = e.name()
	}
	return anthropicModel{Type: "model", ID: e.name(), DisplayName: display, CreatedAt: e.when()}
}
