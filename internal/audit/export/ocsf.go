package export

import (
	"cmp"
	"net/netip"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

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
	profiles profiles
}

// profiles are those of ours that a class takes; what comes of another makes the
// event one that OCSF does not know.
type profiles struct{ host, securityControl bool }

var (
	both   = profiles{host: true, securityControl: true}
	onHost = profiles{host: true}
)

// The classes of OCSF 1.3.0 that fit, their activities, and the profiles that they take.
var classes = map[audit.Kind]class{
	audit.Start:     {6002, always(3), onHost}, // Application Lifecycle: Start
	audit.Stop:      {6002, always(4), onHost}, // Stop
	audit.Agent:     {6002, lifecycle, onHost},
	audit.Network:   {4001, reached, both}, // Network Activity
	audit.HTTP:      {4002, method, both},  // HTTP Activity
	audit.Names:     {4003, always(1), both},
	audit.Inference: {6003, always(1), profiles{}}, // API Activity: Create
	audit.Syscall:   {1003, always(4), both},       // Kernel Activity: Invoke
	audit.Approval:  {3004, always(3), onHost},     // Entity Management: Update
	audit.Reload:    {3004, always(3), onHost},
	audit.Change:    {3004, always(3), onHost},
	audit.Session:   {4007, always(1), both}, // SSH Activity: Open
	audit.Damage:    {2004, always(1), both}, // Detection Finding: Create
	audit.Limit:     {2004, always(1), both},
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

// methods are the activities of HTTP Activity.
var methods = map[string]int{"CONNECT": 1, "DELETE": 2, "GET": 3, "HEAD": 4, "OPTIONS": 5, "POST": 6, "PUT": 7, "TRACE": 8}

func method(e audit.Event) int {
	if n, ok := methods[e.Method]; ok {
		return n
	}
	return 99 // other
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
		c = class{0, always(99), onHost} // Base Event: Other
	}
	activity := c.activity(e)
	out := map[string]any{
		"metadata": map[string]any{
			"version":  ocsfVersion,
			"product":  map[string]any{"name": "nemoclaw", "vendor_name": "nemoclaw", "version": f.Version},
			"uid":      e.Hash,
			"sequence": e.Seq,
			"profiles": c.profiles.names(),
		},
		"time":         e.Time.UnixMilli(),
		"category_uid": c.uid / 1000,
		"class_uid":    c.uid,
		"activity_id":  activity,
		"type_uid":     c.uid*100 + activity,
		"severity_id":  severity(e),
		"status_id":    status(e),
		"unmapped":     unmapped(e, f),
	}
	if e.Count > 1 {
		out["count"] = e.Count
	}
	if e.Why != "" {
		out["message"] = e.Why
	}
	c.profiles.fill(out, e, f)
	out["actor"] = actor(e)
	if category := c.uid / 1000; category == 4 || c.uid == 6003 {
		out["src_endpoint"] = map[string]any{"name": f.Sandbox}
	}
	where(out, e)
	return out
}

func (p profiles) names() []string {
	names := []string{}
	if p.securityControl {
		names = append(names, "security_control")
	}
	if p.host {
		names = append(names, "host")
	}
	return names
}

// fill adds what belongs to the profiles.
func (p profiles) fill(out map[string]any, e audit.Event, f From) {
	if p.host {
		out["device"] = map[string]any{"name": f.Sandbox, "type_id": 99, "type": "Sandbox"}
	}
	if !p.securityControl {
		return
	}
	out["action_id"], out["disposition_id"] = verdict(e)
	if e.Rule != "" {
		out["firewall_rule"] = map[string]any{"name": e.Rule}
	}
}

// status is 1 Success, 2 Failure, or 0 Unknown.
func status(e audit.Event) int {
	switch e.Verdict {
	case "allow":
		return 1
	case "deny":
		return 2
	}
	return 0
}

// verdict is the security_control profile's: 0 Unknown, 1 Allowed, 2 Denied; and 0
// Unknown, 1 Allowed, 2 Blocked.
func verdict(e audit.Event) (action, disposition int) {
	switch e.Verdict {
	case "allow":
		return 1, 1
	case "deny":
		return 2, 2
	}
	return 0, 0
}

