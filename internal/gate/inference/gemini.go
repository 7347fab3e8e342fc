package inference

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// What Gemini's generateContent has, as far as it is translated.

// geminiAsk is what it takes.
type geminiAsk struct {
	Contents   []json.RawMessage `json:"contents"`
	System     json.RawMessage   `json:"systemInstruction"`
	Tools      []json.RawMessage `json:"tools"`
	ToolConfig json.RawMessage   `json:"toolConfig"`
	Config     json.RawMessage   `json:"generationConfig"`

	// What only Google's own servers have.
	Safety json.RawMessage `json:"safetySettings"`
	Labels json.RawMessage `json:"labels"`
	Model  string          `json:"model"` // as in the path
}

// geminiConfig is how the answer is made. How much to think is Google's own, and
// so is how widely to look (topK): its clients send that unasked.
type geminiConfig struct {
	Temperature      json.RawMessage `json:"temperature"`
	TopP             json.RawMessage `json:"topP"`
	TopK             json.RawMessage `json:"topK"`
	CandidateCount   json.RawMessage `json:"candidateCount"`
	MaxOutputTokens  json.RawMessage `json:"maxOutputTokens"`
	StopSequences    json.RawMessage `json:"stopSequences"`
	MIMEType         string          `json:"responseMimeType"`
	Schema           json.RawMessage `json:"responseSchema"`     // in OpenAPI's words
	JSONSchema       json.RawMessage `json:"responseJsonSchema"` // in JSON Schema's
	Seed             json.RawMessage `json:"seed"`
	PresencePenalty  json.RawMessage `json:"presencePenalty"`
	FrequencyPenalty json.RawMessage `json:"frequencyPenalty"`
	Modalities       []string        `json:"responseModalities"`
	Thinking         json.RawMessage `json:"thinkingConfig"`
}

// geminiContent is one turn.
type geminiContent struct {
	Role  string            `json:"role"` // user, model, or function
	Parts []json.RawMessage `json:"parts"`
}

type geminiPart struct {
	Text     *string         `json:"text,omitempty"`
	Thought  bool            `json:"thought,omitempty"`
	Data     json.RawMessage `json:"inlineData,omitempty"`
	Call     *geminiCall     `json:"functionCall,omitempty"`
	Response *geminiResult   `json:"functionResponse,omitempty"`

	Signature json.RawMessage `json:"thoughtSignature,omitempty"` // of use to Google's servers alone
}

type geminiCall struct {
	ID   string          `json:"id,omitempty"`
	Name string          `json:"name"`
	Args json.RawMessage `json:"args"`
}

type geminiResult struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Response json.RawMessage   `json:"response"`
	Parts    []json.RawMessage `json:"parts"` // images that go with it
}

type geminiBlob struct {
	MIMEType string `json:"mimeType"`
	Data     string `json:"data"`
	Name     string `json:"displayName"`
}

// geminiFunction is a tool of the agent's.
type geminiFunction struct {
	Name             string          `json:"name"`
	Description      string          `json:"description"`
	Parameters       json.RawMessage `json:"parameters"`           // in OpenAPI's words
	ParametersSchema json.RawMessage `json:"parametersJsonSchema"` // in JSON Schema's

	// What it gives is told to Google's models alone, and how it is called is
	// how all are.
	Response       json.RawMessage `json:"response"`
	ResponseSchema json.RawMessage `json:"responseJsonSchema"`
	Behavior       string          `json:"behavior"`
}

// geminiAnswer is an answer, or an element of a streamed one.
type geminiAnswer struct {
	Candidates []geminiCandidate `json:"candidates"`
	Usage      *geminiUsage      `json:"usageMetadata,omitempty"`
	Version    string            `json:"modelVersion"`
	ID         string            `json:"responseId"`
}

type geminiCandidate struct {
	Content struct {
		Parts []geminiPart `json:"parts,omitempty"`
		Role  string       `json:"role"`
	} `json:"content"`
	FinishReason string `json:"finishReason,omitempty"`
	Index        int    `json:"index"`
}

type geminiUsage struct {
	Prompt     int `json:"promptTokenCount"`
	Candidates int `json:"candidatesTokenCount"`
	Total      int `json:"totalTokenCount"`
	Thoughts   int `json:"thoughtsTokenCount,omitempty"`
	Cached     int `json:"cachedContentTokenCount,omitempty"`
}

// protobuf reads v as Google's servers do, which take a field by either of two
// names (systemInstruction, system_instruction), and names one that v does not
// have.
func protobuf(raw json.RawMessage, v any) error {
	o, err := parseObject(raw)
	if err != nil {
		return err
	}
	renamed := []byte("{")
	seen := map[string]bool{}
	for _, f := range o.fields {
		name := camel(f.key)
		if seen[name] {
			return fmt.Errorf("field %q is there by two names", name)
		}
		seen[name] = true
		value := o.raw[f.start:f.end]
		if string(value) == "null" {
			continue
		}
		if len(renamed) > 1 {
			renamed = append(renamed, ',')
		}
		renamed = append(append(append(renamed, quote(name)...), ':'), value...)
	}
	return strictly(append(renamed, '}'), v)
}

// camel is a name_of_words in the way of JSON.
func camel(name string) string {
	words := strings.Split(name, "_")
	for i, w := range words[1:] {
		if w != "" {
			words[i+1] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, "")
}

// plainSchema puts a schema in OpenAPI's words, as Gemini's API has it, into
// JSON Schema's: types are written small there, and null is one of them.
func plainSchema(raw json.RawMessage) (json.RawMessage, error) {
	var in any
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, err
	}
	out, err := schemaOf(in)
	if err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

func schemaOf(in any) (map[string]any, error) {
	from, ok := in.(map[string]any)
	if !ok {
		return nil, errors.New("a schema that is no object")
	}
	out := map[string]any{}
	for key, value := range from {
		var err error
		switch key = camel(key); key {
		case "propertyOrdering", "nullable":
			continue // for Google's models alone; read below
		case "type":
			if value, ok = value.(string); !ok {
				return nil, errors.New("a schema whose type is no word")
			}
			out[key] = strings.ToLower(value.(string))
			continue
		case "items":
			out[key], err = schemaOf(value)
		case "anyOf":
			out[key], err = schemasOf(value)
		case "properties":
			out[key], err = propertiesOf(value)
		case "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties":
			out[key] = value
			if digits, ok := value.(string); ok { // as protobuf writes long numbers
				out[key] = json.Number(digits)
			}
		default:
			out[key] = value
		}
		if err != nil {
			return nil, err
		}
	}
	if kind, ok := out["type"].(string); ok && from["nullable"] == true {
		out["type"] = []any{kind, "null"}
	}
	return out, nil
}

func schemasOf(in any) ([]any, error) {
	list, _ := in.([]any)
	out := make([]any, 0, len(list))
	for _, one := range list {
		schema, err := schemaOf(one)
		if err != nil {
			return nil, err
		}
		out = append(out, schema)
	}
	return out, nil
}

func propertiesOf(in any) (map[string]any, error) {
	from, _ := in.(map[string]any)
	out := map[string]any{}
	for name, one := range from {
		schema, err := schemaOf(one)
		if err != nil {
			return nil, err
		}
		out[name] = schema
	}
	return out, nil
}
