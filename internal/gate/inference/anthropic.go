package inference

import "encoding/json"

// anthropicVersion is of Anthropic's API, where the agent names none. It is the
// newest that there is.
const anthropicVersion = "2023-06-01"

// The kinds of blocks that a message of Anthropic's API is made of, as far as
// they are translated.
const (
	textKind   = "text"
	imageKind  = "image"
	useKind    = "tool_use"
	resultKind = "tool_result"
)

type textBlock struct {
	Type         string          `json:"type"`
	Text         string          `json:"text"`
	CacheControl json.RawMessage `json:"cache_control,omitempty"`
}

type imageBlock struct {
	Type         string          `json:"type"`
	Source       imageSource     `json:"source"`
	CacheControl json.RawMessage `json:"cache_control,omitempty"`
}

// imageSource is an image's bytes or, of type url, where they are.
type imageSource struct {
	Type      string `json:"type"` // base64 or url
	MediaType string `json:"media_type,omitempty"`
	Data      string `json:"data,omitempty"`
	URL       string `json:"url,omitempty"`
}

type useBlock struct {
	Type  string          `json:"type"`
	ID    string          `json:"id"`
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"` // an object
}

type resultBlock struct {
	Type      string `json:"type"`
	ToolUseID string `json:"tool_use_id"`
	Content   []any  `json:"content,omitempty"`
}

// anthropicMessage is one turn; two of one role in a row are one.
type anthropicMessage struct {
	Role    string `json:"role"`
	Content []any  `json:"content"` // blocks
}

// anthropicChat is what POST /v1/messages takes.
type anthropicChat struct {
	Model     string             `json:"model"`
	MaxTokens json.RawMessage    `json:"max_tokens"`
	System    []any              `json:"system,omitempty"` // textBlocks
	Messages  []anthropicMessage `json:"messages"`
	Stream    bool               `json:"stream"`

	Tools      []anthropicTool      `json:"tools,omitempty"`
	ToolChoice *anthropicToolChoice `json:"tool_choice,omitempty"`

	Temperature   json.RawMessage `json:"temperature,omitempty"`
	TopP          json.RawMessage `json:"top_p,omitempty"`
	TopK          json.RawMessage `json:"top_k,omitempty"`
	StopSequences []string        `json:"stop_sequences,omitempty"`

	OutputConfig *outputConfig      `json:"output_config,omitempty"`
	Metadata     *anthropicMetadata `json:"metadata,omitempty"`
}

type anthropicTool struct {
	Name         string          `json:"name"`
	Description  string          `json:"description,omitempty"`
	InputSchema  json.RawMessage `json:"input_schema"`
	Strict       json.RawMessage `json:"strict,omitempty"`
	CacheControl json.RawMessage `json:"cache_control,omitempty"`
}

type anthropicToolChoice struct {
	Type  string `json:"type"` // auto, any, tool, none
	Name  string `json:"name,omitempty"`
	Alone bool   `json:"disable_parallel_tool_use,omitempty"`
}

type outputConfig struct {
	Effort string        `json:"effort,omitempty"`
	Format *outputFormat `json:"format,omitempty"`
}

type outputFormat struct {
	Type   string          `json:"type"` // json_schema
	Schema json.RawMessage `json:"schema"`
}

type anthropicMetadata struct {
	UserID string `json:"user_id"`
}

// anthropicUsage are the provider's figures. What came from or went into its
// cache is not in InputTokens.
type anthropicUsage struct {
	InputTokens   int `json:"input_tokens"`
	CacheCreation int `json:"cache_creation_input_tokens"`
	CacheRead     int `json:"cache_read_input_tokens"`
	OutputTokens  int `json:"output_tokens"`
}

func (u anthropicUsage) in() int { return u.InputTokens + u.CacheCreation + u.CacheRead }

// event is what an answer of Anthropic's API may have: one element of a stream,
// or the whole.
type event struct {
	Type  string          `json:"type"`
	Error json.RawMessage `json:"error"`

	Message *event `json:"message"` // of message_start: the whole, still empty
	Block   *heard `json:"content_block"`
	Delta   *heard `json:"delta"`

	ID         string          `json:"id"` // of the whole, with what follows
	Content    []heard         `json:"content"`
	StopReason string          `json:"stop_reason"`
	Usage      *anthropicUsage `json:"usage"` // of message_delta as well
}

// heard is one block of an answer, or a part of it.
type heard struct {
	Type        string          `json:"type"`
	Text        string          `json:"text"`
	Thinking    string          `json:"thinking"`
	ID          string          `json:"id"` // of tool_use, with name and input
	Name        string          `json:"name"`
	Input       json.RawMessage `json:"input"`
	PartialJSON string          `json:"partial_json"`
	StopReason  string          `json:"stop_reason"` // of message_delta
}

// input is the block's arguments for its tool, "" where they are still to come.
func (h *heard) input() string {
	if filled(h.Input) == nil {
		return ""
	}
	return string(h.Input)
}
