package blueprint

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// Digest is ALGORITHM:HEX, as OCI writes it, with sha256 or sha512. Only
// ParseDigest, ParseIntegrity and Sum make one; the zero value is no digest
// and equals nothing that was hashed.
type Digest string

// ParseDigest reads "sha256:HEX" or "sha512:HEX", in lower case and of full
// length.
func ParseDigest(s string) (Digest, error) {
	algorithm, digits, _ := strings.Cut(s, ":")
	size := sizeOf(algorithm)
	if size == 0 {
		return "", fmt.Errorf("digest %q: want sha256:HEX or sha512:HEX", clip(s))
	}
	raw, err := hex.DecodeString(digits)
	if err != nil || len(raw) != size || digits != strings.ToLower(digits) {
		return "", fmt.Errorf("digest %q: want %d lower case hex digits", clip(s), 2*size)
	}
	return Digest(s), nil
}

// ParseIntegrity reads npm's integrity (Subresource Integrity: one or more
// ALGORITHM-BASE64 with spaces between) and takes its sha512. Weaker
// algorithms alone are refused.
func ParseIntegrity(s string) (Digest, error) {
	for _, word := range strings.Fields(s) {
		body, ok := strings.CutPrefix(word, "sha512-")
		if !ok {
			continue
		}
		body, _, _ = strings.Cut(body, "?")
		raw, err := base64.StdEncoding.DecodeString(body)
		if err != nil || len(raw) != sha512.Size {
			return "", fmt.Errorf("integrity %q: not the base64 of 64 bytes", clip(s))
		}
		return Digest("sha512:" + hex.EncodeToString(raw)), nil
	}
	return "", fmt.Errorf("integrity %q: no sha512 in it", clip(s))
}

// Sum is the sha256 of b.
func Sum(b []byte) Digest {
	sum := sha256.Sum256(b)
	return Digest("sha256:" + hex.EncodeToString(sum[:]))
}

// Finish is the digest that h, made by Digest.New or sha256.New, has come to.
func Finish(h hash.Hash) Digest {
	sum := h.Sum(nil)
	algorithm := "sha256"
	if len(sum) == sha512.Size {
		algorithm = "sha512"
	}
	return Digest(algorithm + ":" + hex.EncodeToString(sum))
}

// New is a fresh hash of d's algorithm.
func (d Digest) New() hash.Hash {
	if d.Algorithm() == "sha512" {
		return sha512.New()
	}
	return sha256.New()
}

// Algorithm is what stands before the colon: sha256 or sha512, or "" for the
// zero Digest.
func (d Digest) Algorithm() string {
	algorithm, _, _ := strings.Cut(string(d), ":")
	return algorithm
}

// Hex is what stands behind the colon.
func (d Digest) Hex() string {
	_, digits, _ := strings.Cut(string(d), ":")
	return digits
}

// Short is d cut for people: sha256:a3de86cd1c...
func (d Digest) Short() string {
	const shown = 10
	if digits := d.Hex(); len(digits) > shown {
		return d.Algorithm() + ":" + digits[:shown] + "..."
	}
	return string(d)
}

func (d Digest) String() string { return string(d) }

// UnmarshalText parses, so that no file of ours holds a digest out of form.
func (d *Digest) UnmarshalText(text []byte) error {
	parsed, err := ParseDigest(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

func sizeOf(algorithm string) int {
	switch algorithm {
	case "sha256":
		return sha256.Size
	case "sha512":
		return sha512.Size
	}
	return 0
}

// clip keeps hostile text in errors short.
func clip(s string) string {
	const most = 100
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
