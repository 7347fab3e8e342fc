package policy

import (
	"go.yaml.in/yaml/v4"
)

// Preset is a file of ready rules:
//
//	about: a Telegram bot
//	binaries: [/usr/bin/node] # of each rule that has none of its own; else any program
//	egress:
//	  - {host: "api.telegram.org", port: 443, note: "the Bot API"}
//
// or, where the hosts are in a tool's own configuration on the operator's
// machine, its name in their place, and what may be asked of them:
//
//	about: packages for Node
//	hosts_of: npm # npm | pip | go | docker
//	http: [{methods: [GET, HEAD], paths: ["/**"]}]
type Preset struct {
	About string
	Tool  string  // "": the entries are all there is
	Rules []Entry // one port each

	binaries []string
	http     []requests // of what the tool names
}

// ParsePreset reads one. With an error, which is an *Invalid, there is none.
func ParsePreset(file string, data []byte) (Preset, error) {
	const example = `about: a Telegram bot`
	d := readDocument(file, example, data)
	if d.root == nil {
		return Preset{}, d.err()
	}
	var p Preset
	var rules []*rule
	known := d.fields(d.root, readers{
		"about":    func(n *yaml.Node) { p.About, _ = d.text(n, "a few words") },
		"hosts_of": func(n *yaml.Node) { p.Tool = d.word(n, "npm", "pip", "go", "docker") },
		"binaries": func(n *yaml.Node) { p.binaries = d.binaries(n) },
		"http":     func(n *yaml.Node) { p.http = d.http(n) },
		"egress":   func(n *yaml.Node) { rules = d.rules(n, Allow) },
	})
	switch {
	case !known || len(d.found) > 0:
	case p.About == "":
		d.at(d.root, example, "a preset without about")
	case (p.Tool == "") == (len(rules) == 0):
		d.at(d.root, "egress with rules, or hosts_of", "a preset with both or neither")
	case p.Tool == "" && len(p.http) > 0:
		d.at(d.root, "http in each rule", "http for hosts of different kinds")
	}
	if err := d.err(); err != nil {
		return Preset{}, err
	}
	for _, r := range rules {
		for _, port := range r.ports {
			p.Rules = append(p.Rules, p.narrowed(Entry{Host: r.host.text, Port: port, Note: r.note, Addresses: r.addresses, Expires: r.expires, Binaries: r.binaries, http: r.http, cred: r.cred}))
		}
	}
	return p, nil
}

// Hosts are the rules for what the preset's tool has named. A literal address
// has no requests of its own, as it proves no name: there the rule is for the
// whole connection.
func (p Preset) Hosts(named []Entry) []Entry {
	out := make([]Entry, len(named))
	for i, e := range named {
		if host, err := parsePattern(e.Host); err == nil && host.shape != network {
			e.http = p.http
		}
		out[i] = p.narrowed(e)
	}
	return out
}

func (p Preset) narrowed(e Entry) Entry {
	if len(e.Binaries) == 0 {
		e.Binaries = p.binaries
	}
	return e
}

// Text is what the entry says as a rule, without its note.
func (e Entry) Text() string {
	r, err := e.rule(Allow)
	if err != nil {
		return err.Error()
	}
	return r.shown().Text()
}
