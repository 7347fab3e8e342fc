package control

import (
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
)

// The routes of the control socket, HTTP/1.1 and JSON. A refusal is an Error
// with a 4xx or 5xx status.
//
//	GET  /v1/status                     Status
//	GET  /v1/approvals                  []Approval
//	POST /v1/approvals/{id}             Answer -> Approval
//	POST /v1/reload/policy              -> Reloaded
//	POST /v1/reload/inference           -> Reloaded
//	GET  /v1/inference                  -> InferencePolicy
//	POST /v1/verify                     -> Verified
//	POST /v1/stop                       -> {} once the sandbox is gone
//	GET  /v1/events?follow=1            audit.Event, as server-sent events ("data: {…}"), from now on
//	                                    view=1: an operator sees them, and can answer
//	GET  /v1/calls?follow=1             Underway, as server-sent events: model calls as they are answered, from now on
//	GET  /v1/logs?lines=100&follow=1    text lines of the agent's output, as server-sent events (data: a JSON string)
//	POST /v1/ssh                        101, then the SSH protocol (connect, exec, copy)

// State is where a sandbox stands.
type State string

// The states.
const (
	Running State = "running"
	Stopped State = "stopped"
	Failed  State = "failed"
)

// Status is the health overview; `status --json` prints it.
type Status struct {
	Name          string          `json:"name"`
	State         State           `json:"state"`
	Why           string          `json:"why,omitempty"`    // of failed, or where nothing goes through: the cause and the remedy
	Remedy        string          `json:"remedy,omitempty"` // of Why, where something is known to help
	Blueprint     BlueprintStatus `json:"blueprint"`
	Walls         Walls           `json:"walls"`
	Supervisor    Wall            `json:"supervisor"` // what it took from itself
	Inference     InferenceStatus `json:"inference"`
	NetworkPolicy PolicyStatus    `json:"network_policy"`
	Agent         AgentStatus     `json:"agent"`
	Limits        []string        `json:"limits,omitempty"` // "memory 12 GiB (cgroup v2)" …
	Mounts        []string        `json:"mounts,omitempty"` // "/home/me/p → /sandbox/p (rw)"
	Notes         []string        `json:"notes,omitempty"`  // standing conditions that the operator should know
	GatewayPort   int             `json:"gateway_port"`
	SupervisorPID int             `json:"supervisor_pid"`
	Version       string          `json:"version,omitempty"` // of the nemoclaw that keeps it
	UptimeSeconds int64           `json:"uptime_seconds"`
	Healthy       bool            `json:"healthy"` // running, and all that should hold holds
}

// BlueprintStatus says what is inside.
type BlueprintStatus struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Digest   string `json:"digest"`
	Verified bool   `json:"verified"`
	Base     string `json:"base,omitempty"`
}

// Walls is the state of the four.
type Walls struct {
	Network    Wall `json:"network"`
	Filesystem Wall `json:"filesystem"`
	Process    Wall `json:"process"`
	Inference  Wall `json:"inference"`
}

// Wall is one wall as it was proved. Enforced is false only when the operator
// switched it off at creation.
type Wall struct {
	Enforced bool   `json:"enforced"`
	Proof    string `json:"proof"` // "open /home: permission denied (Landlock ABI 7, mounts)"; or "off (operator)"
}

// InferenceStatus is the model behind the router, probed along the agent's own
// path.
type InferenceStatus struct {
	Model     string `json:"model"` // provider/model
	URL       string `json:"url"`
	Connected bool   `json:"connected"`
	Why       string `json:"why,omitempty"`  // when not: the cause
	Hint      string `json:"hint,omitempty"` // and the command that helps

	Others []ProviderStatus `json:"others,omitempty"` // that other routes and fallbacks lead to
	Usage  InferenceUsage   `json:"usage"`
}

// ProviderStatus is a model server that stands behind the first.
type ProviderStatus struct {
	Model     string `json:"model"` // provider/model
	URL       string `json:"url"`
	Connected bool   `json:"connected"`
	Resting   bool   `json:"resting,omitempty"` // it failed so often that calls are kept from it
	Why       string `json:"why,omitempty"`     // when not connected: the cause
}

