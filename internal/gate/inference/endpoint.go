package inference

import (
	"net/http"
	"strings"
)

// api is a way to speak with models.
type api string

const (
	ollama    api = "ollama"
	openai    api = "openai"
	anthropic api = "anthropic"
	gemini    api = "gemini" // of agents alone
)

// act is what an endpoint does.
type act uint8

const (
	chat       act = iota + 1 // messages in, an answer out
	respond                   // items in, items out: OpenAI's responses
	generate                  // a prompt in, an answer out
	embed                     // texts in, vectors out
	list                      // the models that there are
	running                   // the models that are loaded
	show                      // one model, named in the body
	retrieve                  // one model, named in the path
	count                     // messages in, their tokens out
	version                   // of the server
	greet                     // the root: is it there?
	management                // refused
)

// endpoint is one path of an API.
type endpoint struct {
	method  string // HEAD is taken where GET is
	path    string // one that ends in / has the rest as its argument
	api     api
	act     act
	streams bool   // where the body does not say
	verb    string // after the argument: what is done with it
}

// endpoints is all that the router answers; what is not here is not found.
var endpoints = []endpoint{
	{http.MethodGet, "/", ollama, greet, false, ""},
	{http.MethodGet, "/api/version", ollama, version, false, ""},
	{http.MethodGet, "/api/tags", ollama, list, false, ""},
	{http.MethodGet, "/api/ps", ollama, running, false, ""},
	{http.MethodPost, "/api/show", ollama, show, false, ""},
	{http.MethodPost, "/api/chat", ollama, chat, true, ""},
	{http.MethodPost, "/api/generate", ollama, generate, true, ""},
	{http.MethodPost, "/api/embed", ollama, embed, false, ""},
	{http.MethodPost, "/api/embeddings", ollama, embed, false, ""},
	{http.MethodGet, "/v1/models", openai, list, false, ""},
	{http.MethodGet, modelPath, openai, retrieve, false, ""},
	{http.MethodPost, "/v1/chat/completions", openai, chat, false, ""},
	{http.MethodPost, "/v1/responses", openai, respond, false, ""},
	{http.MethodPost, "/v1/completions", openai, generate, false, ""},
	{http.MethodPost, "/v1/embeddings", openai, embed, false, ""},
	{http.MethodPost, "/v1/messages", anthropic, chat, false, ""},
	{http.MethodPost, "/v1/messages/count_tokens", anthropic, count, false, ""},
	{http.MethodGet, "/api/hello", anthropic, greet, false, ""}, // Claude Code asks whether anybody is there
	{http.MethodGet, "/v1beta/models", gemini, list, false, ""},
	{http.MethodGet, betaPath, gemini, retrieve, false, ""},
	{http.MethodPost, betaPath, gemini, chat, false, ":generateContent"},
	{http.MethodPost, betaPath, gemini, chat, true, ":streamGenerateContent"},
	{http.MethodPost, betaPath, gemini, count, false, ":countTokens"},
	{http.MethodPost, modelPath, gemini, chat, false, ":generateContent"},
	{http.MethodPost, modelPath, gemini, chat, true, ":streamGenerateContent"},
	{http.MethodPost, modelPath, gemini, count, false, ":countTokens"},

	{"", "/api/pull", ollama, management, false, ""},
	{"", "/api/push", ollama, management, false, ""},
	{"", "/api/delete", ollama, management, false, ""},
	{"", "/api/create", ollama, management, false, ""},
	{"", "/api/copy", ollama, management, false, ""},
	{"", "/api/blobs/", ollama, management, false, ""},
	{"", "/api/me", ollama, management, false, ""},
	{"", "/api/signin", ollama, management, false, ""},
	{"", "/api/signout", ollama, management, false, ""},
	{"", "/api/user/", ollama, management, false, ""},
	{"", "/api/experimental/", ollama, management, false, ""},
	{"", "/v1/files", openai, management, false, ""},
	{"", "/v1/files/", openai, management, false, ""},
	{"", "/v1/fine_tuning/", openai, management, false, ""},
}

