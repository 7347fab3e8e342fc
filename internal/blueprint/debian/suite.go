package debian

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"pault.ag/go/debian/control"
	"pault.ag/go/debian/deb"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// Suite is one signed InRelease: what its indexes are.
type Suite struct {
	Name   string
	hashes map[string]blueprint.Digest
}

// OpenSuite reads an InRelease that a key of the keyring has signed.
func OpenSuite(name string, inRelease []byte, keyring openpgp.EntityList) (Suite, error) {
	refuse := func(err error) (Suite, error) { return Suite{}, fmt.Errorf("open suite %s: %w", name, err) }
	if len(keyring) == 0 {
		return refuse(errors.New("no keys to hold its signature to"))
	}
	r, err := control.NewParagraphReader(bytes.NewReader(inRelease), &keyring)
	if err != nil {
		return refuse(err)
	}
	if r.Signer() == nil {
		return refuse(errors.New("not signed"))
	}
	said, err := r.Next()
	if err != nil {
		return refuse(err)
	}
	// Signed too is what it is for: the index of an older suite is no answer.
	if said.Values["Codename"] != name && said.Values["Suite"] != name {
		return refuse(fmt.Errorf("it is of %q", said.Values["Codename"]))
	}
	s := Suite{Name: name, hashes: map[string]blueprint.Digest{}}
	for line := range strings.Lines(said.Values["SHA256"]) {
		if words := strings.Fields(line); len(words) == 3 {
			if d, err := blueprint.ParseDigest("sha256:" + words[0]); err == nil {
				s.hashes[words[2]] = d
			}
		}
	}
	return s, nil
}

// IndexName is where the index of an architecture lies below dists/SUITE.
func IndexName(architecture string) string { return "main/binary-" + architecture + "/Packages.xz" }

// maxIndex bounds an index as it is unpacked.
const maxIndex = 512 << 20

// Index reads the packages of an architecture.
func (s Suite) Index(architecture string, packed []byte) ([]control.BinaryIndex, error) {
	name := IndexName(architecture)
	refuse := func(err error) ([]control.BinaryIndex, error) {
		return nil, fmt.Errorf("open suite %s: %s: %w", s.Name, name, err)
	}
	want, ok := s.hashes[name]
	if !ok {
		return refuse(errors.New("its release has no such index"))
	}
	if got := blueprint.Sum(packed); got != want {
		return refuse(&blueprint.Mismatch{What: name, Want: want, Got: got})
	}
	text, err := deb.DecompressorFor(".xz")(bytes.NewReader(packed))
	if err != nil {
		return refuse(err)
	}
	defer text.Close()
	var all []control.BinaryIndex
	if err := control.Unmarshal(&all, io.LimitReader(text, maxIndex)); err != nil {
		return refuse(err)
	}
	return all, nil
}
