package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"time"
)

// How long things last. Renew says when a new authority is due, so that a
// sandbox that is started now and then always has a year before it.
const (
	life     = 2 * 365 * 24 * time.Hour
	renewal  = life / 2
	leafLife = 7 * 24 * time.Hour
	before   = 24 * time.Hour // clocks differ, and leaves begin before they are made
)

// maxLeaves bounds the certificates that are kept. When they are more, all are
// forgotten: to make one again costs a signature.
const maxLeaves = 1024

// Authority signs certificates for servers. It is safe for concurrent use.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey // signs leaves, nothing else
	leaf *ecdsa.PrivateKey // of every leaf; made anew by each process

	mu     sync.Mutex
	leaves map[string]*tls.Certificate // protected by mu
}

// Make makes an authority and gives its file: certificate and key, PEM.
func Make(sandbox string, now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	t := template(now)
	t.Subject = pkix.Name{CommonName: fmt.Sprintf("%s%s %08x", subject, strings.ToLower(sandbox), t.SerialNumber.Uint64()&0xffffffff)}
	t.NotAfter = now.Add(life)
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	t.PermittedDNSDomainsCritical = true // the name constraints as a whole
	t.ExcludedIPRanges = everyAddress()
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	return append(encode(der), pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: keyDER})...), nil
}

const (
	subject   = "nemoclaw sandbox " // lower case and single spaces: see hash
	certBlock = "CERTIFICATE"
	keyBlock  = "PRIVATE KEY"
)

func encode(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: certBlock, Bytes: der})
}

func everyAddress() []*net.IPNet {
	return []*net.IPNet{
		{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)},
		{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)},
	}
}

func template(now time.Time) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // never fails (crypto/rand)
	return &x509.Certificate{
		SerialNumber: serial, NotBefore: now.Add(-before),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

// Parse reads what Make gave. Errors never show the key.
func Parse(file []byte) (*Authority, error) {
	a := &Authority{leaves: map[string]*tls.Certificate{}}
	certPart, rest := pem.Decode(file)
	keyPart, _ := pem.Decode(rest)
	if certPart == nil || certPart.Type != certBlock || keyPart == nil || keyPart.Type != keyBlock {
		return nil, errors.New("read authority: it is no certificate with its key")
	}
	var err error
	if a.cert, err = x509.ParseCertificate(certPart.Bytes); err != nil {
		return nil, fmt.Errorf("read authority: %w", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(keyPart.Bytes)
	if err != nil {
		return nil, errors.New("read authority: its key is damaged")
	}
	var ok bool
	if a.key, ok = key.(*ecdsa.PrivateKey); !ok || !a.cert.IsCA || !a.key.PublicKey.Equal(a.cert.PublicKey) {
		return nil, errors.New("read authority: certificate and key do not belong together")
	}
	if a.leaf, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("read authority: %w", err)
	}
	return a, nil
}

// Due says whether a new authority should take this one's place at the next
// start.
func (a *Authority) Due(now time.Time) bool {
	return now.Before(a.cert.NotBefore) || now.After(a.cert.NotAfter.Add(-renewal))
}

// Certificate is the authority's own, PEM, without its key.
func (a *Authority) Certificate() []byte { return encode(a.cert.Raw) }

// Leaf is the certificate for one name, with its key and chain. The name is a
// host name in canonical form.
func (a *Authority) Leaf(name string, now time.Time) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.leaves[name]; c != nil && now.Before(c.Leaf.NotAfter.Add(-leafLife/2)) {
		return c, nil
	}
	c, err := a.sign(name, now)
	if err != nil {
		return nil, fmt.Errorf("make certificate for %q: %w", name, err)
	}
	if len(a.leaves) >= maxLeaves {
		clear(a.leaves)
	}
	a.leaves[name] = c
	return c, nil
}

func (a *Authority) sign(name string, now time.Time) (*tls.Certificate, error) {
	if now.After(a.cert.NotAfter) {
		return nil, fmt.Errorf("the sandbox's authority ended at %s; restart the sandbox", a.cert.NotAfter.Format(time.RFC3339))
	}
	if name == "" || net.ParseIP(name) != nil {
		return nil, errors.New("not a host name")
	}
	t := template(now)
	t.NotAfter = now.Add(leafLife)
	if t.NotAfter.After(a.cert.NotAfter) {
		t.NotAfter = a.cert.NotAfter
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.DNSNames = []string{name}
	if len(name) <= 64 { // the bound of a common name (RFC 5280, A.1); the name that counts stands above
		t.Subject = pkix.Name{CommonName: name}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, a.leaf.Public(), a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: a.leaf, Leaf: leaf}, nil
}
