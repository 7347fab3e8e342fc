package host

import (
	"encoding/pem"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Certificates is what this machine's programs trust, and where they look.
type Certificates struct {
	// Bundle is all of it in one file, PEM; empty where there is none.
	Bundle []byte
	// Files are those of CertificateFolder, but the bundle.
	Files []CertificateFile
	// Bundles and Java are further places of a bundle and of a Java trust
	// store, outside CertificateFolder: real paths of regular files.
	Bundles, Java []string
}

// CertificateFile is one entry of the folder: a link, or what it holds.
type CertificateFile struct {
	Name, Link string
	Data       []byte
}

// CertificateFolder is where programs look for certificates, one a file; and
// CertificateBundle is its bundle.
const (
	CertificateFolder = "/etc/ssl/certs"
	CertificateBundle = "ca-certificates.crt"
)

// bundles are the places that Go, OpenSSL and GnuTLS know on the systems that
// there are.
var bundles = []string{
	CertificateFolder + "/" + CertificateBundle,         // Debian, Arch, Alpine
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem", // openSUSE
	"/etc/ssl/cert.pem",
	"/usr/lib/ssl/cert.pem",
}

// javaStores are patterns of the places of a JVM's trust store.
var javaStores = []string{
	"/usr/lib/jvm/*/lib/security/cacerts",
	"/usr/lib/jvm/*/jre/lib/security/cacerts",
	"/etc/pki/ca-trust/extracted/java/cacerts",
}

// Apart is c for a sandbox that stands on another /usr than the machine's: what
// lies in there is read now, and the machine's further places are not its.
func (c Certificates) Apart() Certificates {
	out := Certificates{Bundle: c.Bundle}
	for _, f := range c.Files {
		if strings.HasPrefix(path.Clean(f.Link), "/usr/") {
			data, _ := os.ReadFile(f.Link) // what cannot be read has none
			if f.Link, f.Data = "", public(data); f.Data == nil {
				continue
			}
		}
		out.Files = append(out.Files, f)
	}
	return out
}

// TrustedCertificates reads what the machine trusts.
func TrustedCertificates() Certificates {
	var c Certificates
	for _, p := range bundles {
		real := realFile(p)
		if real == "" {
			continue
		}
		if c.Bundle == nil {
			c.Bundle, _ = os.ReadFile(real) // an unreadable one is none
		}
		c.Bundles = further(c.Bundles, real)
	}
	for _, pattern := range javaStores {
		found, _ := filepath.Glob(pattern) // the patterns are well-formed
		for _, p := range found {
			if real := realFile(p); real != "" {
				c.Java = further(c.Java, real)
			}
		}
	}
	c.Files = certificateFiles(CertificateFolder)
	return c
}

// further adds a path that is not there yet and not in the folder.
func further(paths []string, p string) []string {
	if slices.Contains(paths, p) || strings.HasPrefix(p, CertificateFolder+"/") {
		return paths
	}
	return append(paths, p)
}

// realFile is where a regular file really lies, or "".
func realFile(p string) string {
	real, err := filepath.EvalSymlinks(p)
	if err != nil {
		return ""
	}
	if fi, err := os.Lstat(real); err != nil || !fi.Mode().IsRegular() {
		return ""
	}
	return real
}

// certificateFiles reads the folder. A link that leads into the system's own
// folders stays one; where another leads is not to be found inside, so what it
// leads to is taken: its certificates alone, since some keep a server's key
// beside them in one file, which root could read.
func certificateFiles(folder string) []CertificateFile {
	entries, _ := os.ReadDir(folder) // not on this machine
	var out []CertificateFile
	for _, e := range entries {
		f := CertificateFile{Name: e.Name()}
		at := path.Join(folder, f.Name)
		if e.Type()&os.ModeSymlink != 0 {
			f.Link, _ = os.Readlink(at)
		}
		switch {
		case e.IsDir() || f.Name == CertificateBundle:
			continue
		case f.Link != "" && (!strings.Contains(f.Link, "/") || strings.HasPrefix(path.Clean(f.Link), "/usr/")):
		default:
			f.Link = ""
			data, _ := os.ReadFile(at) // what cannot be read has none
			if f.Data = public(data); f.Data == nil {
				continue
			}
		}
		out = append(out, f)
	}
	return out
}

// publicBlocks are what a folder of certificates is for (PEM_read_bio(3)).
var publicBlocks = []string{"CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CRL"}

// public are the certificates and revocations in a PEM file, and nothing else of
// it; nil where there are none.
func public(file []byte) (out []byte) {
	for {
		var block *pem.Block
		if block, file = pem.Decode(file); block == nil {
			return out
		}
		if slices.Contains(publicBlocks, block.Type) {
			out = append(out, pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})...)
		}
	}
}
