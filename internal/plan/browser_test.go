package plan

import (
	"encoding/json"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// A browser is told of the authority where there is one, and always that names
// are not hidden; it may read that and change nothing.
func TestBrowserPolicy(t *testing.T) {
	for name, trust := range map[string]*Trust{"none": nil, "one": {Folder: "/x", Authority: []byte{0x30, 0x03}}} {
		t.Run(name, func(t *testing.T) {
			files := map[string]spec.Mount{}
			for _, m := range trust.browserMounts(map[string]bool{"/etc": true}) {
				files[m.Target] = m
			}
			for _, at := range []string{"/etc/chromium/policies/managed/nemoclaw.json", "/etc/opt/chrome/policies/managed/nemoclaw.json"} {
				var said map[string]any
				if err := json.Unmarshal(files[at].Data, &said); err != nil {
					t.Fatalf("%s: %v", at, err)
				}
				if said["EncryptedClientHelloEnabled"] != false || said["DnsOverHttpsMode"] != "off" || said["QuicAllowed"] != false {
					t.Errorf("%s: %v", at, said)
				}
				if cas, _ := said["CACertificates"].([]any); (len(cas) == 1) != (trust != nil) || len(cas) == 1 && cas[0] != "MAM=" {
					t.Errorf("%s: %v", at, said)
				}
				if files[at].Mode != 0o444 {
					t.Errorf("%s has mode %o", at, files[at].Mode)
				}
			}
		})
	}
}
