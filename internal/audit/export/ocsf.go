package export

import (
	"net/netip"
	"path"
	"strconv"
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/audit"
)

// From says whose events they are.
type From struct {
	Sandbox string
	Version string // of nemoclaw
	Content bool   // with prompts and answers
}

const ocsfVersion = "1.3.0"

// class is one of OCSF's, with what an event of ours means there.
type class struct {
	uid      int // its category is the thousands
	activity func(audit.Event) int
}

// The classes of OCSF 1.3.0 that fit, and their activities.
var classes = map[audit.Kind]class{
	audit.Start:     {6002, always(3)}, // Application Lifecycle: Start
	audit.Stop:      {6002, always(4)}, // Stop
	audit.Agent:     {6002, lifecycle},
	audit.Network:   {4001, reached}, // Network Activity
	audit.Names:     {4003, always(1)},
	audit.Inference: {6003, always(1)}, // API Activity: Create
	audit.Syscall:   {1003, always(4)}, // Kernel Activity: Invoke
	audit.Approval:  {3004, always(3)}, // Entity Management: Update
	audit.Reload:    {3004, always(3)},
	audit.Change:    {3004, always(3)},
	audit.Session:   {4007, always(1)}, // SSH Activity: Open
	audit.Damage:    {2004, always(1)}, // Detection Finding: Create
}

func always(n int) func(audit.Event) int { return func(audit.Event) int { return n } }

func lifecycle(e audit.Event) int {
	switch e.Verdict {
	case "started":
		return 3
	case "ended":
		return 4
	}
	return 99 // other
}

func reached(e audit.Event) int {
	if e.Verdict == "allow" {
		return 1 // Open
	}
	return 5 // Refuse
}

// Severities of OCSF.
const (
	informational = 1
	medium        = 3
	critical      = 5
)

func severity(e audit.Event) int {
	switch {
	case e.Kind == audit.Damage:
		return critical
	case e.Verdict == "deny":
		return medium
	}
	return informational
}

// OCSF is e as an object of that schema.
func OCSF(e audit.Event, f From) map[string]any {
	c, ok := classes[e.Kind]
	if !ok {
		c = class{0, always(99)} // Base Event: Other
	}
	activity := c.activity(e)
	out := map[string]any{
		"metadata": map[string]any{
			"version":  ocsfVersion,
			"product":  map[string]any{"name": "nemoclaw", "vendor_name": "nemoclaw", "version": f.Version},
			"uid":      e.Hash,
			"sequence": e.Seq,
			"profiles": []string{"security_control"},
		},
		"time":         e.Time.UnixMilli(),
		"category_uid": c.uid / 1000,
		"class_uid":    c.uid,
		"activity_id":  activity,
		"type_uid":     c.uid*100 + activity,
		"severity_id":  severity(e),
		"device":       map[string]any{"name": f.Sandbox, "type_id": 99, "type": "Sandbox"},
		"unmapped":     unmapped(e, f),
	}
	if e.Count > 1 {
		out["count"] = e.Count
	}
	if e.Why != "" {
		out["message"] = e.Why
	}
	if id, disposition, ok := verdict(e); ok {
		out["action_id"], out["disposition_id"] = id, disposition
	}
	if e.Rule != "" {
		out["firewall_rule"] = map[string]any{"name": e.Rule}
	}
	if a := actor(e); len(a) > 0 {
		out["actor"] = a
	}
	where(out, e)
	return out
}

// verdict is the security_control profile's: 1 Allowed, 2 Denied; and 1
// Allowed, 2 Blocked.
func verdict(e audit.Event) (action, disposition int, ok bool) {
	switch e.Verdict {
	case "allow":
		return 1, 1, true
	case "deny":
		return 2, 2, true
	}
	return 0, 0, false
}

func actor(e audit.Event) map[string]any {
	out := map[string]any{}
	if e.Program != "" {
		p := map[string]any{"name": path.Base(e.Program), "file": map[string]any{"path": e.Program, "name": path.Base(e.Program), "type_id": 1}}
		if e.PID > 0 {
			p["pid"] = e.PID
		}
		out["process"] = p
	}
	if e.By != "" {
		out["user"] = map[string]any{"name": e.By}
	}
	return out
}

// where names the event's target in the words of its class.
func where(out map[string]any, e audit.Event) {
	switch e.Kind {
	case audit.Network:
		out["dst_endpoint"] = endpoint(e.Target)
	case audit.Names:
		out["query"] = map[string]any{"hostname": e.Target}
	case audit.Syscall:
		out["kernel"] = map[string]any{"name": e.Target, "type_id": 2, "type": "System Call", "system_call": e.Target}
	case audit.Inference:
		api := map[string]any{"operation": e.Target}
		if e.Call != nil {
			api["operation"], api["service"] = e.Call.Path, map[string]any{"name": e.Call.Given}
			api["response"] = map[string]any{"code": e.Call.Status}
		}
		out["api"] = api
	case audit.Approval, audit.Reload, audit.Change:
		out["entity"] = map[string]any{"name": e.Target, "type": string(e.Kind)}
	case audit.Damage:
		out["finding_info"] = map[string]any{"title": "The audit book was damaged", "uid": e.Hash, "desc": e.Why}
	case audit.Start, audit.Stop, audit.Agent:
		out["app"] = map[string]any{"name": "sandbox", "vendor_name": "nemoclaw"}
	case audit.Session:
		out["dst_endpoint"] = map[string]any{"name": e.Target}
	}
}

// endpoint reads host:port.
func endpoint(target string) map[string]any {
	out := map[string]any{}
	host, port := target, ""
	if i := strings.LastIndexByte(target, ':'); i >= 0 {
		host, port = target[:i], target[i+1:]
	}
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		out["port"] = n
	} else {
		host = target
	}
	host = strings.Trim(host, "[]")
	if _, err := netip.ParseAddr(host); err == nil {
		out["ip"] = host
	} else {
		out["hostname"] = host
	}
	return out
}

// unmapped is what OCSF has no place for.
func unmapped(e audit.Event, f From) map[string]any {
	out := map[string]any{"kind": string(e.Kind), "prev": e.Prev}
	for key, value := range map[string]string{"wall": e.Wall, "verdict": e.Verdict, "target": e.Target, "id": e.ID} {
		if value != "" {
			out[key] = value
		}
	}
	if len(e.Proofs) > 0 {
		out["proofs"] = e.Proofs
	}
	if e.Call != nil {
		c := *e.Call
		if !f.Content {
			c.Prompt, c.Answer, c.Extra = "", "", ""
		}
		out["call"] = c
	}
	return out
}
