package plan

import (
	"path"
	"slices"
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// CertificateFolder is where programs look for certificates.
const CertificateFolder = "/etc/ssl/certs"

// mounts put the folder in its place, and the bundle and Java's store in the
// places where this machine's programs have theirs.
func (t *Trust) mounts(s System) []spec.Mount {
	if t == nil {
		return nil
	}
	m := []spec.Mount{shown(t.Folder, CertificateFolder)}
	for _, p := range t.Bundles {
		m = append(m, s.over(p, path.Join(t.Folder, t.Bundle))...)
	}
	for _, p := range t.JavaStores {
		m = append(m, s.over(p, path.Join(t.Folder, t.Java))...)
	}
	return m
}

// over shows source at p, where p is inside at all.
func (s System) over(p, source string) []spec.Mount {
	in := func(dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }
	if !slices.ContainsFunc(s.Folders, in) && !slices.ContainsFunc(s.Etc, func(e EtcEntry) bool { return in(e.Path) }) {
		return nil
	}
	return []spec.Mount{shown(source, p)}
}

// rules let the folder be read where the machine has none of that name.
func (t *Trust) rules(etc []EtcEntry) []spec.PathRule {
	if t == nil || slices.ContainsFunc(etc, func(e EtcEntry) bool { return e.Path == CertificateFolder }) {
		return nil
	}
	return []spec.PathRule{{Path: CertificateFolder, Access: spec.Read}}
}

// bundleVariables are read by what brings its own certificates along, or looks
// for them in a place of its own: OpenSSL built elsewhere, Python's requests and
// pip, AWS's and Google's tools, cargo, git.
var bundleVariables = []string{
	"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE",
	"AWS_CA_BUNDLE", "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", "CARGO_HTTP_CAINFO", "GIT_SSL_CAINFO",
}

func (t *Trust) environment() []string {
	if t == nil {
		return nil
	}
	var env []string
	for _, name := range bundleVariables {
		env = append(env, name+"="+path.Join(CertificateFolder, t.Bundle))
	}
	// Node adds these to Mozilla's, which it brings along: it reads all of them
	// anew in each process that may use TLS, 0.2 ms a certificate.
	return append(env, "NODE_EXTRA_CA_CERTS="+path.Join(CertificateFolder, t.Extra))
}
