package inference

import (
	"errors"
	"net/http"
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// The questions where Anthropic's API is on one side and another's on the other.
// What is translated goes by way of OpenAI's form: an Ollama speaks that as
// well, and a request of Ollama's API is put into it first.

// mostModels is how many models Anthropic's API lists at once, at most.
const mostModels = "limit=1000"

// forAnthropic is the request of another's agent for a provider that speaks
// Anthropic's API.
func (a *attempt) forAnthropic() (question, *refusal) {
	switch {
	case a.endpoint.act == list, a.endpoint.act == retrieve:
		return a.modelsOfAnthropic(), nil
	case a.endpoint.act == chat, a.endpoint.path == "/api/generate":
		return a.chatOfAnthropic()
	case a.endpoint.api == ollama && a.endpoint.act != embed:
		return a.translated() // what it answers without asking
	}
	return question{}, a.nothingLike()
}

func (a *attempt) modelsOfAnthropic() question {
	q := question{method: http.MethodGet, path: "/models", query: mostModels, header: jsonHeader(jsonType)}
	if a.endpoint.act == retrieve {
		q.path, q.query = "/models/"+a.target.Model, ""
	}
	q.form = &catalog{a.exchange, openai}
	if a.endpoint.api == ollama {
		q.form = &tags{a.exchange}
	}
	return q
}

func (a *attempt) chatOfAnthropic() (question, *refusal) {
	body, err := a.bodyForAnthropic()
	if err != nil {
		return question{}, untranslatable(a, err)
	}
	q := question{method: http.MethodPost, path: "/messages", body: body, header: jsonHeader(a.accept())}
	way := pipe{&messages{exchange: a.exchange}, &chunks{exchange: a.exchange, figures: a.wantsFigures()}}
	if a.endpoint.api == ollama {
		way = append(way, &turned{exchange: a.exchange, generate: a.endpoint.act == generate})
	}
	q.form = way
	return q, nil
}

func (a *attempt) bodyForAnthropic() ([]byte, error) {
	if a.endpoint.api == openai {
		return chatForAnthropic(a.body, a.target.Model, a.stream)
	}
	return ollamaForAnthropic(a.body, a.target.Model, a.stream)
}

// wantsFigures says whether an agent that speaks OpenAI's API asked for them at
// the end of the stream.
func (a *attempt) wantsFigures() bool {
	raw, err := a.body.value("stream_options")
	if err != nil || raw == nil {
		return false
	}
	options, err := readAs[streamOptions](raw)
	return err == nil && options.IncludeUsage
}

func (a *attempt) accept() string {
	if a.stream {
		return "text/event-stream"
	}
	return jsonType
}

// fromAnthropic is the request of an agent that speaks Anthropic's API for a
// provider that does not.
func (a *attempt) fromAnthropic() (question, *refusal) {
	switch a.endpoint.act {
	case list:
		return question{method: http.MethodGet, path: a.openaiPath("/models"), form: &catalog{a.exchange, anthropic}, header: jsonHeader(jsonType)}, nil
	case retrieve:
		return question{method: http.MethodGet, path: a.openaiPath(strings.TrimPrefix(modelPath, "/v1") + a.target.Model), form: &catalog{a.exchange, anthropic}, header: jsonHeader(jsonType)}, nil
	case chat:
		return a.talk()
	}
	return question{}, a.nothingLike()
}

// openaiPath is a path of OpenAI's API at this provider: an Ollama has it under
// /v1, and other providers' URLs end there.
func (a *attempt) openaiPath(path string) string {
	if a.target.API == string(ollama) {
		return "/v1" + path
	}
	return path
}

// nothingLike is a clear no, which clients do not try again.
func (a *attempt) nothingLike() *refusal {
	return refuse(http.StatusNotFound, "unsupported", "provider %s speaks %s's API, which has nothing like %s",
		a.target.Provider, apiTitle(a.target), a.endpoint.path)
}

// apiTitle is what people call the API that a translated request is put into:
// of an Ollama's two, OpenAI's.
func apiTitle(t policy.Target) string {
	if t.API == string(anthropic) {
		return "Anthropic"
	}
	return "OpenAI"
}

// ollamaForAnthropic puts a request for /api/chat or /api/generate into
// Anthropic's API.
func ollamaForAnthropic(o *object, model string, stream bool) ([]byte, error) {
	form, err := chatOfOllama(o, model, stream)
	if err != nil {
		return nil, err
	}
	if format, ok := form.ResponseFormat.(map[string]string); ok && format["type"] == "json_object" {
		return nil, errors.New(`"format" is "json": only a schema can be asked for`)
	}
	middle, err := form.object()
	if err != nil {
		return nil, err
	}
	out, err := chatForAnthropic(middle, model, stream)
	if err != nil && strings.HasPrefix(err.Error(), "field ") {
		return nil, errors.New("option" + strings.TrimPrefix(err.Error(), "field"))
	}
	return out, err
}
