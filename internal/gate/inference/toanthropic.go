package inference

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// openaiAsk is what OpenAI's chat takes, as far as Anthropic's messages have a
// counterpart.
type openaiAsk struct {
	Messages []json.RawMessage `json:"messages"`

	Tools             []json.RawMessage `json:"tools"`
	ToolChoice        json.RawMessage   `json:"tool_choice"`
	ParallelToolCalls *bool             `json:"parallel_tool_calls"`

	MaxTokens           json.RawMessage `json:"max_tokens"`
	MaxCompletionTokens json.RawMessage `json:"max_completion_tokens"`
	Temperature         json.RawMessage `json:"temperature"`
	TopP                json.RawMessage `json:"top_p"`
	TopK                json.RawMessage `json:"top_k"`
	Stop                json.RawMessage `json:"stop"`

	ResponseFormat  json.RawMessage `json:"response_format"`
	ReasoningEffort string          `json:"reasoning_effort"`

	User             string `json:"user"`
	SafetyIdentifier string `json:"safety_identifier"`
}

// Fields of OpenAI's chat: those with a counterpart; those that speak of
// OpenAI's own machinery and change no answer; and those that are only taken
// when they say what is so anyway.
var (
	askFields = []string{
		"model", "messages", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls", "max_tokens", "max_completion_tokens",
		"temperature", "top_p", "top_k", "stop", "response_format", "reasoning_effort", "user", "safety_identifier",
	}
	openaiOwn  = []string{"metadata", "store", "service_tier", "prompt_cache_key", "prompt_cache_retention"}
	openaiVoid = map[string][]string{
		"n": {"1"}, "logprobs": {"false"}, "top_logprobs": {"0"}, "logit_bias": {"{}"}, "modalities": {`["text"]`}, "verbosity": {`"medium"`},
		"frequency_penalty": {"0", "0.0"}, "presence_penalty": {"0", "0.0"}, "functions": {"[]"}, "function_call": {`"auto"`, `"none"`},
	}
)

// chatForAnthropic puts a request for OpenAI's chat completions into
// Anthropic's API.
func chatForAnthropic(o *object, model string, stream bool) ([]byte, error) {
	if err := onlyKnown(o, append(askFields, openaiOwn...), openaiVoid); err != nil {
		return nil, err
	}
	var in openaiAsk
	if err := json.Unmarshal(o.raw, &in); err != nil {
		return nil, err
	}
	out := anthropicChat{Model: model, Stream: stream, MaxTokens: in.limit(model), TopP: filledNumber(in.TopP), TopK: filledNumber(in.TopK)}
	if user := in.User + in.SafetyIdentifier; user != "" && (in.User == "" || in.SafetyIdentifier == "") {
		out.Metadata = &anthropicMetadata{user}
	}
	for _, step := range []func(*openaiAsk) error{out.talk, out.tools, out.choice, out.heat, out.stops, out.shape, out.effort} {
		if err := step(&in); err != nil {
			return nil, err
		}
	}
	return json.Marshal(out)
}

// limit is how long an answer may be, in tokens. Anthropic's API must be told;
// an agent that says nothing wants as much as the model gives.
func (in *openaiAsk) limit(model string) json.RawMessage {
	for _, said := range []json.RawMessage{in.MaxCompletionTokens, in.MaxTokens} {
		if filledNumber(said) != nil {
			return said
		}
	}
	return []byte(strconv.Itoa(longest(model)))
}

// longest is what every model of a family gives, by Anthropic's overview of its
// models. A name that is none of theirs is another's server.
func longest(model string) int {
	for _, family := range []struct {
		prefix string
		tokens int
	}{
		{"claude-3-5-", 8192}, {"claude-3-7-", 32000}, {"claude-3-", 4096}, {"claude-2", 4096}, {"claude-", 32000},
	} {
		if strings.HasPrefix(model, family.prefix) {
			return family.tokens
		}
	}
	return 8192
}

// filledNumber is raw unless it is null.
func filledNumber(raw json.RawMessage) json.RawMessage {
	if string(raw) == "null" {
		return nil
	}
	return raw
}

func (out *anthropicChat) tools(in *openaiAsk) error {
	for i, raw := range in.Tools {
		tool, err := toolForAnthropic(raw)
		if err != nil {
			return fmt.Errorf("tools[%d]: %w", i, err)
		}
		out.Tools = append(out.Tools, tool)
	}
	return nil
}

