package supervisor

import (
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/authority"
	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/plan"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// openAuthority takes the sandbox's certificate authority, made at its first
// start and anew long before its end, and lays out what its programs trust. It
// runs before this process is confined: the key is in memory from then on.
func openAuthority(place state.Sandbox, name string, pinned bool, now time.Time) (*authority.Authority, *plan.Trust, error) {
	file, err := readOwn(place.AuthorityFile())
	var a *authority.Authority
	if err == nil {
		a, err = authority.Parse(file)
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && a.Due(now) {
		a, err = makeAuthority(place, name, now)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", place.AuthorityFile(), err)
	}
	trusted := host.TrustedCertificates()
	if pinned {
		trusted = trusted.Apart()
	}
	t, err := layTrust(place.TrustDir(), a, trusted)
	return a, t, err
}

// readOwn reads a file with a key, which must be nobody else's to read.
func readOwn(file string) ([]byte, error) {
	info, err := os.Lstat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("it has mode %v: others can reach it", info.Mode())
	}
	return os.ReadFile(file)
}

func makeAuthority(place state.Sandbox, name string, now time.Time) (*authority.Authority, error) {
	file, err := authority.Make(name, now)
	if err != nil {
		return nil, err
	}
	if err := state.WriteDurable(place.AuthorityFile(), file, 0o600); err != nil {
		return nil, err
	}
	return authority.Parse(file)
}

// The names in the folder of certificates, and of what it was made from.
const (
	certificates = "certs"
	javaStore    = "java/cacerts"
	ownName      = "nemoclaw.pem"
	extraName    = "nemoclaw-extra.pem"
	stampName    = "made-from"
	trustForm    = "2" // of the folder; another one is laid out anew
)

// layTrust writes the certificates that programs inside trust, unless they lie
// there already: those of the machine, where programs look for them, and the
// authority's.
func layTrust(dir string, a *authority.Authority, c host.Certificates) (*plan.Trust, error) {
	t := &plan.Trust{Folder: filepath.Join(dir, certificates), Bundle: host.CertificateBundle, Java: javaStore, Extra: extraName, Bundles: c.Bundles, JavaStores: c.Java}
	if block, _ := pem.Decode(a.Certificate()); block != nil {
		t.Authority = block.Bytes
	}
	stamp := trustStamp(a, c)
	if old, err := os.ReadFile(filepath.Join(dir, stampName)); err == nil && string(old) == stamp {
		return t, nil
	}
	fresh := dir + ".new"
	err := os.RemoveAll(fresh)
	if err == nil {
		err = writeTrust(fresh, a, c, stamp)
	}
	if err == nil {
		err = os.RemoveAll(dir)
	}
	if err == nil {
		err = os.Rename(fresh, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("lay out what the sandbox trusts: %w", err)
	}
	return t, nil
}

func trustStamp(a *authority.Authority, c host.Certificates) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%s", trustForm, a.Certificate(), c.Bundle)
	for _, f := range c.Files {
		fmt.Fprintf(h, "\x00%s\x00%s\x00%s", f.Name, f.Link, f.Data)
	}
	return fmt.Sprintf("%x\n", h.Sum(nil))
}

// writeTrust makes the folder. Its stamp is written last.
func writeTrust(dir string, a *authority.Authority, c host.Certificates, stamp string) error {
	certs := filepath.Join(dir, certificates)
	if err := makeOpen(dir, certs, filepath.Join(certs, path.Dir(javaStore))); err != nil {
		return err
	}
	bundle := a.Bundle(c.Bundle)
	java, err := authority.JavaStore(bundle)
	if err != nil {
		return err
	}
	for _, f := range c.Files {
		if err := putTrusted(certs, f); err != nil {
			return err
		}
	}
	hashed, err := a.HashName()
	if err != nil {
		return err
	}
	for _, f := range []host.CertificateFile{
		{Name: host.CertificateBundle, Data: bundle}, {Name: javaStore, Data: java},
		{Name: ownName, Data: a.Certificate()}, {Name: hashed, Link: ownName}, {Name: extraName, Data: authority.BeyondMozilla(bundle)},
	} {
		if err := putTrusted(certs, f); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, stampName), []byte(stamp), 0o600)
}

// makeOpen makes folders that the sandbox's user may read, whatever the umask.
func makeOpen(dirs ...string) error {
	for _, d := range dirs {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(d, 0o755); err != nil {
			return err
		}
	}
	return nil
}

func putTrusted(dir string, f host.CertificateFile) error {
	at := filepath.Join(dir, f.Name)
	if f.Link != "" {
		return os.Symlink(f.Link, at)
	}
	out, err := os.OpenFile(at, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = out.Write(f.Data)
	return errors.Join(err, out.Chmod(0o644), out.Sync(), out.Close())
}
