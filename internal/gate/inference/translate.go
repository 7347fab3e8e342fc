package inference

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// What Ollama's chat takes, as far as it has a counterpart. A field that is not
// here is an error: the agent must not believe that it was heeded.
type ollamaChat struct {
	Messages []ollamaMessage `json:"messages"`
	Tools    json.RawMessage `json:"tools"`
	Format   json.RawMessage `json:"format"`
	Options  json.RawMessage `json:"options"`
	Think    json.RawMessage `json:"think"`

	Prompt string   `json:"prompt"` // with system and images: of generate
	System string   `json:"system"`
	Images []string `json:"images"`

	Logprobs    json.RawMessage `json:"logprobs"`
	TopLogprobs json.RawMessage `json:"top_logprobs"`
}

type ollamaMessage struct {
	Role       string   `json:"role"`
	Content    string   `json:"content"`
	Thinking   string   `json:"thinking,omitempty"`
	Images     []string `json:"images,omitempty"`
	ToolCalls  []called `json:"tool_calls,omitempty"`
	ToolName   string   `json:"tool_name,omitempty"`
	ToolCallID string   `json:"tool_call_id,omitempty"`
}

// What OpenAI's chat takes.
type openaiChat struct {
	Model    string          `json:"model"`
	Messages []openaiMessage `json:"messages"`
	Tools    json.RawMessage `json:"tools,omitempty"`

	Stream        bool           `json:"stream"`
	StreamOptions *streamOptions `json:"stream_options,omitempty"`

	ResponseFormat  any             `json:"response_format,omitempty"`
	ReasoningEffort string          `json:"reasoning_effort,omitempty"`
	Logprobs        json.RawMessage `json:"logprobs,omitempty"`
	TopLogprobs     json.RawMessage `json:"top_logprobs,omitempty"`

	Temperature      json.RawMessage `json:"temperature,omitempty"`
	TopP             json.RawMessage `json:"top_p,omitempty"`
	Seed             json.RawMessage `json:"seed,omitempty"`
	Stop             json.RawMessage `json:"stop,omitempty"`
	FrequencyPenalty json.RawMessage `json:"frequency_penalty,omitempty"`
	PresencePenalty  json.RawMessage `json:"presence_penalty,omitempty"`
	MaxTokens        json.RawMessage `json:"max_tokens,omitempty"`

	MaxCompletionTokens json.RawMessage `json:"max_completion_tokens,omitempty"`
	TopK                json.RawMessage `json:"top_k,omitempty"`

	ToolChoice        any   `json:"tool_choice,omitempty"`
	ParallelToolCalls *bool `json:"parallel_tool_calls,omitempty"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type openaiMessage struct {
	Role       string       `json:"role"`
	Content    any          `json:"content"` // text, parts or null
	ToolCalls  []openaiCall `json:"tool_calls,omitempty"`
	ToolCallID string       `json:"tool_call_id,omitempty"`
}

type openaiCall struct {
	Index    *int   `json:"index,omitempty"` // in a stream; some agents send it back
	ID       string `json:"id,omitempty"`
	Type     string `json:"type,omitempty"`
	Function struct {
		Name      string `json:"name,omitempty"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// Fields that have a counterpart, and fields that speak of Ollama's own
// machinery, which another provider does not have.
var (
	chatFields  = []string{"model", "messages", "tools", "format", "options", "think", "stream", "prompt", "system", "images", "logprobs", "top_logprobs"}
	localFields = []string{"keep_alive", "truncate", "shift"}
	voidFields  = map[string][]string{"raw": {"false"}, "suffix": {`""`}, "template": {`""`}, "context": {"[]"}}
)

// chatForOpenAI puts a request for /api/chat or /api/generate into OpenAI's
// API. The words for some things there hang on the host.
func chatForOpenAI(o *object, model, host string, stream bool) ([]byte, error) {
	out, err := chatOfOllama(o, model, stream)
	if err != nil {
		return nil, err
	}
	if out.TopK != nil {
		return nil, errors.New(`option "top_k"`)
	}
	out.limitFor(host)
	return json.Marshal(out)
}

// chatOfOllama is a request for /api/chat or /api/generate in the words of
// OpenAI's API, and with top_k, which that does not have and Anthropic's does.
func chatOfOllama(o *object, model string, stream bool) (*openaiChat, error) {
	if err := onlyKnown(o, append(chatFields, localFields...), voidFields); err != nil {
		return nil, err
	}
	var in ollamaChat
	if err := json.Unmarshal(o.raw, &in); err != nil {
		return nil, err
	}
	out := &openaiChat{Model: model, Stream: stream, Tools: filled(in.Tools), Logprobs: filled(in.Logprobs), TopLogprobs: filled(in.TopLogprobs)}
	if stream {
		out.StreamOptions = &streamOptions{IncludeUsage: true}
	}
	if in.Messages == nil {
		in.Messages = promptAsMessages(in)
	}
	var err error
	if out.Messages, err = messagesForOpenAI(in.Messages); err != nil {
		return nil, err
	}
	if err := out.format(in.Format); err != nil {
		return nil, err
	}
	if err := out.think(in.Think); err != nil {
		return nil, err
	}
	return out, out.options(in.Options)
}

// onlyKnown says which field has no counterpart: one that is neither known nor
// void, which is to say nothing.
func onlyKnown(o *object, known []string, void map[string][]string) error {
	for _, f := range o.fields {
		value := string(o.raw[f.start:f.end])
		if slices.Contains(known, f.key) || value == "null" || slices.Contains(void[f.key], value) {
			continue
		}
		return fmt.Errorf("field %q", f.key)
	}
	return nil
}

// object is the chat as the JSON that it is.
func (c *openaiChat) object() (*object, error) {
	raw, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	return parseObject(raw)
}

// limitFor gives the limit of an answer's length the name that OpenAI's own
// servers want for it: their newer models refuse the older one, which is all
// that others know.
func (c *openaiChat) limitFor(host string) {
	if provider, _ := policy.KnownModelAPI(policy.Host(host)); provider == "openai" || provider == "azure" {
		c.MaxCompletionTokens, c.MaxTokens = c.MaxTokens, nil
	}
}

// filled is raw unless it says nothing.
func filled(raw json.RawMessage) json.RawMessage {
	switch string(raw) {
	case "null", "[]", "{}", `""`, "false":
		return nil
	}
	return raw
}

func promptAsMessages(in ollamaChat) []ollamaMessage {
	var out []ollamaMessage
	if in.System != "" {
		out = append(out, ollamaMessage{Role: "system", Content: in.System})
	}
	return append(out, ollamaMessage{Role: "user", Content: in.Prompt, Images: in.Images})
}

// messagesForOpenAI gives every tool call a name of its own, which OpenAI's API
// needs and Ollama's does not: an answer without one belongs to the oldest call
// of its tool that has none yet.
func messagesForOpenAI(in []ollamaMessage) ([]openaiMessage, error) {
	out := make([]openaiMessage, 0, len(in))
	var open []openaiCall // calls without an answer
	made := 0
	for i, m := range in {
		o := openaiMessage{Role: m.Role, Content: m.Content}
		switch m.Role {
		case "system", "user", "assistant", "developer":
		case "tool":
			at := slices.IndexFunc(open, func(c openaiCall) bool { return answers(m, c) })
			if at < 0 {
				return nil, fmt.Errorf("message %d answers no call of a tool", i)
			}
			o.ToolCallID = open[at].ID
			open = slices.Delete(open, at, at+1)
		default:
			return nil, fmt.Errorf("message %d: role %q", i, m.Role)
		}
		for _, c := range m.ToolCalls {
			made++
			o.ToolCalls = append(o.ToolCalls, callForOpenAI(c, made))
		}
		open = append(open, o.ToolCalls...)
		if len(o.ToolCalls) > 0 && m.Content == "" {
			o.Content = nil
		}
		if len(m.Images) > 0 {
			parts, err := imageParts(m)
			if err != nil {
				return nil, fmt.Errorf("message %d: %w", i, err)
			}
			o.Content = parts
		}
		out = append(out, o)
	}
	return out, nil
}

func answers(m ollamaMessage, c openaiCall) bool {
	if m.ToolCallID != "" {
		return m.ToolCallID == c.ID
	}
	return m.ToolName == "" || m.ToolName == c.Function.Name
}

func callForOpenAI(c called, number int) openaiCall {
	out := openaiCall{ID: c.ID, Type: "function"}
	if out.ID == "" {
		out.ID = fmt.Sprintf("call_%d", number)
	}
	out.Function.Name = c.Function.Name
	out.Function.Arguments = string(c.Function.Arguments)
	if len(c.Function.Arguments) == 0 || string(c.Function.Arguments) == "null" {
		out.Function.Arguments = "{}"
	}
	return out
}

func imageParts(m ollamaMessage) ([]any, error) {
	parts := []any{map[string]any{"type": "text", "text": m.Content}}
	for _, image := range m.Images {
		raw, err := base64.StdEncoding.DecodeString(image)
		if err != nil {
			return nil, errors.New("an image that is not base64")
		}
		media := http.DetectContentType(raw)
		if !strings.HasPrefix(media, "image/") {
			return nil, errors.New("an image of no known kind")
		}
		parts = append(parts, map[string]any{"type": "image_url", "image_url": map[string]string{"url": "data:" + media + ";base64," + image}})
	}
	return parts, nil
}

// format is "json" or a schema.
func (c *openaiChat) format(raw json.RawMessage) error {
	switch {
	case filled(raw) == nil:
		return nil
	case string(raw) == `"json"`:
		c.ResponseFormat = map[string]string{"type": "json_object"}
	case raw[0] == '{':
		c.ResponseFormat = map[string]any{"type": "json_schema", "json_schema": map[string]any{"name": "answer", "schema": raw}}
	default:
		return errors.New(`"format" is neither "json" nor a schema`)
	}
	return nil
}

// think is a yes, a no, or a level. Yes and no have no counterpart: the model
// does as it always does, and what it thinks is passed on.
func (c *openaiChat) think(raw json.RawMessage) error {
	switch s := strings.Trim(string(raw), `"`); s {
	case "", "null", "true", "false":
	case "low", "medium", "high":
		c.ReasoningEffort = s
	default:
		return fmt.Errorf(`"think" is %.20q`, raw)
	}
	return nil
}

// machinery are the options that say how an Ollama runs a model on its machine.
var machinery = []string{"num_ctx", "num_keep", "num_batch", "num_gpu", "main_gpu", "num_thread", "use_mmap", "use_mlock", "low_vram", "numa", "vocab_only", "f16_kv", "draft_num_predict"}

func (c *openaiChat) options(raw json.RawMessage) error {
	var in map[string]json.RawMessage
	if filled(raw) == nil {
		return nil
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return errors.New(`"options" is no object`)
	}
	same := map[string]*json.RawMessage{
		"temperature": &c.Temperature, "top_p": &c.TopP, "seed": &c.Seed, "stop": &c.Stop,
		"frequency_penalty": &c.FrequencyPenalty, "presence_penalty": &c.PresencePenalty, "num_predict": &c.MaxTokens,
		"top_k": &c.TopK,
	}
	for _, name := range sortedKeys(in) {
		value := in[name]
		switch to, ok := same[name]; {
		case string(value) == "null" || slices.Contains(machinery, name):
		case name == "num_predict" && strings.HasPrefix(string(value), "-"): // no limit
		case ok:
			*to = value
		default:
			return fmt.Errorf("option %q", name)
		}
	}
	return nil
}

func sortedKeys(m map[string]json.RawMessage) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
