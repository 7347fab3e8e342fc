package policy

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// requests is one element of http: any of the methods with any of the paths.
type requests struct {
	methods []string // "*": any
	paths   []pathPattern
}

func (q requests) matches(method string, path Path) bool {
	return (slices.Contains(q.methods, method) || slices.Contains(q.methods, "*")) &&
		slices.ContainsFunc(q.paths, func(p pathPattern) bool { return p.matches(path) })
}

// allows says whether the rule is for the request too. A rule without http is
// for any.
func (r *rule) allows(method string, path Path) bool {
	return len(r.http) == 0 || slices.ContainsFunc(r.http, func(q requests) bool { return q.matches(method, path) })
}

func (q requests) shown() Requests {
	out := Requests{Methods: slices.Clone(q.methods)}
	for _, p := range q.paths {
		out.Paths = append(out.Paths, p.text)
	}
	return out
}

func shownHTTP(http []requests) []Requests {
	var out []Requests
	for _, q := range http {
		out = append(out, q.shown())
	}
	return out
}

// Requests are HTTP requests that a rule allows: any of the methods ("*": any)
// with any of the paths.
type Requests struct {
	Methods []string
	Paths   []string
}

// String is "GET, HEAD /repos/**, /users/*".
func (q Requests) String() string {
	methods := list(q.Methods)
	if methods == "*" {
		methods = "any method"
	}
	return methods + " " + list(q.Paths)
}

func (q Requests) equal(o Requests) bool {
	return slices.Equal(q.Methods, o.Methods) && slices.Equal(q.Paths, o.Paths)
}

// httpText says all of a rule's http; "" where it has none.
func httpText(http []Requests) string {
	shown := make([]string, len(http))
	for i, q := range http {
		shown[i] = q.String()
	}
	return strings.Join(shown, "; ")
}

// Form is how a credential is put into a header field.
type Form string

// The forms. A Credential with a Header of its own has none of them.
const (
	Bearer Form = "bearer" // Authorization: Bearer VALUE
	Basic  Form = "basic"  // Authorization: Basic, of USER:PASSWORD, or of a token as GitHub's git takes it
	Token  Form = "token"  // Authorization: token VALUE
	Bot    Form = "bot"    // Authorization: Bot VALUE
	Whole  Form = "whole"  // Authorization: VALUE
)

var forms = []string{string(Bearer), string(Basic), string(Token), string(Bot), string(Whole)}

// Credential is a stored secret that the gate adds to the requests of a rule.
// The zero Credential is none.
type Credential struct {
	Secret string
	As     Form   // Bearer unless the rule says otherwise; "" with a Header
	Header string // a header field of its own
}

// Field is the header field that carries the value.
func (c Credential) Field(value string) (name, text string) {
	switch c.As {
	case Bearer:
		return "Authorization", "Bearer " + value
	case Token:
		return "Authorization", "token " + value
	case Bot:
		return "Authorization", "Bot " + value
	case Basic:
		if !strings.Contains(value, ":") {
			value = "x-access-token:" + value
		}
		return "Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(value))
	case Whole:
		return "Authorization", value
	}
	return c.Header, value
}

func (c Credential) isZero() bool { return c == Credential{} }

// String is how a rule names it: "github as basic".
func (c Credential) String() string {
	switch {
	case c.Header != "":
		return c.Secret + " in " + c.Header
	case c.As == Bearer || c.As == "":
		return c.Secret
	}
	return c.Secret + " as " + string(c.As)
}

// field is the credential as a file says it.
func (c Credential) field() string {
	switch {
	case c.Header != "":
		return fmt.Sprintf("credential: {secret: %s, header: %s}", quoteYAML(c.Secret), quoteYAML(c.Header))
	case c.As == Bearer:
		return "credential: " + quoteYAML(c.Secret)
	}
	return fmt.Sprintf("credential: {secret: %s, as: %s}", quoteYAML(c.Secret), c.As)
}

// httpField is a rule's http as a file says it.
func httpField(http []requests) string {
	return "http: " + flow(http, func(q requests) string {
		return "{methods: " + flow(q.methods, quoteYAML) + ", paths: " + flow(q.paths, func(p pathPattern) string { return quoteYAML(p.text) }) + "}"
	})
}

const wantHTTP = `a list such as [{methods: [GET, HEAD], paths: ["/repos/**"]}]`

func (d *document) http(n *yaml.Node) []requests {
	if len(n.Content) == 0 { // an empty list must not come to mean any request
		d.wrong(n, wantHTTP)
		return nil
	}
	var out []requests
	d.items(n, wantHTTP[len("a list "):], func(item *yaml.Node) { out = append(out, d.requests(item)) })
	return out
}

func (d *document) requests(n *yaml.Node) requests {
	var q requests
	has := map[string]bool{}
	known := d.fields(n, readers{
		"methods": func(v *yaml.Node) { has["methods"] = true; q.methods = d.methods(v) },
		"paths":   func(v *yaml.Node) { has["paths"] = true; q.paths = d.paths(v) },
	})
	if known && !has["methods"] {
		d.at(n, `methods: [GET, HEAD], or methods: ["*"] for any`, "requests without methods")
	}
	if known && !has["paths"] {
		d.at(n, `paths: ["/repos/**"], or paths: ["/**"] for any`, "requests without paths")
	}
	return q
}

