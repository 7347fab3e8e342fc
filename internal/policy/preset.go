package policy

import (
	"go.yaml.in/yaml/v4"
)

// Preset is a file of ready rules:
//
//	about: a Telegram bot
//	egress:
//	  - {host: "api.telegram.org", port: 443, note: "the Bot API"}
//
// or, where the hosts are in a tool's own configuration on the operator's
// machine, its name in their place:
//
//	about: packages for Node
//	hosts_of: npm # npm | pip | go | docker
type Preset struct {
	About string
	Tool  string  // "": the entries are all there is
	Rules []Entry // one port each
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
		"egress":   func(n *yaml.Node) { rules = d.rules(n, Allow) },
	})
	switch {
	case !known || len(d.found) > 0:
	case p.About == "":
		d.at(d.root, example, "a preset without about")
	case (p.Tool == "") == (len(rules) == 0):
		d.at(d.root, "egress with rules, or hosts_of", "a preset with both or neither")
	}
	if err := d.err(); err != nil {
		return Preset{}, err
	}
	for _, r := range rules {
		for _, port := range r.ports {
			p.Rules = append(p.Rules, Entry{Host: r.host.text, Port: port, Note: r.note, Addresses: r.addresses, Expires: r.expires, Binaries: r.binaries, http: r.http, cred: r.cred})
		}
	}
	return p, nil
}
