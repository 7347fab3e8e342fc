// Package inference is the model gate: every call that the agent makes to a
// language model ends here. It finds out which model was asked for, asks the
// policy which one of which provider answers, adds that provider's key, passes
// the answer on as it arrives, and records the call.
//
// Runs in: the supervisor, without disk or exec.
// Reads:   hostile bytes (the agent's HTTP), half-trusted ones (the provider's
// answers), and the policy.
// Touches: the network: the hosts of the policy's providers and, when one of
// them is dead, the places where an Ollama usually listens. No files.
// Fails:   closed. No route, no call; no redirect is followed; a provider that
// misbehaves is an error in the agent's own API. Every call and every refusal
// is recorded once.
// Limits:  requests a minute, tokens and spend a day are counted in the router;
// what was used before comes from the book. A budget that is used up closes what
// costs money alone. A provider that fails five times in a row rests for ten
// seconds.
// Off the road of the agent's bytes: masking, the book and the agent's log, each
// behind a bounded queue.
// Proved by: the tests of this package, against servers that misbehave, the
// real Ollama and the real OpenClaw; test/libraries, by the providers' own
// libraries; test/e2e, by pi, Claude Code, Codex, OpenCode and Gemini CLI as their
// blueprints set them up.
//
// The agent speaks Ollama's API, OpenAI's (chat or responses), Anthropic's or
// Gemini's; the provider one of the first three. Where both speak the same, bytes pass unchanged but for the model's name and
// the credentials. An agent that speaks OpenAI's reaches an Ollama by Ollama's
// own /v1. All else is translated, by way of OpenAI's form:
//
//	agent      provider        request                          answer
//	ollama     openai          chatForOpenAI                    turned
//	ollama     anthropic       chatOfOllama, chatForAnthropic   chunks, turned
//	openai     anthropic       chatForAnthropic                 chunks
//	responses  ollama, openai  responsesForChat                 responded
//	responses  anthropic       and chatForAnthropic             chunks, responded
//	anthropic  ollama, openai  messagesForChat                  events
//	gemini     ollama, openai  geminiForChat                    generated
//	gemini     anthropic       and chatForAnthropic             chunks, generated
//
// OpenAI's chat is thus the middle of all: an agent's API needs one way in and
// one way out of it, and so does a provider's. Responses reach OpenAI's own
// servers unchanged; other servers are asked by chat, since they leave out of a
// response what they do not know without a word. Tokens are counted by whoever
// counts, else by asking for an answer of one token and telling its figures.
//
// Bodies are objects of members that stay as they came (object), not the types
// of the providers' Go libraries: those are made for who asks, and lose on the
// way, in silence, every field that they do not know. The libraries judge in
// test/libraries instead.
//
// What has no counterpart is refused by its name. What only speaks of a
// provider's own machinery (caches, queues, how long a model stays loaded) and
// what an agent wishes of a model's thinking, where that cannot be told, is
// left out; so is Gemini's topK, which its clients send unasked. Thoughts of another's model do not reach an agent that speaks
// Anthropic's API: it would send them back, and that API takes only thoughts
// that it has signed. They are in the record.
//
// What crosses is a closed list: the paths in endpoints, two headers of the
// agent's (from Anthropic's API to the same, two more), a few of the provider's.
// Model management (pull, delete …) is refused.
package inference