// InferenceUsage is what was used of the limits. A limit of 0 is none, but of
// Spend, which HasSpend says.
type InferenceUsage struct {
	Tokens     int64   `json:"tokens"` // today, in UTC
	TokensMost int64   `json:"tokens_most,omitempty"`
	Spend      float64 `json:"spend"` // the same, in the currency of the prices
	SpendMost  float64 `json:"spend_most,omitempty"`
	HasSpend   bool    `json:"has_spend,omitempty"`
}

// InferencePolicy is what the router goes by now.
type InferencePolicy struct {
	Revision string `json:"revision"`        // first 12 hex digits of the file's SHA-256
	Text     string `json:"text"`            // as a file, with what it leaves to defaults
	Error    string `json:"error,omitempty"` // of the file on disk, when the last good one is in force
}

// PolicyStatus is the network policy in force.
type PolicyStatus struct {
	Active   bool   `json:"active"`
	Rules    int    `json:"rules"`
	Revision string `json:"revision"`        // first 12 hex digits of the file's SHA-256
	Error    string `json:"error,omitempty"` // of the file on disk, when the last good one is in force
}

// AgentStatus is the program that the blueprint starts.
type AgentStatus struct {
	Name    string `json:"name"` // openclaw, none
	Running bool   `json:"running"`
	Healthy bool   `json:"healthy"`
	Why     string `json:"why,omitempty"`
}

// Approval is one question to the operator.
type Approval struct {
	ID      string    `json:"id"`
	Host    string    `json:"host"`
	Port    int       `json:"port"`
	Program string    `json:"program"`
	Time    time.Time `json:"time"`
	State   string    `json:"state"`             // pending, once, until, always, denied, never, expired
	Held    int       `json:"held"`              // connections that wait right now
	Count   int       `json:"count"`             // how often it was asked
	Address string    `json:"address,omitempty"` // where the question is about an allowed name's private address
	Until   time.Time `json:"until,omitzero"`
	Notice  string    `json:"notice,omitempty"` // what a person should look at twice
}

// Underway is a model call that is being answered, as far as it has come. When
// it ends its event follows, with all of it.
type Underway struct {
	ID      uint64    `json:"id"` // of this run of the supervisor
	Time    time.Time `json:"time"`
	Program string    `json:"program"`
	API     string    `json:"api"`
	Asked   string    `json:"asked"`
	Given   string    `json:"given"`  // provider/model that is asked now
	Answer  string    `json:"answer"` // its last words; none with log: metadata
	Millis  int64     `json:"ms"`     // since it began
	Ended   bool      `json:"ended"`
}

// Answer is the operator's word on one question.
type Answer struct {
	Verdict string `json:"verdict"`           // allow, deny
	Scope   string `json:"scope"`             // once, for, always (deny: once, always)
	Seconds int64  `json:"seconds,omitempty"` // with for
}

// Reloaded says what is in force now.
type Reloaded struct {
	Revision string `json:"revision"`
	Rules    int    `json:"rules"`
	Cut      int    `json:"cut"` // flows that the new policy ended
}

// Verified is what came of the escapes that were tried inside.
type Verified struct {
	Tries []Tried  `json:"tries"`
	ABI   int      `json:"landlock_abi"`
	Off   []string `json:"off,omitempty"` // walls that the operator switched off at creation
}

// Tried is one escape.
type Tried struct {
	ID      string `json:"id"` // its case in the threat model
	Wall    string `json:"wall"`
	What    string `json:"what"`
	Refused bool   `json:"refused"`
	Got     string `json:"got,omitempty"`     // in the kernel's words
	Left    string `json:"left,omitempty"`    // why it was not tried
	Control string `json:"control,omitempty"` // what came of it outside the walls; "" where it got through, or was not tried there
}

// Error is a refusal on the wire.
type Error struct {
	Message string `json:"error"`
	Hint    string `json:"hint,omitempty"`
}

func (e *Error) Error() string { return e.Message }

// EventStream is one element of /v1/events.
type EventStream = audit.Event

// Through is how many of the tries got through, or were not heard of.
func (v Verified) Through() int {
	n := 0
	for _, t := range v.Tries {
		if !t.Refused && t.Left == "" {
			n++
		}
	}
	return n
}
