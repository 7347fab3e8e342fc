package blueprint

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// MaxSignature is the most bytes that a signature may have.
const MaxSignature = 64 << 10

// statement is what a publisher signs, as the text of a signed note
// (golang.org/x/mod/sumdb/note: Ed25519, readable by people). The digest covers
// everything; the other lines say for what it was meant.
func statement(m Identity, d Digest) string {
	return fmt.Sprintf("nemoclaw blueprint\n%s\n%s\npublished %s\n", m.Ref(), d, m.Published)
}

// Sign is the signature of a by a key that note.GenerateKey made.
func Sign(a Artifact, key string) ([]byte, error) {
	signer, err := note.NewSigner(strings.TrimSpace(key))
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", a.Manifest.Ref(), err)
	}
	return note.Sign(&note.Note{Text: statement(a.Manifest.Identity, a.Digest)}, signer)
}

// PublicKey is what others trust a signing key by.
func PublicKey(key string) (string, error) {
	words := strings.Split(strings.TrimSpace(key), "+") // PRIVATE+KEY+NAME+HASH+BASE64
	if len(words) < 5 {
		return "", errors.New("read signing key: not one")
	}
	raw, err := base64.StdEncoding.DecodeString(strings.Join(words[4:], "+"))
	if err != nil || len(raw) != 1+ed25519.SeedSize || raw[0] != 1 {
		return "", errors.New("read signing key: not an Ed25519 one")
	}
	public, ok := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	if !ok {
		return "", errors.New("read signing key: no public one")
	}
	return note.NewEd25519VerifierKey(words[2], public)
}

// Publisher is somebody whose signature counts.
type Publisher struct {
	Name     string
	Key      string   // NAME+HASH+BASE64, as note.GenerateKey gives it
	For      []string // names of blueprints; none: all
	verifier note.Verifier
}

// ParsePublishers reads the file of trusted publishers:
//
//	# a comment
//	example.org+a1b2c3d4+AZbase64…            whatever it signs
//	me+0badcafe+AZbase64…  openclaw mine      only blueprints of these names
func ParsePublishers(text []byte) ([]Publisher, error) {
	var all []Publisher
	line := 0
	for row := range strings.Lines(string(text)) {
		line++
		row, _, _ = strings.Cut(row, "#")
		words := strings.Fields(row)
		if len(words) == 0 {
			continue
		}
		v, err := note.NewVerifier(words[0])
		if err != nil {
			return nil, fmt.Errorf("publishers: line %d: %q: not a public key (NAME+HASH+BASE64)", line, clip(words[0]))
		}
		for _, name := range words[1:] {
			if !nameForm().MatchString(name) || bareForm().MatchString(name) {
				return nil, fmt.Errorf("publishers: line %d: %q: not a blueprint's name", line, clip(name))
			}
		}
		all = append(all, Publisher{Name: v.Name(), Key: words[0], For: words[1:], verifier: v})
	}
	return all, nil
}

// Untrusted means that nobody who is trusted has signed a blueprint.
type Untrusted struct {
	Ref    Ref
	Digest Digest
	Why    string
}

func (u *Untrusted) Error() string {
	return fmt.Sprintf("verify blueprint %s %s: %s", u.Ref, u.Digest.Short(), u.Why)
}

// Hint is what helps.
func (u *Untrusted) Hint() string {
	return "nemoclaw blueprint trust KEY, if you know whose it is; or add --unsigned, if you take these bytes as they are"
}

// Signers says which of the trusted publishers signed a: at least one, or the
// error is *Untrusted. signature is as it came.
func Signers(a Artifact, signature []byte, trusted []Publisher) ([]string, error) {
	refuse := func(why string, args ...any) ([]string, error) {
		return nil, &Untrusted{Ref: a.Manifest.Ref(), Digest: a.Digest, Why: fmt.Sprintf(why, args...)}
	}
	if len(signature) == 0 {
		return refuse("it has no signature")
	}
	var known []note.Verifier
	for _, p := range trusted {
		if len(p.For) == 0 || slices.Contains(p.For, a.Manifest.Name) {
			known = append(known, p.verifier)
		}
	}
	n, err := note.Open(signature, note.VerifierList(known...))
	var unknown *note.UnverifiedNoteError
	switch {
	case errors.As(err, &unknown):
		return refuse("it is signed by %s, whom nobody trusts here", strings.Join(names(unknown.Note.UnverifiedSigs), ", "))
	case err != nil:
		return refuse("its signature is not right: %v", err)
	case n.Text != statement(a.Manifest.Identity, a.Digest):
		first, _, _ := bytes.Cut([]byte(strings.TrimPrefix(n.Text, "nemoclaw blueprint\n")), []byte("\n"))
		return refuse("the signature is of something else: %q", clip(string(first)))
	}
	return names(n.Sigs), nil
}

func names(sigs []note.Signature) (out []string) {
	for _, s := range sigs {
		out = append(out, fmt.Sprintf("%s+%08x", clip(s.Name), s.Hash))
	}
	return out
}
