package debian

import (
	"bytes"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"pault.ag/go/debian/control"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

const packages = `Package: app
Version: 1.0
Architecture: amd64
Depends: libone (>= 2.0), editor | pager, missing | libtwo
Pre-Depends: base
Recommends: never
Filename: pool/main/app_1.0_amd64.deb
Size: 10
SHA256: 1111111111111111111111111111111111111111111111111111111111111111

Package: libone
Version: 1.0
Architecture: amd64
Filename: pool/main/libone_1.0_amd64.deb
Size: 10
SHA256: 2222222222222222222222222222222222222222222222222222222222222222

Package: libone
Version: 2.0-1+deb12u1
Architecture: amd64
Filename: pool/updates/main/libone_2.0_amd64.deb
Size: 11
SHA256: 3333333333333333333333333333333333333333333333333333333333333333

Package: libtwo
Version: 1
Architecture: all
Filename: pool/main/libtwo_1_all.deb
Size: 12
SHA256: 4444444444444444444444444444444444444444444444444444444444444444

Package: less
Version: 1
Architecture: amd64
Provides: pager
Filename: pool/main/less_1_amd64.deb
Size: 13
SHA256: 5555555555555555555555555555555555555555555555555555555555555555

Package: vim
Version: 1
Architecture: amd64
Provides: editor
Filename: pool/main/vim_1_amd64.deb
Size: 14
SHA256: 6666666666666666666666666666666666666666666666666666666666666666

Package: base
Version: 1
Architecture: amd64
Depends: app
Filename: pool/main/base_1_amd64.deb
Size: 15
SHA256: 7777777777777777777777777777777777777777777777777777777777777777

Package: needy
Version: 1
Architecture: amd64
Depends: libone (>= 3)
Filename: pool/main/needy_1_amd64.deb
Size: 16
SHA256: 8888888888888888888888888888888888888888888888888888888888888888
`

func index(t *testing.T) []control.BinaryIndex {
	t.Helper()
	var all []control.BinaryIndex
	if err := control.Unmarshal(&all, strings.NewReader(packages)); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestChoose: needs are met by the newest version that fits, alternatives by
// what is wanted anyway or the first that can be had, and what nothing meets is
// an error that names it.
func TestChoose(t *testing.T) {
	for what, c := range map[string]struct {
		want, without, chosen []string
		unmet                 string
	}{
		"the first alternative":     {want: []string{"app"}, chosen: []string{"app", "base", "libone", "libtwo", "vim"}},
		"one that is wanted":        {want: []string{"app", "less"}, chosen: []string{"app", "base", "less", "libone", "libtwo"}},
		"done without":              {want: []string{"app"}, without: []string{"base", "vim"}, chosen: []string{"app", "less", "libone", "libtwo"}},
		"a version too old":         {want: []string{"needy"}, unmet: "needy needs libone (>= 3)"},
		"too old, done without":     {want: []string{"needy"}, without: []string{"libone"}, chosen: []string{"needy"}},
		"wanted and not there":      {want: []string{"absent"}, unmet: "the recipe needs absent"},
		"wanted by a mere stand-in": {want: []string{"pager"}, unmet: "the recipe needs pager"},
	} {
		t.Run(what, func(t *testing.T) {
			got, err := Choose(index(t), c.want, c.without)
			var unmet *Unmet
			if c.unmet != "" {
				if !errors.As(err, &unmet) || !strings.Contains(err.Error(), c.unmet) {
					t.Errorf("%v, want %q", err, c.unmet)
				}
				return
			}
			var names []string
			for _, d := range got {
				names = append(names, d.Name)
				if d.Name == "libone" && (d.Version != "2.0-1+deb12u1" || d.Size != 11 || !strings.HasPrefix(d.Path, "pool/updates/")) {
					t.Errorf("not the newest: %+v", d)
				}
			}
			if err != nil || !slices.Equal(names, c.chosen) {
				t.Errorf("%q, %v; want %q", names, err, c.chosen)
			}
			if _, err := blueprint.EncodeDebianLock(blueprint.DebianLock{Packages: map[string][]blueprint.Deb{"amd64": got}}); err != nil {
				t.Errorf("it makes no lock: %v", err)
			}
		})
	}
}

// TestOpenSuite: only an index that a trusted key has signed, of the suite that
// was asked for, is read.
func TestOpenSuite(t *testing.T) {
	ours, strangers := key(t), key(t)
	packed := xz(t, packages)
	release := func(suite string, index []byte) string {
		return "Origin: Test\nCodename: " + suite + "\nSHA256:\n " + blueprint.Sum(index).Hex() + " 100 " + IndexName("amd64") + "\n"
	}
	keyring := openpgp.EntityList{ours}
	signed := sign(t, ours, release("bookworm", packed))
	s, err := OpenSuite("bookworm", signed, keyring)
	if err != nil {
		t.Fatalf("the control: %v", err)
	}
	if all, err := s.Index("amd64", packed); err != nil || len(all) != 8 {
		t.Errorf("the control: %d packages, %v", len(all), err)
	}
	var mismatch *blueprint.Mismatch
	if _, err := s.Index("amd64", xz(t, packages+"\n")); !errors.As(err, &mismatch) {
		t.Errorf("another index: %v", err)
	}
	if _, err := s.Index("arm64", packed); err == nil {
		t.Error("an index that the release does not name was read")
	}
	for what, body := range map[string][]byte{
		"not signed":       []byte(release("bookworm", packed)),
		"signed by others": sign(t, strangers, release("bookworm", packed)),
		"changed":          bytes.Replace(signed, []byte("100"), []byte("101"), 1),
		"another suite":    sign(t, ours, release("bullseye", packed)),
		"nothing":          nil,
	} {
		if _, err := OpenSuite("bookworm", body, keyring); err == nil {
			t.Errorf("%s: it was read", what)
		}
	}
	if _, err := OpenSuite("bookworm", signed, nil); err == nil {
		t.Error("without keys it was read")
	}
}

func key(t *testing.T) *openpgp.Entity {
	t.Helper()
	e, err := openpgp.NewEntity("test", "", "test@example.test", nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func sign(t *testing.T, by *openpgp.Entity, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := clearsign.Encode(&out, by.PrivateKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func xz(t *testing.T, text string) []byte {
	t.Helper()
	c := exec.CommandContext(t.Context(), "xz", "-c")
	c.Stdin = strings.NewReader(text)
	out, err := c.Output()
	if err != nil {
		t.Fatalf("xz, of xz-utils: %v", err)
	}
	return out
}
