package inference

import "encoding/json"

// What OpenAI's responses have, as far as it is translated.

// The kinds of items that a response is made of.
const (
	messageItem  = "message"
	thoughtItem  = "reasoning"
	callItem     = "function_call"
	customItem   = "custom_tool_call"
	outputItem   = "function_call_output"
	customOutput = "custom_tool_call_output"
)

// responsesAsk is what POST /v1/responses takes.
type responsesAsk struct {
	Input        json.RawMessage `json:"input"` // a text, or items
	Instructions string          `json:"instructions"`

	Tools             []json.RawMessage `json:"tools"`
	ToolChoice        json.RawMessage   `json:"tool_choice"`
	ParallelToolCalls *bool             `json:"parallel_tool_calls"`

	MaxOutputTokens json.RawMessage `json:"max_output_tokens"`
	Temperature     json.RawMessage `json:"temperature"`
	TopP            json.RawMessage `json:"top_p"`
	Text            json.RawMessage `json:"text"`
	Include         []string        `json:"include"`
}

// responseItem is one item of what an agent sends.
type responseItem struct {
	Type      string          `json:"type"` // absent: a message
	Role      string          `json:"role"`
	Content   json.RawMessage `json:"content"`
	CallID    string          `json:"call_id"`
	Name      string          `json:"name"`
	Namespace string          `json:"namespace"`
	Arguments string          `json:"arguments"`
	Input     string          `json:"input"`  // of a custom tool
	Output    json.RawMessage `json:"output"` // of either kind of tool

	// Of use to OpenAI's servers alone.
	ID        string          `json:"id"`
	Status    string          `json:"status"`
	Phase     string          `json:"phase"`
	Encrypted json.RawMessage `json:"encrypted_content"`
	Summary   json.RawMessage `json:"summary"`
	Metadata  json.RawMessage `json:"internal_chat_message_metadata_passthrough"` // Codex's own notes
}

// responsePart is a part of a message, or of what a tool gave.
type responsePart struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Refusal  string `json:"refusal"`
	ImageURL string `json:"image_url"`
	Detail   string `json:"detail"` // how closely OpenAI's models look

	Annotations json.RawMessage `json:"annotations"`
	Logprobs    json.RawMessage `json:"logprobs"`
}

// responseTool is a tool that the agent has. A custom one takes a text, which
// may have a grammar; a namespace holds others.
type responseTool struct {
	Type        string            `json:"type"`
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Parameters  json.RawMessage   `json:"parameters"`
	Strict      json.RawMessage   `json:"strict"`
	Format      json.RawMessage   `json:"format"`
	Tools       []json.RawMessage `json:"tools"`
	Deferred    json.RawMessage   `json:"defer_loading"` // when OpenAI's models are told of it
}

// response is an answer, whole or at a stage of its stream. What the agent asked
// for is said again in it.
type response struct {
	ID         string         `json:"id"`
	Object     string         `json:"object"` // response
	CreatedAt  int64          `json:"created_at"`
	Status     string         `json:"status"` // in_progress, completed, incomplete, failed
	Background bool           `json:"background"`
	Error      *responseFault `json:"error"`
	Incomplete *incomplete    `json:"incomplete_details"`
	Model      string         `json:"model"`
	Output     []any          `json:"output"`
	Store      bool           `json:"store"`
	Previous   *string        `json:"previous_response_id"`
	Usage      *responseUsage `json:"usage"`
	wanted
}

// wanted is what the agent asked for, as it is said again.
type wanted struct {
	Instructions      json.RawMessage `json:"instructions"`
	MaxOutputTokens   json.RawMessage `json:"max_output_tokens"`
	ParallelToolCalls json.RawMessage `json:"parallel_tool_calls"`
	Reasoning         json.RawMessage `json:"reasoning"`
	Temperature       json.RawMessage `json:"temperature"`
	Text              json.RawMessage `json:"text"`
	ToolChoice        json.RawMessage `json:"tool_choice"`
	Tools             json.RawMessage `json:"tools"`
	TopP              json.RawMessage `json:"top_p"`
	Truncation        json.RawMessage `json:"truncation"`
	Metadata          json.RawMessage `json:"metadata"`
}

// wantedBy reads it from a request, with what holds where that says nothing.
func wantedBy(o *object) wanted {
	t := wanted{
		ParallelToolCalls: []byte("true"), Reasoning: []byte(`{"effort":null,"summary":null}`), Text: []byte(`{"format":{"type":"text"}}`),
		ToolChoice: []byte(`"auto"`), Tools: []byte("[]"), Truncation: []byte(`"disabled"`), Metadata: []byte("{}"),
	}
	for key, to := range map[string]*json.RawMessage{
		"instructions": &t.Instructions, "max_output_tokens": &t.MaxOutputTokens, "parallel_tool_calls": &t.ParallelToolCalls,
		"reasoning": &t.Reasoning, "temperature": &t.Temperature, "text": &t.Text, "tool_choice": &t.ToolChoice, "tools": &t.Tools,
		"top_p": &t.TopP, "truncation": &t.Truncation, "metadata": &t.Metadata,
	} {
		if raw, err := o.value(key); err == nil && raw != nil && string(raw) != "null" {
			*to = raw
		}
	}
	return t
}

type responseFault struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type incomplete struct {
	Reason string `json:"reason"` // max_output_tokens, content_filter
}

type responseUsage struct {
	InputTokens  int `json:"input_tokens"`
	InputDetails struct {
		CachedTokens int `json:"cached_tokens"`
	} `json:"input_tokens_details"`
	OutputTokens  int               `json:"output_tokens"`
	OutputDetails completionDetails `json:"output_tokens_details"`
	TotalTokens   int               `json:"total_tokens"`
}

// Items of an answer.
type (
	saidItem struct { // a message, or what the model thought
		ID      string     `json:"id"`
		Type    string     `json:"type"`
		Status  string     `json:"status"`
		Role    string     `json:"role,omitempty"`    // of a message
		Summary *[]any     `json:"summary,omitempty"` // of a thought
		Content []saidPart `json:"content"`
	}
	saidPart struct {
		Type        string `json:"type"` // output_text, reasoning_text
		Text        string `json:"text"`
		Annotations *[]any `json:"annotations,omitempty"` // of output_text
	}
	calledItem struct {
		ID        string  `json:"id"`
		Type      string  `json:"type"`
		Status    string  `json:"status"`
		CallID    string  `json:"call_id"`
		Name      string  `json:"name"`
		Namespace string  `json:"namespace,omitempty"`
		Arguments *string `json:"arguments,omitempty"` // of a function
		Input     *string `json:"input,omitempty"`     // of a custom tool
	}
)
