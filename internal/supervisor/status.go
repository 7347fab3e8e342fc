package supervisor

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/confine/filter"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/plan"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/version"
)

// probeFor bounds what status waits for the model server and the agent.
const probeFor = 3 * time.Second

// Status is the health overview, looked at now.
func (o offers) Status(ctx context.Context) control.Status {
	ctx, cancel := context.WithTimeout(ctx, probeFor)
	defer cancel()
	k := o.keeper
	s := control.Status{
		Name:          k.settings.Name,
		State:         control.Running,
		Blueprint:     k.content.status(k.settings.Blueprint),
		Walls:         k.walls(),
		Supervisor:    k.confined(),
		Inference:     k.inferenceStatus(ctx),
		NetworkPolicy: k.policyStatus(),
		Agent:         control.AgentStatus{Name: "none", Running: true, Healthy: true},
		Limits:        slices.Concat(k.group.Held(), bounds(k.settings.Limits), []string{k.connections(), k.disk.held()}),
		GatewayPort:   k.settings.Ports.Gateway,
		SupervisorPID: os.Getpid(),
		Version:       version.String,
		UptimeSeconds: int64(time.Since(k.began).Seconds()),
	}
	if k.agent != nil {
		s.Agent = k.agent.status(ctx)
	}
	for _, m := range k.settings.Mounts {
		s.Mounts = append(s.Mounts, plan.Mounted(plan.Mount{Host: m.Host, Target: m.Sandbox, ReadOnly: m.ReadOnly}))
	}
	s.Notes = k.notes(ctx)
	if err := k.book.Err(); err != nil {
		s.Why = "the audit book cannot be written, so connections and model calls are refused: " + err.Error()
		s.Remedy = k.mend(err)
		s.Inference.Hint = "" // a restart alone would not help
	}
	s.Healthy = k.book.Err() == nil && !k.disk.paused.Load() && k.policies.broken() == nil && k.policies.brokenRoutes() == nil && s.Inference.Connected && s.Agent.Healthy &&
		s.Supervisor.Enforced && holds(s.Walls.Network) && holds(s.Walls.Filesystem) && holds(s.Walls.Process) && holds(s.Walls.Inference)
	return s
}

// mend is what makes a book writable again, where err came of it.
func (k *keeper) mend(err error) string {
	remedy := state.DiskRemedy(err)
	if !audit.Lasting(err) {
		return remedy // it goes on by itself
	}
	if remedy != "" {
		remedy += ", then: "
	}
	return remedy + "nemoclaw " + k.settings.Name + " restart"
}

// connections is the line of status about their limit.
func (k *keeper) connections() string {
	return fmt.Sprintf("connections %d (gate)", k.portions.flows)
}

// holds says whether a wall is as it should be: enforced, or off because the
// operator wrote so.
func holds(w control.Wall) bool { return w.Enforced || w.Proof == offByOperator }

const offByOperator = "off (operator)"

// walls is what init proved when it started, wall by wall.
func (k *keeper) walls() control.Walls {
	w := control.Walls{
		Network:    k.proved(spec.NetworkWall),
		Filesystem: k.proved(spec.FilesystemWall),
		Process:    k.proved(spec.ProcessWall),
		Inference:  k.proved(spec.InferenceWall),
	}
	if k.settings.Walls.NetworkOff {
		w.Network = control.Wall{Proof: offByOperator}
	}
	if k.settings.Walls.FilesystemOff {
		w.Filesystem = control.Wall{Proof: offByOperator}
	}
	return w
}

// proved tells one refusal a layer; all of them are in the book's start event.
func (k *keeper) proved(wall spec.Wall) control.Wall {
	var told []string
	seen := map[string]bool{}
	tried := 0
	for _, p := range k.box.Proofs() {
		if p.Wall != wall {
			continue
		}
		if !p.Refused {
			return control.Wall{Proof: p.Tried + " was not refused"}
		}
		tried++
		if !seen[p.Layer] {
			seen[p.Layer] = true
			told = append(told, fmt.Sprintf("%s: %s (%s)", p.Tried, p.Got, k.layer(p.Layer)))
		}
	}
	if tried == 0 {
		return control.Wall{Proof: "nothing was tried"}
	}
	if more := tried - len(told); more > 0 {
		told = append(told, fmt.Sprintf("%d more", more))
	}
	return control.Wall{Enforced: true, Proof: strings.Join(told, "; ")}
}