// actor is who did it; some classes want one, so where nobody is known it is the
// sandbox.
func actor(e audit.Event) map[string]any {
	out := map[string]any{"app_name": cmp.Or(e.Program, "nemoclaw")}
	if e.Program != "" && e.PID > 0 { // a process without a number is none in OCSF
		out["process"] = map[string]any{
			"pid": e.PID, "name": path.Base(e.Program),
			"file": map[string]any{"path": e.Program, "name": path.Base(e.Program), "type_id": 1},
		}
	}
	if e.By != "" {
		out["user"] = map[string]any{"name": e.By}
	}
	return out
}

// where names the event's target in the words of its class.
func where(out map[string]any, e audit.Event) {
	name := cmp.Or(e.Target, "unknown")
	switch e.Kind {
	case audit.Network:
		protocol, to := "tcp", name
		if before, after, ok := strings.Cut(name, " "); ok { // "udp 8.8.8.8:443"
			protocol, to = before, after
		}
		out["dst_endpoint"] = endpoint(to)
		out["connection_info"] = map[string]any{"protocol_name": protocol, "direction_id": 2, "direction": "Outbound"}
	case audit.HTTP:
		out["dst_endpoint"] = endpoint(name)
		out["http_request"], out["http_response"] = request(e, endpoint(name)), response(e)
	case audit.Names:
		out["query"] = map[string]any{"hostname": name}
	case audit.Syscall:
		out["kernel"] = map[string]any{"name": name, "type_id": 2, "type": "System Call", "system_call": e.Target}
	case audit.Inference:
		api := map[string]any{"operation": name}
		if e.Call != nil {
			api["operation"], api["service"] = cmp.Or(e.Call.Path, name), map[string]any{"name": e.Call.Given}
			api["response"] = map[string]any{"code": e.Call.Status}
		}
		out["api"] = api
	case audit.Approval, audit.Reload, audit.Change:
		out["entity"] = map[string]any{"name": name, "type": string(e.Kind)}
	case audit.Damage:
		out["finding_info"] = map[string]any{"title": "The audit book was damaged", "uid": e.Hash, "desc": e.Why}
	case audit.Limit:
		out["finding_info"] = map[string]any{"title": limitTitle(e), "uid": e.Hash, "desc": e.Why}
	case audit.Start, audit.Stop, audit.Agent:
		out["app"] = map[string]any{"name": "sandbox", "vendor_name": "nemoclaw"}
	case audit.Session:
		out["dst_endpoint"] = map[string]any{"name": e.Target}
	}
}

// request has the method only where OCSF knows it; unmapped has it always.
func request(e audit.Event, url map[string]any) map[string]any {
	delete(url, "ip")
	delete(url, "name")
	url["path"] = e.Path
	out := map[string]any{"url": url}
	if _, known := methods[e.Method]; known {
		out["http_method"] = e.Method
	}
	return out
}

// response is what the class wants of an answer: the gate's own, or one of which the
// book has no code.
func response(e audit.Event) map[string]any {
	if e.Verdict == "deny" {
		return map[string]any{"code": 403, "message": "refused by nemoclaw"}
	}
	return map[string]any{"code": 0, "message": "the book does not have it"}
}

func limitTitle(e audit.Event) string {
	if e.Wall == "inference" {
		return "A limit of the inference policy"
	}
	return "A limit of the sandbox"
}

// hostOf is the host of host:port, or all where there is no port.
func hostOf(target string) string {
	i := strings.LastIndexByte(target, ':')
	if i < 0 {
		return target
	}
	if _, err := strconv.ParseUint(target[i+1:], 10, 16); err != nil {
		return target
	}
	return strings.Trim(target[:i], "[]")
}

// hostname is what OCSF takes for one.
var hostname = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)
})

// endpoint reads host:port.
func endpoint(target string) map[string]any {
	out := map[string]any{}
	host := hostOf(target)
	if n, err := strconv.ParseUint(target[strings.LastIndexByte(target, ':')+1:], 10, 16); err == nil && host != target {
		out["port"] = n
	}
	host = strings.Trim(host, "[]")
	_, err := netip.ParseAddr(host)
	switch {
	case err == nil:
		out["ip"] = host
	case hostname().MatchString(host):
		out["hostname"] = host
	default:
		out["name"] = host
	}
	return out
}

// unmapped is what OCSF has no place for.
func unmapped(e audit.Event, f From) map[string]any {
	out := map[string]any{"kind": string(e.Kind), "prev": e.Prev}
	for key, value := range map[string]string{"wall": e.Wall, "verdict": e.Verdict, "target": e.Target, "id": e.ID, "rule": e.Rule, "method": e.Method} {
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