// What leads the name of one model: in OpenAI's, Anthropic's and Gemini's API,
// and in Gemini's by the version that its clients ask for.
const (
	modelPath = "/v1/models/"
	betaPath  = "/v1beta/models/"
)

// find gives the endpoint of a request and the rest of its path. The path is
// taken as it was sent: one that could be read in two ways is refused, so that
// no provider reads it in another way than this.
func find(req *http.Request) (e endpoint, rest string, no *refusal) {
	path := req.URL.EscapedPath()
	speaks := apiOf(req, path)
	if !plain(path) {
		return endpoint{api: speaks}, "", refuse(http.StatusForbidden, "invalid_path", "path is not in its plain form")
	}
	match := false
	for _, e := range endpoints {
		rest, ok := e.takes(path)
		if !ok {
			continue
		}
		match = true
		if e.act == management {
			return e, "", refuse(http.StatusForbidden, "permission_denied",
				"managing models is not allowed from inside the sandbox").hinted("use the model server's own command, such as ollama pull")
		}
		if req.Method == e.method || req.Method == http.MethodHead && e.method == http.MethodGet {
			if e.act == list || e.act == retrieve {
				e.api = speaks // both OpenAI and Anthropic have /v1/models
			}
			return e, rest, nil
		}
	}
	if match {
		return endpoint{api: speaks}, "", refuse(http.StatusMethodNotAllowed, "method_not_allowed", "method %.20q is not allowed here", req.Method)
	}
	return endpoint{api: speaks}, "", refuse(http.StatusNotFound, "not_found", "no such path: the router answers Ollama's API, OpenAI's chat, responses, completions, embeddings and models, Anthropic's messages, and Gemini's generateContent")
}

// takes says whether path is the endpoint's, and gives its argument.
func (e endpoint) takes(path string) (rest string, ok bool) {
	if len(e.path) > 1 && strings.HasSuffix(e.path, "/") {
		rest, ok = strings.CutPrefix(path, e.path)
		rest, is := strings.CutSuffix(rest, e.verb)
		return rest, ok && is && rest != ""
	}
	return "", path == e.path
}

// apiOf is the API that a request looks like: by its path or, where some share
// one, by the headers that Anthropic's and Google's clients always send.
func apiOf(req *http.Request, path string) api {
	switch {
	case strings.HasPrefix(path, "/v1/messages"), path == "/api/hello":
		return anthropic
	case strings.HasPrefix(path, "/v1beta"), strings.HasPrefix(path+"/", modelPath) && (req.Header.Get("X-Goog-Api-Key") != "" || req.Header.Get("X-Goog-Api-Client") != ""):
		return gemini
	case !strings.HasPrefix(path, "/v1"):
		return ollama
	case strings.HasPrefix(path+"/", modelPath) && req.Header.Get("Anthropic-Version") != "":
		return anthropic
	}
	return openai
}

// plain holds for a path that has one reading: no escapes but of / and : in a
// model's name, no empty, . or .. part, no odd characters.
func plain(path string) bool {
	for _, lead := range []string{modelPath, betaPath} {
		if name, ok := strings.CutPrefix(path, lead); ok {
			path = lead + unescapeName(name)
		}
	}
	if !strings.HasPrefix(path, "/") {
		return false
	}
	for _, part := range strings.Split(path[1:], "/") {
		if part == "." || part == ".." || part == "" && path != "/" {
			return false
		}
	}
	return strings.IndexFunc(path, odd) < 0
}

func odd(c rune) bool {
	letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
	return !letter && !strings.ContainsRune("/._:-@", c)
}

// unescapeName reads the two escapes that clients use in a model's name.
func unescapeName(s string) string {
	return strings.NewReplacer("%2F", "/", "%2f", "/", "%3A", ":", "%3a", ":").Replace(s)
}

// known says whether the endpoint is about one model.
func (e endpoint) named() bool {
	return e.metered() || e.act == show || e.act == retrieve || e.act == count
}

// metered says whether the endpoint makes a model work, and so counts. Where a
// provider does not count tokens, its model does.
func (e endpoint) metered() bool {
	return e.act == chat || e.act == respond || e.act == generate || e.act == embed || e.act == count
}
