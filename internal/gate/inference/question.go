package inference

import (
	"encoding/json"
	"net/http"
	"strings"
)

// levelOfOllama is the version of Ollama's API that the router speaks, said
// where there is no Ollama behind it.
const levelOfOllama = "0.17.4"

// question is what this provider must be asked.
func (a *attempt) question() (question, *refusal) {
	speaks := api(a.target.API)
	switch {
	case a.endpoint.act == count && speaks != a.endpoint.api:
		return a.counting()
	case a.endpoint.act == respond && !a.hasResponses(), a.endpoint.api == gemini && a.endpoint.act == chat:
		return a.talk()
	case speaks == a.endpoint.api, speaks == ollama && a.endpoint.api == openai:
		return a.unchanged(speaks), nil
	case a.endpoint.api == gemini:
		return a.modelsForGemini(), nil
	case speaks == anthropic:
		return a.forAnthropic()
	case a.endpoint.api == anthropic:
		return a.fromAnthropic()
	}
	return a.translated()
}

// unchanged is the agent's request with the model's name changed. An Ollama
// speaks OpenAI's API as well, under /v1.
func (a *attempt) unchanged(speaks api) question {
	q := question{method: a.endpoint.method, path: a.endpoint.path}
	if a.endpoint.act == retrieve {
		q.path += a.target.Model
	}
	if speaks != ollama {
		q.path = strings.TrimPrefix(q.path, "/v1")
	}
	if a.body != nil {
		q.body = a.bodyFor(a.target.Model)
	}
	plain := &same{exchange: a.exchange, key: a.nameKey()}
	q.form = plain
	if a.endpoint.api == openai && a.stream && (a.endpoint.act == chat || a.endpoint.act == generate) {
		q.body, plain.hide = withFigures(q.body)
	}
	if a.endpoint.act == respond {
		q.form = &replies{exchange: a.exchange, rename: a.call.Asked != a.target.Model}
	}
	if speaks == anthropic {
		a.asAnthropic(&q)
	}
	if a.endpoint.act == list || a.endpoint.act == running {
		q.form = &listed{exchange: a.exchange}
	}
	return q
}

// withFigures is a request for a stream of OpenAI's that ends with the figures,
// which the book needs; unasked says that the agent did not want them.
func withFigures(raw []byte) (body []byte, unasked bool) {
	o, err := parseObject(raw)
	if err != nil {
		return raw, false
	}
	switch options, err := o.value("stream_options"); {
	case err != nil:
		return raw, false
	case options == nil:
		return o.adding("stream_options", json.RawMessage(`{"include_usage":true}`)), true
	case string(options) == "null":
		return o.with("stream_options", json.RawMessage(`{"include_usage":true}`)), true
	}
	return raw, false
}

// asAnthropic makes of q the very request that Anthropic's own client made.
func (a *attempt) asAnthropic(q *question) {
	q.header = http.Header{}
	for _, h := range []string{"Anthropic-Version", "Anthropic-Beta"} {
		if v := a.req.Header.Values(h); len(v) > 0 {
			q.header[h] = v
		}
	}
	switch a.endpoint.act {
	case list:
		q.query = mostModels
	case chat, count:
		q.form = &messages{exchange: a.exchange, rename: a.call.Asked != a.target.Model}
		if a.req.URL.Query().Get("beta") == "true" {
			q.query = "beta=true"
		}
	}
}

// nameKey is where an answer names its model, "" when the name need not change.
func (a *attempt) nameKey() string {
	switch {
	case a.call.Asked == a.target.Model:
		return ""
	case a.endpoint.act == retrieve:
		return "id"
	}
	return "model"
}

// bodyFor is the agent's body with the model's name changed, and nothing else.
func (a *attempt) bodyFor(model string) []byte {
	if model == a.call.Asked {
		return a.body.raw
	}
	raw := a.body.with("model", quote(model))
	if a.endpoint.act != show {
		return raw
	}
	if o, err := parseObject(raw); err == nil {
		raw = o.with("name", quote(model))
	}
	return raw
}

// translated is the request of an agent that speaks Ollama's API for a provider
// that speaks OpenAI's.
func (a *attempt) translated() (question, *refusal) {
	switch a.endpoint.act {
	case version:
		return question{own: []byte(`{"version":"` + levelOfOllama + `"}`)}, nil
	case running:
		return question{own: []byte(`{"models":[]}`)}, nil
	case show:
		return question{own: shown(a.target.Provider)}, nil
	case list:
		return question{method: http.MethodGet, path: "/models", form: &tags{a.exchange}}, nil
	case chat, generate:
		return a.translatedChat()
	case embed:
		return a.translatedEmbed()
	}
	return question{}, refuse(http.StatusNotImplemented, "unsupported", "provider %s has nothing like %s", a.target.Provider, a.endpoint.path)
}

func (a *attempt) translatedChat() (question, *refusal) {
	body, err := chatForOpenAI(a.body, a.target.Model, a.target.URL.Hostname(), a.stream)
	if err != nil {
		return question{}, untranslatable(a, err)
	}
	return question{
		method: http.MethodPost, path: "/chat/completions", body: body, header: jsonHeader(a.accept()),
		form: pipe{&same{exchange: a.exchange}, &turned{exchange: a.exchange, generate: a.endpoint.act == generate}},
	}, nil
}

func (a *attempt) translatedEmbed() (question, *refusal) {
	single := a.endpoint.path == "/api/embeddings"
	body, err := embedForOpenAI(a.body, a.target.Model, single)
	if err != nil {
		return question{}, untranslatable(a, err)
	}
	return question{
		method: http.MethodPost, path: "/embeddings", body: body, header: jsonHeader(jsonType),
		form: &vectors{exchange: a.exchange, single: single},
	}, nil
}

func jsonHeader(accept string) http.Header {
	return http.Header{"Content-Type": {jsonType}, "Accept": {accept}}
}

func untranslatable(a *attempt, err error) *refusal {
	return refuse(http.StatusBadRequest, "untranslatable",
		"provider %s speaks %s's API, and this request cannot be put into it: %v", a.target.Provider, apiTitle(a.target), err)
}

// shown is what /api/show says of a model that no Ollama holds: that it chats
// and takes tools. Its size and its context are not known here.
func shown(family string) []byte {
	b, _ := json.Marshal(map[string]any{ // strings always can be
		"modelfile": "", "parameters": "", "template": "", "license": "",
		"details":      map[string]any{"format": "remote", "family": family, "families": []string{family}, "parent_model": "", "parameter_size": "", "quantization_level": ""},
		"model_info":   map[string]any{"general.architecture": family},
		"capabilities": []string{"completion", "tools"},
	})
	return b
}