func (k *keeper) layer(name string) string {
	if strings.EqualFold(name, "landlock") {
		return fmt.Sprintf("Landlock ABI %d", k.box.ABI())
	}
	return name
}

func (k *keeper) inferenceStatus(ctx context.Context) control.InferenceStatus {
	all := k.router.ProbeAll(ctx)
	h := all[0]
	s := control.InferenceStatus{Model: h.Model, URL: h.URL, Connected: h.Connected, Why: h.Why, Hint: h.Hint, Usage: k.usage()}
	for _, o := range all[1:] {
		s.Others = append(s.Others, control.ProviderStatus{Model: o.Model, URL: o.URL, Connected: o.Connected, Resting: o.Resting, Why: o.Why})
	}
	if !s.Connected {
		return s
	}
	// The provider answers us; does the agent's own road lead to it?
	if err := get(ctx, insideOf{k.box}, modelAddress, "/api/version"); err != nil {
		s.Connected, s.Why = false, "from inside: "+err.Error()
		s.Hint = "nemoclaw " + k.settings.Name + " restart"
	}
	return s
}

// usage is what was used of the limits today.
func (k *keeper) usage() control.InferenceUsage {
	u := k.router.Used()
	return control.InferenceUsage{
		Tokens: u.Tokens, TokensMost: u.Limits.TokensPerDay,
		Spend: u.Money.Units(), SpendMost: u.Limits.SpendPerDay.Units(), HasSpend: u.Limits.HasSpend,
	}
}

func (k *keeper) policyStatus() control.PolicyStatus {
	p := k.policies.network.Load()
	s := control.PolicyStatus{Active: !k.settings.Walls.NetworkOff, Rules: p.Rules(), Revision: p.Revision()}
	if err := k.policies.broken(); err != nil {
		s.Error = err.Error()
	}
	return s
}

// largeBook is where status begins to speak of the book's size, in bytes.
const largeBook = 2 << 30

// handOn is how a controller comes to be handed on to a user's processes.
const handOn = "start nemoclaw where it is handed on: systemd-run --user --scope -p Delegate=yes nemoclaw … (as root without --user)"

// holdsSockets is the version of Landlock from which a sandbox reaches no Unix socket
// that was made outside; see package confine.
const holdsSockets = 9

// notes are the standing conditions that the operator should know.
func (k *keeper) notes(ctx context.Context) []string {
	var n []string
	if err := k.policies.brokenRoutes(); err != nil {
		n = append(n, "the file on disk is not in force: "+err.Error())
	}
	if err := k.book.Damage(); err != nil {
		n = append(n, "the audit book was damaged before this start: "+err.Error()+" (nemoclaw "+k.settings.Name+" audit verify)")
	}
	if k.upstream != nil {
		n = append(n, "connections leave by the proxy "+k.upstream.Address()+", which looks their names up")
	}
	if k.notifier != nil && k.notifier.Failed() != "" {
		n = append(n, "the command that notifies you failed: "+k.notifier.Failed())
	}
	if paused := k.disk.note(); paused != "" {
		n = append(n, paused)
	}
	if size := audit.Size(k.place.AuditDir()); size > largeBook {
		n = append(n, fmt.Sprintf("the audit book holds %s: nemoclaw %s audit prune --max 1GiB removes its oldest files", humanize.IBytes(uint64(size)), k.settings.Name))
	}
	for _, name := range k.settings.Walls.Syscalls {
		left, _ := filter.Widenable(name)
		n = append(n, "sandbox.yaml allows the system call "+name+": "+left)
	}
	if k.settings.Walls.AuditSyscalls {
		n = append(n, "system calls that are refused in silence elsewhere are events here, which makes programs slower (audit_syscalls in sandbox.yaml)")
	}
	for _, m := range k.settings.Mounts {
		if !m.ReadOnly && k.box.ABI() < holdsSockets {
			n = append(n, "a Unix socket that a host program makes below "+m.Host+" can be reached from inside")
		}
	}
	if why := k.group.NoProcessors(); why != "" {
		n = append(n, "limits.cpus in sandbox.yaml holds nobody: "+why+"; "+handOn)
	}
	for _, h := range k.meter.hits(ctx) {
		n = append(n, h.why+h.remedy)
	}
	return n
}