func (d *document) methods(n *yaml.Node) []string {
	const want = `a list of methods, such as [GET, HEAD], or ["*"] for any`
	if len(n.Content) == 0 {
		d.wrong(n, want)
		return nil
	}
	var out []string
	d.items(n, "methods", func(item *yaml.Node) {
		m, ok := d.text(item, "a method such as GET")
		switch {
		case !ok:
		case m == "CONNECT" || m == "TRACE":
			d.at(item, "another method", "%s is never let through", m)
		case m != "*" && !isMethod(m):
			d.at(item, "a method in upper case, such as GET, or \"*\" for any", "%q", m)
		case slices.Contains(out, m):
			d.at(item, "each method once", "%s again", m)
		default:
			out = append(out, m)
		}
	})
	if len(out) > 1 && slices.Contains(out, "*") {
		d.at(n, `["*"] alone`, `"*" is any method already`)
	}
	return out
}

// isMethod: the methods that there are have upper-case letters and hyphens.
func isMethod(m string) bool {
	return len(m) <= 32 && strings.Trim(m, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") == "" && strings.Trim(m, "-") != ""
}

func (d *document) paths(n *yaml.Node) []pathPattern {
	const want = `a list of paths, such as ["/repos/**"]`
	if len(n.Content) == 0 {
		d.wrong(n, want)
		return nil
	}
	var out []pathPattern
	d.items(n, "paths", func(item *yaml.Node) {
		text, ok := d.text(item, `a path such as "/repos/**"`)
		if !ok {
			return
		}
		p, err := parsePathPattern(text)
		switch {
		case err != nil:
			d.bad(item, err)
		case slices.ContainsFunc(out, func(o pathPattern) bool { return o.text == p.text }):
			d.at(item, "each path once", "%q again", p.text)
		default:
			out = append(out, p)
		}
	})
	return out
}

// credential reads a secret's name, or a map that says how it is put.
func (d *document) credential(n *yaml.Node) Credential {
	if n.Kind != yaml.MappingNode {
		return Credential{Secret: d.secretName(n), As: Bearer}
	}
	c := Credential{As: Bearer}
	has := map[string]*yaml.Node{}
	known := d.fields(n, readers{
		"secret": func(v *yaml.Node) { has["secret"] = v; c.Secret = d.secretName(v) },
		"as":     func(v *yaml.Node) { has["as"] = v; c.As = Form(d.word(v, forms...)) },
		"header": func(v *yaml.Node) { has["header"] = v; c.Header = d.headerName(v) },
	})
	switch {
	case known && has["secret"] == nil:
		d.at(n, "secret: NAME", "a credential without its secret")
	case has["as"] != nil && has["header"] != nil:
		d.at(has["header"], "as or header", "both as and header")
	case has["header"] != nil:
		c.As = ""
	}
	return c
}

func (d *document) secretName(n *yaml.Node) string {
	const want = `the name of a stored secret, such as github (nemoclaw secret set github)`
	text, ok := d.text(n, want)
	if ok && !isSecretName(text) {
		d.wrong(n, want)
	}
	return text
}

// isSecretName is the rule of package secret: its own test holds the two
// together.
func isSecretName(name string) bool {
	const first = "abcdefghijklmnopqrstuvwxyz0123456789"
	return name != "" && len(name) <= 64 && strings.IndexByte(first, name[0]) >= 0 && strings.Trim(name, first+"-_") == ""
}

// ownFields are the header fields that mean something to who passes a request
// on, or say where it goes or ends: no credential stands in one.
var ownFields = []string{
	"host", "content-length", "transfer-encoding", "te", "trailer", "connection", "keep-alive", "upgrade", "expect", "range",
	"proxy-authorization", "proxy-connection", "cookie", "accept-encoding", "content-encoding", "content-type", "forwarded",
}

func (d *document) headerName(n *yaml.Node) string {
	const want = "a header field such as X-Api-Key"
	text, ok := d.text(n, want)
	if !ok {
		return ""
	}
	lower := strings.ToLower(text)
	switch {
	case len(text) > 64 || strings.Trim(lower, "abcdefghijklmnopqrstuvwxyz0123456789-") != "":
		d.wrong(n, want)
	case lower == "authorization":
		d.at(n, "as: "+strings.Join(forms, ", "), "header: Authorization has forms of its own")
	case slices.Contains(ownFields, lower) || strings.HasPrefix(lower, "x-forwarded-") || strings.HasPrefix(lower, "sec-"):
		d.at(n, want, "header: %q is not one that a credential can stand in", text)
	}
	return text
}

// checkHTTP: a rule's keys go together.
func (d *document) checkHTTP(n *yaml.Node, r *rule) {
	asks, _ := find(n, "http")
	secret, _ := find(n, "credential")
	if asks != nil && r.host.shape == network {
		d.at(asks, "a name as the host, with the address under addresses", "http needs a name: an address proves none")
	}
	if secret != nil && asks == nil {
		d.at(secret, `http: [{methods: [GET], paths: ["/**"]}] beside it`, "a credential needs http: which requests it is for")
	}
	if secret != nil && (r.host.shape == oneLabel || r.host.shape == deep) {
		d.at(secret, "a rule for the one host", "a credential for a wildcard: it would go to whoever has a name below it")
	}
}
