package audit

import "time"

// Kind is what happened. The set is closed.
type Kind string

// The kinds of event.
const (
	Start     Kind = "start"     // the sandbox's walls stand, with their proof
	Stop      Kind = "stop"      // it ended, and why
	Network   Kind = "network"   // a verdict on a connection
	HTTP      Kind = "http"      // a verdict on one HTTP request, under a rule with http
	Names     Kind = "names"     // a name that was refused, or asked in a flood
	Inference Kind = "inference" // one model call
	Syscall   Kind = "syscall"   // a call that the process wall refused
	Approval  Kind = "approval"  // a question, or the operator's answer
	Reload    Kind = "reload"    // a policy took effect, or was refused
	Session   Kind = "session"   // connect, exec or forward began or ended
	Limit     Kind = "limit"     // a limit is near, or reached: of the inference policy, or of the sandbox (without a Wall)
	Change    Kind = "change"    // another generation or workspace was put in force: Verdict says by what, or "undone"
	Agent     Kind = "agent"     // the agent started, ended, became healthy or not
	Damage    Kind = "damage"    // the book was found tampered with when it was opened, or lost Count events
	Gap       Kind = "gap"       // to a slow reader of Watch: Count events were left out; never in the book
)

// Event is one line of the book. Seq, Time, Prev and Hash are set by Append.
// Every string that the agent can influence is kept as it was said; views
// escape it.
type Event struct {
	Version int       `json:"v"`
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"` // UTC
	Kind    Kind      `json:"kind"`

	Wall    string `json:"wall,omitempty"`    // network, filesystem, process, inference
	Verdict string `json:"verdict,omitempty"` // allow, deny, ask
	Program string `json:"program,omitempty"` // who asked: an executable's path inside, or "unknown"
	PID     int    `json:"pid,omitempty"`     // inside
	Target  string `json:"target,omitempty"`  // host:port, system call, path …
	Method  string `json:"method,omitempty"`  // with http
	Path    string `json:"path,omitempty"`    // with http: canonical, without the query
	Rule    string `json:"rule,omitempty"`    // the rule that decided, as written, with its line
	Why     string `json:"why,omitempty"`
	Count   int    `json:"count,omitempty"` // how many equal ones this line stands for, when more than one
	By      string `json:"by,omitempty"`    // the operator, for acts of a person
	ID      string `json:"id,omitempty"`    // of the approval or the session

	Proofs []Proof `json:"proofs,omitempty"` // with start
	Call   *Call   `json:"call,omitempty"`   // with inference

	Prev string `json:"prev"` // Hash of the line before; of the first, 64 zeros
	Hash string `json:"hash"` // SHA-256, hex, of this line without this field
}

// Proof is what a wall refused before the agent started.
type Proof struct {
	Wall  string `json:"wall"`
	Layer string `json:"layer,omitempty"`
	Tried string `json:"tried"`
	Got   string `json:"got"`
}

// Call is one model call. Times are milliseconds.
type Call struct {
	API        string   `json:"api"`    // ollama, openai, anthropic, gemini
	Path       string   `json:"path"`   // /api/chat …
	Asked      string   `json:"asked"`  // the model that the agent asked for
	Given      string   `json:"given"`  // provider/model that it got
	Status     int      `json:"status"` // HTTP
	Stream     bool     `json:"stream"`
	Prompt     string   `json:"prompt,omitempty"` // the request's messages, as JSON; left out by log: metadata
	Extra      string   `json:"extra,omitempty"`  // the request's other fields, as a JSON object
	Answer     string   `json:"answer,omitempty"` // streamed answers put together
	Tools      []string `json:"tools,omitempty"`  // tools that the model called
	TokensIn   int      `json:"tokens_in"`
	TokensOut  int      `json:"tokens_out"`
	Cached     int      `json:"tokens_cached,omitempty"`  // of TokensIn, what the provider had kept from before
	Counted    int64    `json:"tokens_counted,omitempty"` // for the day's limit, where that is not the sum of the figures
	Cost       float64  `json:"cost,omitempty"`           // by the policy's prices, in their currency
	Steps      []Step   `json:"steps,omitempty"`          // providers that could not answer before another was asked
	FirstToken float64  `json:"first_token_ms"`
	Duration   float64  `json:"duration_ms"`
	Error      string   `json:"error,omitempty"`
}

// Step is one provider that could not answer.
type Step struct {
	Given  string  `json:"given"`  // provider/model
	Status int     `json:"status"` // HTTP
	Error  string  `json:"error"`
	Took   float64 `json:"took_ms"`
}

// What is the target with what was asked of it.
func (e Event) What() string {
	if e.Method == "" {
		return e.Target
	}
	return e.Method + " " + e.Target + e.Path
}
