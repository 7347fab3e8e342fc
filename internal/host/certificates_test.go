package host

import (
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A server's key beside its certificate, in a file that root alone may read,
// does not go inside with it.
func TestKeysStayOutside(t *testing.T) {
	dir, away := t.TempDir(), t.TempDir()
	block := func(kind string) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte("what it holds")}))
	}
	cert, key := block("CERTIFICATE"), block("PRIVATE KEY")
	for name, text := range map[string]string{
		"plain.pem": "a comment\n" + cert, "both.pem": cert + key, "odd.pem": key + "password: 1\n" + block("TRUSTED CERTIFICATE") + "-----BEGIN RSA PRIVATE KEY-----\nbroken",
		"key.pem": key, "crl.r0": block("X509 CRL"), "text": "nothing",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(
		os.WriteFile(filepath.Join(away, "privkey.pem"), []byte(key), 0o600),
		os.WriteFile(filepath.Join(away, "server.pem"), []byte(key+cert), 0o600),
		os.Symlink(filepath.Join(away, "privkey.pem"), filepath.Join(dir, "linked-key.pem")),
		os.Symlink(filepath.Join(away, "server.pem"), filepath.Join(dir, "linked.pem")),
		os.Symlink("plain.pem", filepath.Join(dir, "0123abcd.0")),
	)
	if err != nil {
		t.Fatal(err)
	}
	want := []CertificateFile{
		{Name: "0123abcd.0", Link: "plain.pem"}, {Name: "both.pem", Data: []byte(cert)}, {Name: "crl.r0", Data: []byte(block("X509 CRL"))},
		{Name: "linked.pem", Data: []byte(cert)}, {Name: "odd.pem", Data: []byte(block("TRUSTED CERTIFICATE"))}, {Name: "plain.pem", Data: []byte(cert)},
	}
	got := certificateFiles(dir)
	same := func(a, b CertificateFile) bool {
		return a.Name == b.Name && a.Link == b.Link && string(a.Data) == string(b.Data)
	}
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("%+q", got)
	}
}
