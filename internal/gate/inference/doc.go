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
// Proved by: the tests of this package, against servers that misbehave, the
// real Ollama and the real OpenClaw.
//
// The agent speaks Ollama's API or OpenAI's; so does the provider. Where both
// speak the same, bytes pass unchanged but for the model's name and the
// credentials. An agent that speaks OpenAI's reaches an Ollama by Ollama's own
// /v1; one that speaks Ollama's is translated for a provider that does not.
//
// What crosses is a closed list: the paths in endpoints, three headers of the
// agent's, a few of the provider's. Model management (pull, delete …) is
// refused.
package inference
