package supervisor

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// The authority is made once, kept for its owner alone, and made anew long
// before its end; an exposed one is not used.
func TestOpenAuthority(t *testing.T) {
	place := state.Home{Dir: t.TempDir()}.Sandbox("mine")
	if err := os.MkdirAll(place.Dir(), 0o700); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	first, trust, err := openAuthority(place, "mine", false, now)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(place.AuthorityFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: want mode 0600", info, err)
	}
	again, _, err := openAuthority(place, "mine", false, now)
	if err != nil || !bytes.Equal(again.Certificate(), first.Certificate()) {
		t.Errorf("another one at the second start: %v", err)
	}
	later, _, err := openAuthority(place, "mine", false, now.Add(400*24*time.Hour))
	if err != nil || bytes.Equal(later.Certificate(), first.Certificate()) {
		t.Errorf("not made anew: %v", err)
	}
	for _, name := range []string{trust.Bundle, trust.Extra, ownName} {
		text, err := os.ReadFile(filepath.Join(trust.Folder, name))
		if err != nil || !bytes.Contains(text, later.Certificate()) || bytes.Contains(text, []byte("PRIVATE")) {
			t.Errorf("%s: %v: want the new certificate without its key", name, err)
		}
	}
	if err := os.Chmod(place.AuthorityFile(), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, _, err := openAuthority(place, "mine", false, now); err == nil || !strings.Contains(err.Error(), "others can reach it") {
		t.Errorf("exposed: %v", err)
	}
}

// What the machine trusts is trusted inside, where programs look for it, and
// laid out again only when something changed.
func TestLayTrust(t *testing.T) {
	place := state.Home{Dir: t.TempDir()}.Sandbox("mine")
	if err := os.MkdirAll(place.Dir(), 0o700); err != nil {
		t.Fatal(err)
	}
	a, err := makeAuthority(place, "mine", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	other, err := makeAuthority(place, "company", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c := host.Certificates{
		Bundle: other.Certificate(),
		Files:  []host.CertificateFile{{Name: "company.pem", Data: other.Certificate()}, {Name: "0123abcd.0", Link: "company.pem"}},
		Java:   []string{"/usr/lib/jvm/x/lib/security/cacerts"},
	}
	trust, err := layTrust(place.TrustDir(), a, c)
	if err != nil {
		t.Fatal(err)
	}
	if len(trust.JavaStores) != 1 {
		t.Errorf("Java's own store is forgotten: %+v", trust)
	}
	for _, name := range []string{trust.Bundle, trust.Extra, "0123abcd.0"} {
		if text, err := os.ReadFile(filepath.Join(trust.Folder, name)); err != nil || !bytes.Contains(text, other.Certificate()) {
			t.Errorf("%s lacks the company's: %v", name, err)
		}
	}
	mark := filepath.Join(trust.Folder, "mark")
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := layTrust(place.TrustDir(), a, c); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(mark); err != nil {
		t.Error("laid out again for nothing")
	}
	c.Bundle = append(bytes.Clone(c.Bundle), a.Certificate()...)
	if _, err := layTrust(place.TrustDir(), a, c); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("a change of the machine's bundle changes nothing")
	}
}
