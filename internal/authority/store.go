package authority

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the name of a file, as OpenSSL makes it
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"fmt"

	mozilla "golang.org/x/crypto/x509roots/fallback/bundle"
	"software.sslmate.com/src/go-pkcs12"
)

// Bundle is the machine's bundle and the authority's certificate after it.
func (a *Authority) Bundle(machine []byte) []byte {
	out := bytes.TrimRight(machine, "\n")
	if len(out) > 0 {
		out = append(bytes.Clone(out), '\n')
	}
	return append(out, a.Certificate()...)
}

// BeyondMozilla are the certificates of a bundle that Mozilla's list has not: the
// authority's, a company's. Programs that bring that list along need no others.
func BeyondMozilla(all []byte) []byte {
	known := map[string]bool{}
	for root := range mozilla.Roots() {
		known[string(root.Certificate)] = true
	}
	var out []byte
	for {
		var block *pem.Block
		if block, all = pem.Decode(all); block == nil {
			return out
		}
		if block.Type == certBlock && !known[string(block.Bytes)] {
			out = append(out, pem.EncodeToMemory(block)...)
		}
	}
}

// JavaStore is a bundle as a Java trust store: PKCS #12 without a password,
// which Java 8u301, 11.0.12 and later open without being told one.
func JavaStore(bundle []byte) ([]byte, error) {
	var entries []pkcs12.TrustStoreEntry
	for i, c := range certificates(bundle) {
		entries = append(entries, pkcs12.TrustStoreEntry{Cert: c, FriendlyName: fmt.Sprintf("%d %s", i, c.Subject.CommonName)})
	}
	store, err := pkcs12.Passwordless.EncodeTrustStoreEntries(entries, "")
	if err != nil {
		return nil, fmt.Errorf("make Java's trust store: %w", err)
	}
	return store, nil
}

// certificates are those of a bundle that Go can read; what it cannot read it
// would not trust either.
func certificates(bundle []byte) []*x509.Certificate {
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, bundle = pem.Decode(bundle); block == nil {
			return out
		}
		if block.Type != certBlock {
			continue
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			out = append(out, c)
		}
	}
}

// HashName is the name by which OpenSSL finds the authority's certificate in a
// folder: X509_NAME_hash(3) and ".0".
func (a *Authority) HashName() (string, error) {
	h, err := a.hash()
	if err != nil {
		return "", fmt.Errorf("name certificate: %w", err)
	}
	return fmt.Sprintf("%08x.0", h), nil
}

// hash is that of the canonical form of a name: its parts without the sequence
// around them, each value in UTF-8, lower case and with single spaces, which
// ours are.
func (a *Authority) hash() (uint32, error) {
	type part struct {
		Type  asn1.ObjectIdentifier
		Value string `asn1:"utf8"`
	}
	type parts []part // a SET
	set, err := asn1.MarshalWithParams(parts{{asn1.ObjectIdentifier{2, 5, 4, 3}, a.cert.Subject.CommonName}}, "set")
	if err != nil {
		return 0, err
	}
	sum := sha1.Sum(set)
	return binary.LittleEndian.Uint32(sum[:]), nil
}
