package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// What programs trust is the sandbox's own folder, in every place where this
// machine's programs look; the machine's own is not bound under it.
func TestTrust(t *testing.T) {
	in := input()
	in.System.Etc = append(in.System.Etc, EtcEntry{Path: "/etc/pki/ca-trust/extracted", Folder: true})
	in.Trust = &Trust{
		Folder: "/state/x/trust/certs", Bundle: "ca-certificates.crt", Java: "java/cacerts", Extra: "extra.pem",
		Bundles:    []string{"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/var/lib/ca-certificates/ca-bundle.pem"},
		JavaStores: []string{"/usr/lib/jvm/x/lib/security/cacerts"},
	}
	s, err := Make(in)
	if err != nil {
		t.Fatal(err)
	}
	source := map[string]string{}
	for _, m := range s.Mounts {
		if m.Kind == spec.Bind {
			source[m.Target] = m.Source
			if strings.HasPrefix(m.Source, in.Trust.Folder) && !m.ReadOnly {
				t.Errorf("%s can be written", m.Target)
			}
		}
	}
	for target, want := range map[string]string{
		"/etc/ssl/certs": "/state/x/trust/certs",
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem": "/state/x/trust/certs/ca-certificates.crt",
		"/usr/lib/jvm/x/lib/security/cacerts":               "/state/x/trust/certs/java/cacerts",
		"/var/lib/ca-certificates/ca-bundle.pem":            "", // nothing of /var is inside
	} {
		if source[target] != want {
			t.Errorf("%s shows %q, want %q", target, source[target], want)
		}
	}
	for _, name := range bundleVariables {
		if !slices.Contains(s.Env, name+"=/etc/ssl/certs/ca-certificates.crt") {
			t.Errorf("%s is not set", name)
		}
	}
	if !slices.Contains(s.Env, "NODE_EXTRA_CA_CERTS=/etc/ssl/certs/extra.pem") {
		t.Error("Node is not told what is not Mozilla's")
	}
	in.System.Etc = nil
	if s, err = Make(in); err != nil || !slices.Contains(s.Landlock.Rules, spec.PathRule{Path: "/etc/ssl/certs", Access: spec.Read}) {
		t.Errorf("a machine without the folder: not readable: %v", err)
	}
}
