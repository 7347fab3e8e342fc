package inference

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// The questions that go by the middle: the agent's request is put into OpenAI's
// chat, which most providers speak, and from there into Anthropic's API where
// the provider speaks that. The answer comes back on the same road.

// middle is the agent's request as a chat, and the form that makes the agent's
// answer of an answer to it.
func (a *attempt) middle() (*openaiChat, form, error) {
	switch {
	case a.endpoint.act == respond:
		chat, tools, err := responsesForChat(a.body, a.target.Model, a.stream)
		return chat, &responded{exchange: a.exchange, tools: tools, wanted: wantedBy(a.body), id: strings.ToLower(rand.Text())}, err
	case a.endpoint.api == gemini:
		chat, err := geminiForChat(a.body, a.target.Model, a.stream)
		return chat, &generated{exchange: a.exchange, id: rand.Text(), array: a.req.URL.Query().Get("alt") != "sse"}, err
	}
	chat, err := messagesForChat(a.body, a.target.Model, a.stream)
	return chat, &events{exchange: a.exchange, id: "msg_" + rand.Text()}, err
}

// talk asks the provider for an answer.
func (a *attempt) talk() (question, *refusal) {
	chat, last, err := a.middle()
	if err != nil {
		return question{}, untranslatable(a, err)
	}
	q := question{method: http.MethodPost, path: a.openaiPath("/chat/completions"), header: jsonHeader(a.accept())}
	q.form = pipe{&same{exchange: a.exchange}, last}
	if a.target.API == string(anthropic) {
		q.path = "/messages"
		q.form = pipe{&messages{exchange: a.exchange}, &chunks{exchange: a.exchange, figures: true}, last}
	}
	q.body, err = a.bodyOf(chat)
	if err != nil {
		return question{}, untranslatable(a, err)
	}
	return q, nil
}

// bodyOf is a chat as the provider takes it.
func (a *attempt) bodyOf(chat *openaiChat) ([]byte, error) {
	if a.target.API != string(anthropic) {
		chat.limitFor(a.target.URL.Hostname())
		return json.Marshal(chat)
	}
	middle, err := chat.object()
	if err != nil {
		return nil, err
	}
	return chatForAnthropic(middle, a.target.Model, chat.Stream)
}

// hasResponses says whether the agent wants a response of OpenAI's and the
// provider has such itself: OpenAI's own servers do. Others that have them leave
// out what they do not know without a word.
func (a *attempt) hasResponses() bool {
	provider, _ := policy.KnownModelAPI(policy.Host(a.target.URL.Hostname()))
	return a.endpoint.act == respond && a.target.API == string(openai) && (provider == "openai" || provider == "azure")
}

// counting asks how many tokens messages are. A provider that does not count
// without answering answers with one token, and its figures are told: they are
// exact, and count like those of any call.
func (a *attempt) counting() (question, *refusal) {
	chat, err := a.counted()
	if err != nil {
		return question{}, untranslatable(a, err)
	}
	q := question{method: http.MethodPost, path: a.openaiPath("/chat/completions"), header: jsonHeader(jsonType), form: &tokens{a.exchange}}
	if a.target.API != string(anthropic) {
		chat.MaxTokens = json.RawMessage("1")
		q.body, err = a.bodyOf(chat)
	} else {
		q.path = "/messages/count_tokens"
		q.body, err = a.countOfAnthropic(chat)
	}
	if err != nil {
		return question{}, untranslatable(a, err)
	}
	return q, nil
}

// counted is what is to be counted, as a chat.
func (a *attempt) counted() (*openaiChat, error) {
	if a.endpoint.api != gemini {
		return messagesForChat(a.body, a.target.Model, false)
	}
	whole, err := a.body.value("generateContentRequest")
	if err != nil || whole == nil {
		return geminiForChat(a.body, a.target.Model, false)
	}
	if len(a.body.fields) > 1 {
		return nil, errors.New(`field "generateContentRequest" has all that is to be counted`)
	}
	o, err := parseObject(whole)
	if err != nil {
		return nil, err
	}
	return geminiForChat(o, a.target.Model, false)
}

// countOfAnthropic is a chat for Anthropic's own counting, which takes nothing
// that only shapes an answer.
func (a *attempt) countOfAnthropic(chat *openaiChat) ([]byte, error) {
	raw, err := a.bodyOf(chat)
	if err != nil {
		return nil, err
	}
	o, err := parseObject(raw)
	if err != nil {
		return nil, err
	}
	return []byte(o.without("max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata")), nil
}

// tokens is the form of a count.
type tokens struct{ *exchange }

func (t *tokens) media() string                    { return "" }
func (t *tokens) end() ([]byte, error)             { return nil, nil }
func (t *tokens) line(_, _ []byte) ([]byte, error) { return nil, nonsense("a stream, for a count") }
func (t *tokens) whole(body []byte) ([]byte, error) {
	var in struct {
		Count *int   `json:"input_tokens"` // Anthropic's, who only counts
		Usage *usage `json:"usage"`        // of an answer
	}
	if json.Unmarshal(body, &in) != nil || in.Count == nil && (in.Usage == nil || in.Usage.PromptTokens == 0) {
		return nil, nonsense("it says nothing of tokens")
	}
	if in.Count == nil {
		t.tally.add(&piece{Usage: in.Usage})
		in.Count = &in.Usage.PromptTokens
	}
	if t.endpoint.api == gemini {
		return json.Marshal(map[string]int{"totalTokens": *in.Count})
	}
	return json.Marshal(map[string]int{"input_tokens": *in.Count})
}

// modelsForGemini is the question for the models that there are, or for one.
func (a *attempt) modelsForGemini() question {
	q := question{method: http.MethodGet, path: a.openaiPath("/models"), header: jsonHeader(jsonType), form: &catalog{a.exchange, gemini}}
	if a.endpoint.act == retrieve {
		q.path += "/" + a.target.Model
	} else if a.target.API == string(anthropic) {
		q.query = mostModels
	}
	return q
}
