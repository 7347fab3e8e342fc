package blueprint

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

func keys(t *testing.T, name string) (secret, public string) {
	t.Helper()
	secret, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	return secret, public
}

func trust(t *testing.T, lines ...string) []Publisher {
	t.Helper()
	all, err := ParsePublishers([]byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestSigners: only a signature by a trusted key, over these very bytes, under
// this very name, counts.
func TestSigners(t *testing.T) {
	all, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	a, other := all[0], all[len(all)-1]
	secret, public := keys(t, "example.org")
	_, strange := keys(t, "example.org")
	good, err := Sign(a, secret)
	if err != nil {
		t.Fatal(err)
	}
	ofOther, err := Sign(other, secret)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		signature []byte
		trusted   []Publisher
		why       string // "": it counts
	}{
		"signed by a trusted one":          {good, trust(t, "# ours", public), ""},
		"trusted for this name":            {good, trust(t, public+" "+a.Manifest.Name), ""},
		"trusted for another name":         {good, trust(t, public+" "+other.Manifest.Name), "nobody trusts"},
		"nobody is trusted":                {good, nil, "nobody trusts"},
		"another key of the same name":     {good, trust(t, strange), "nobody trusts"},
		"none":                             {nil, trust(t, public), "no signature"},
		"of another blueprint":             {ofOther, trust(t, public), "something else"},
		"truncated":                        {good[:len(good)-8], trust(t, public), "not right"},
		"the text was changed":             {bytes.Replace(good, []byte("published 2"), []byte("published 3"), 1), trust(t, public), "not right"},
		"no note at all":                   {[]byte("trust me\n"), trust(t, public), "not right"},
		"the signature belongs to another": {append(bytes.Split(good, []byte("\n\n"))[0], append([]byte("\n\n"), bytes.Split(ofOther, []byte("\n\n"))[1]...)...), trust(t, public), "not right"},
	} {
		t.Run(what, func(t *testing.T) {
			who, err := Signers(a, c.signature, c.trusted)
			var untrusted *Untrusted
			if c.why == "" {
				if err != nil || len(who) != 1 || !strings.HasPrefix(who[0], "example.org+") {
					t.Errorf("%v, %v", who, err)
				}
				return
			}
			if !errors.As(err, &untrusted) || !strings.Contains(err.Error(), c.why) || who != nil {
				t.Errorf("%v, %v; want it refused as %q", who, err, c.why)
			}
		})
	}
}

func TestPublicKey(t *testing.T) {
	secret, public := keys(t, "example.org")
	if got, err := PublicKey(secret + "\n"); err != nil || got != public {
		t.Errorf("%q, %v; want %q", got, err, public)
	}
	for _, text := range []string{"", public, secret[:len(secret)-4]} {
		if got, err := PublicKey(text); err == nil {
			t.Errorf("%q gives %q", text, got)
		}
	}
}

func TestPublishersAreStrict(t *testing.T) {
	_, public := keys(t, "example.org")
	for _, text := range []string{"example.org", public[:len(public)-4], public + " Name", public + " 0.1.0", "\x00"} {
		if all, err := ParsePublishers([]byte(text)); err == nil || all != nil {
			t.Errorf("%q was taken: %v", text, all)
		}
	}
	if all, err := ParsePublishers([]byte("# nobody\n\n  \n" + public + " # me\n")); err != nil || len(all) != 1 {
		t.Errorf("the control: %v, %v", all, err)
	}
}

// FuzzSignature: whatever bytes come as a signature, they count only if the key
// really signed this blueprint.
func FuzzSignature(f *testing.F) {
	all, err := Builtin()
	if err != nil {
		f.Fatal(err)
	}
	secret, public, err := note.GenerateKey(rand.Reader, "example.org")
	if err != nil {
		f.Fatal(err)
	}
	good, err := Sign(all[0], secret)
	if err != nil {
		f.Fatal(err)
	}
	trusted, err := ParsePublishers([]byte(public))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("nemoclaw blueprint\n\n— example.org AAAA\n"))
	f.Fuzz(func(t *testing.T, signature []byte) {
		// The key is new in each run, so no input can hold a right one, unless it
		// is the one that was just made.
		if who, err := Signers(all[0], signature, trusted); err == nil && !bytes.Contains(signature, bytes.TrimSpace(good)) {
			t.Errorf("%q counts, by %v", signature, who)
		}
	})
}
