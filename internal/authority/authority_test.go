package authority

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	mozilla "golang.org/x/crypto/x509roots/fallback/bundle"
	"software.sslmate.com/src/go-pkcs12"
)

var now = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func parsed(t *testing.T) (*Authority, []byte) {
	t.Helper()
	file, err := Make("my-assistant", now)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	return a, file
}

func (a *Authority) verify(name string, at time.Time, c *x509.Certificate) error {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	_, err := c.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: at})
	return err
}

// A leaf is good for its name and its time, and made once.
func TestLeaf(t *testing.T) {
	a, _ := parsed(t)
	long := strings.Repeat("a.", 60) + "example"
	for _, name := range []string{"api.github.com", "inference.local", long} {
		c, err := a.Leaf(name, now)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.verify(name, now, c.Leaf); err != nil {
			t.Error(err)
		}
		if a.verify("evil.example", now, c.Leaf) == nil {
			t.Errorf("%s is good for evil.example", name)
		}
		if a.verify(name, now.Add(leafLife+time.Hour), c.Leaf) == nil {
			t.Errorf("%s never ends", name)
		}
		if again, _ := a.Leaf(name, now.Add(time.Hour)); again != c {
			t.Errorf("%s was made twice", name)
		}
		if later, err := a.Leaf(name, now.Add(leafLife-time.Hour)); err != nil || later == c {
			t.Errorf("%s was not renewed: %v", name, err)
		}
	}
	for _, bad := range []string{"", "192.0.2.1", "::1"} {
		if _, err := a.Leaf(bad, now); err == nil {
			t.Errorf("a certificate for %q", bad)
		}
	}
	if _, err := a.Leaf("late.example", now.Add(life+time.Hour)); err == nil {
		t.Error("it signs after its end")
	}
	if a.Due(now) || !a.Due(now.Add(life-time.Hour)) || !a.Due(now.Add(-48*time.Hour)) {
		t.Error("due at the wrong time")
	}
}

func TestLeavesAreBounded(t *testing.T) {
	a, _ := parsed(t)
	for i := range maxLeaves + 10 {
		if _, err := a.Leaf(fmt.Sprintf("n%d.example", i), now); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(a.leaves); n > maxLeaves {
		t.Errorf("%d are kept", n)
	}
}

// What the key could sign beyond what we let it sign, a client refuses.
func TestConstraints(t *testing.T) {
	a, file := parsed(t)
	c := a.cert
	if !c.IsCA || !c.MaxPathLenZero || c.KeyUsage&x509.KeyUsageDigitalSignature != 0 || len(c.ExcludedIPRanges) != 2 || !c.PermittedDNSDomainsCritical {
		t.Errorf("not constrained: %+v", c)
	}
	if len(c.ExtKeyUsage) != 1 || c.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth {
		t.Errorf("for more than servers: %v", c.ExtKeyUsage)
	}
	if bytes.Contains(a.Certificate(), []byte("KEY")) || !bytes.Contains(file, []byte("KEY")) {
		t.Error("the key is in the certificate, or not in the file")
	}
}

func TestParseRefuses(t *testing.T) {
	a, file := parsed(t)
	_, other := parsed(t)
	key := file[bytes.Index(file, []byte("-----BEGIN PRIVATE")):]
	otherKey := other[bytes.Index(other, []byte("-----BEGIN PRIVATE")):]
	for what, bad := range map[string][]byte{
		"nothing": nil, "no key": a.Certificate(), "a key alone": key,
		"another's key": append(a.Certificate(), otherKey...), "cut": file[:len(file)-40],
	} {
		if got, err := Parse(bad); err == nil || got != nil {
			t.Errorf("%s: read", what)
		} else if strings.Contains(err.Error(), "BEGIN") {
			t.Errorf("%s: the error shows the file: %v", what, err)
		}
	}
}

func machine(t *testing.T) []byte {
	t.Helper()
	_, other := parsed(t)
	o, err := Parse(other)
	if err != nil {
		t.Fatal(err)
	}
	return o.Certificate()
}

// A program that brings Mozilla's list along is told of what that has not, and of
// nothing else: it reads all of it anew in each process.
func TestBeyondMozilla(t *testing.T) {
	a, _ := parsed(t)
	company := machine(t)
	var public []byte
	for root := range mozilla.Roots() {
		public = append(public, pem.EncodeToMemory(&pem.Block{Type: certBlock, Bytes: root.Certificate})...)
	}
	if n := len(certificates(public)); n < 100 {
		t.Fatalf("Mozilla's list has %d", n)
	}
	got := BeyondMozilla(a.Bundle(slices.Concat(public, company, public)))
	if want := slices.Concat(company, a.Certificate()); !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Every form has the machine's certificates and ours.
func TestStore(t *testing.T) {
	a, _ := parsed(t)
	host := machine(t)
	bundle := a.Bundle(host)
	if got := certificates(bundle); len(got) != 2 || !got[1].Equal(a.cert) {
		t.Fatalf("the bundle has %d", len(got))
	}
	if got := a.Bundle(nil); !bytes.Equal(got, a.Certificate()) {
		t.Errorf("without a machine's: %q", got)
	}
	store, err := JavaStore(bundle)
	if err != nil {
		t.Fatal(err)
	}
	certs, err := pkcs12.DecodeTrustStore(store, "")
	if err != nil || len(certs) != 2 {
		t.Errorf("Java's has %d: %v", len(certs), err)
	}
}

// Java itself lists what it trusts, without a password.
func TestJavaReadsTheStore(t *testing.T) {
	keytool, err := exec.LookPath("keytool")
	if err != nil {
		t.Skip("needs java")
	}
	a, _ := parsed(t)
	store, err := JavaStore(a.Bundle(machine(t)))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cacerts")
	if err := os.WriteFile(file, store, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(keytool, "-list", "-keystore", file, "-storepass", "").CombinedOutput()
	if err != nil || strings.Count(string(out), "trustedCertEntry") != 2 {
		t.Errorf("%v: %s", err, out)
	}
}

func TestHashIsOpenSSLs(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("needs openssl")
	}
	a, _ := parsed(t)
	name, err := a.HashName()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(openssl, "x509", "-noout", "-subject_hash")
	c.Stdin = bytes.NewReader(a.Certificate())
	out, err := c.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out))+".0" != name {
		t.Errorf("%v: %s, want %s", err, out, name)
	}
}