func toolForAnthropic(raw json.RawMessage) (anthropicTool, error) {
	var in struct {
		Type         string          `json:"type"`
		Function     json.RawMessage `json:"function"`
		CacheControl json.RawMessage `json:"cache_control"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return anthropicTool{}, err
	}
	if in.Type != "function" && in.Type != "" {
		return anthropicTool{}, fmt.Errorf("type %.50q", in.Type)
	}
	var function struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
		Strict      json.RawMessage `json:"strict"`
	}
	if err := strictly(in.Function, &function); err != nil {
		return anthropicTool{}, fmt.Errorf("function: %w", err)
	}
	schema := function.Parameters
	if filled(schema) == nil {
		schema = json.RawMessage(`{"type":"object","properties":{}}`)
	}
	return anthropicTool{
		Name: function.Name, Description: function.Description, InputSchema: schema,
		Strict: filled(function.Strict), CacheControl: filled(in.CacheControl),
	}, nil
}

// choice says whether tools are called, and how many at once.
func (out *anthropicChat) choice(in *openaiAsk) error {
	alone := in.ParallelToolCalls != nil && !*in.ParallelToolCalls
	switch raw := string(in.ToolChoice); raw {
	case "", "null":
		if alone && len(out.Tools) > 0 {
			out.ToolChoice = &anthropicToolChoice{Type: "auto", Alone: true}
		}
		return nil
	case `"none"`:
		out.ToolChoice = &anthropicToolChoice{Type: "none"}
	case `"auto"`:
		out.ToolChoice = &anthropicToolChoice{Type: "auto", Alone: alone}
	case `"required"`:
		out.ToolChoice = &anthropicToolChoice{Type: "any", Alone: alone}
	default:
		var one openaiChoice
		if strictly(in.ToolChoice, &one) != nil || one.Type != "function" {
			return fmt.Errorf(`"tool_choice" is %.100q`, raw)
		}
		out.ToolChoice = &anthropicToolChoice{Type: "tool", Name: one.Function.Name, Alone: alone}
	}
	if len(out.Tools) == 0 {
		out.ToolChoice = nil // a choice of nothing, which Anthropic's API refuses
	}
	return nil
}

// openaiChoice names the tool to be called.
type openaiChoice struct {
	Type     string `json:"type"`
	Function struct {
		Name string `json:"name"`
	} `json:"function"`
}

// heat is from 0 to 2 in OpenAI's API, and to 1 in Anthropic's.
func (out *anthropicChat) heat(in *openaiAsk) error {
	out.Temperature = filledNumber(in.Temperature)
	if degrees, err := strconv.ParseFloat(string(out.Temperature), 64); out.Temperature != nil && (err != nil || degrees > 1) {
		return fmt.Errorf(`"temperature" is %.20s: at most 1`, out.Temperature)
	}
	return nil
}

// stops is one text or several.
func (out *anthropicChat) stops(in *openaiAsk) error {
	if filled(in.Stop) == nil {
		return nil
	}
	var one string
	if json.Unmarshal(in.Stop, &one) == nil {
		out.StopSequences = []string{one}
		return nil
	}
	if json.Unmarshal(in.Stop, &out.StopSequences) != nil {
		return errors.New(`"stop" is neither a text nor a list of texts`)
	}
	return nil
}

// shape is the form that the answer must have.
func (out *anthropicChat) shape(in *openaiAsk) error {
	if filled(in.ResponseFormat) == nil {
		return nil
	}
	var format struct {
		Type       string `json:"type"`
		JSONSchema struct {
			Schema json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	}
	if err := json.Unmarshal(in.ResponseFormat, &format); err != nil {
		return err
	}
	switch {
	case format.Type == "text":
		return nil
	case format.Type == "json_schema" && filled(format.JSONSchema.Schema) != nil:
		out.config().Format = &outputFormat{"json_schema", format.JSONSchema.Schema}
		return nil
	}
	return fmt.Errorf(`"response_format" is %.50q: only a schema can be asked for`, format.Type)
}

func (out *anthropicChat) config() *outputConfig {
	if out.OutputConfig == nil {
		out.OutputConfig = &outputConfig{}
	}
	return out.OutputConfig
}

// effort is how much the model thinks; none is what it does without being told.
func (out *anthropicChat) effort(in *openaiAsk) error {
	switch {
	case in.ReasoningEffort == "", in.ReasoningEffort == "none":
	case slices.Contains([]string{"low", "medium", "high", "xhigh"}, in.ReasoningEffort):
		out.config().Effort = in.ReasoningEffort
	default:
		return fmt.Errorf(`"reasoning_effort" is %.20q`, in.ReasoningEffort)
	}
	return nil
}
