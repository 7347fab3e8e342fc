package plan

import (
	"encoding/json"
	"path"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// browserFolders are where Chromium and Chrome look for what the administrator
// of a machine demands (Chrome Enterprise, "Linux policies").
var browserFolders = []string{"/etc/chromium/policies/managed", "/etc/opt/chrome/policies/managed"}

// browserPolicy is what a Chromium inside is told. Names and connections are the
// gate's business: a name that is hidden in the hello (ECH, of which it sends a
// false one even where a server has none) is refused there, and a resolver of its
// own would only lead into a refusal. It reads no certificate that OpenSSL's
// variables name, so the sandbox's authority stands here.
type browserPolicy struct {
	ECH  bool     `json:"EncryptedClientHelloEnabled"`
	DoH  string   `json:"DnsOverHttpsMode"`
	QUIC bool     `json:"QuicAllowed"`
	CAs  [][]byte `json:"CACertificates,omitempty"`
}

func (t *Trust) browserPolicy() []byte {
	p := browserPolicy{DoH: "off"}
	if t != nil && len(t.Authority) > 0 {
		p.CAs = [][]byte{t.Authority}
	}
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // it is made of texts
	}
	return append(text, '\n')
}

// browserMounts put the policy where browsers look; made are the folders that
// exist by then.
func (t *Trust) browserMounts(made map[string]bool) []spec.Mount {
	var m []spec.Mount
	text := t.browserPolicy()
	for _, folder := range browserFolders {
		for _, d := range parents(folder) {
			if !made[d] {
				made[d] = true
				m = append(m, spec.Mount{Kind: spec.Dir, Target: d, Mode: passOnly})
			}
		}
		m = append(m, spec.Mount{Kind: spec.Dir, Target: folder, Mode: 0o555},
			spec.Mount{Kind: spec.File, Target: path.Join(folder, "nemoclaw.json"), Mode: 0o444, Data: text})
	}
	return m
}
