package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
)

// symmetric is the state of a Noise handshake (The Noise Protocol Framework, 5.2),
// as WhatsApp has it: it does not hash the payload of a message that has none. That
// one difference is why no library of Noise serves here.
type symmetric struct {
	chain []byte
	hash  [32]byte
	key   *counted // nil until a secret was mixed in
}

// protocol is 32 bytes long, and so its own hash.
const protocol = "Noise_XX_25519_AESGCM_SHA256\x00\x00\x00\x00"

func begin() (*symmetric, error) {
	key, err := newCounted([]byte(protocol))
	return &symmetric{chain: []byte(protocol), hash: [32]byte([]byte(protocol)), key: key}, err
}

func (s *symmetric) mixHash(b []byte) { s.hash = sha256.Sum256(append(s.hash[:], b...)) }

// mixKey mixes in the secret of two keys.
func (s *symmetric) mixKey(own *ecdh.PrivateKey, theirs []byte) error {
	public, err := ecdh.X25519().NewPublicKey(theirs)
	if err != nil {
		return err
	}
	secret, err := own.ECDH(public)
	if err != nil {
		return err
	}
	two, err := hkdf.Key(sha256.New, secret, s.chain, "", 64)
	if err != nil {
		return err
	}
	s.chain = two[:32]
	s.key, err = newCounted(two[32:])
	return err
}

// seal encrypts and hashes.
func (s *symmetric) seal(b []byte) []byte {
	sealed := s.key.Seal(b, s.hash[:])
	s.mixHash(sealed)
	return sealed
}

// sealUnder mixes in the secret of two keys, and seals under that.
func (s *symmetric) sealUnder(own *ecdh.PrivateKey, theirs, b []byte) ([]byte, error) {
	// The server's ephemeral key seals its lasting one, which seals the rest.
	if err := s.mixKey(own, theirs); err != nil {
		return nil, err
	}
	return s.seal(b), nil
}

func (s *symmetric) open(sealed []byte) ([]byte, error) {
	b, err := s.key.Open(sealed, s.hash[:])
	s.mixHash(sealed)
	return b, err
}

// split is the two keys of what follows: of what the device says, and of what it is
// told.
func (s *symmetric) split() (in, out *counted, err error) {
	two, err := hkdf.Key(sha256.New, nil, s.chain, "", 64)
	if err != nil {
		return nil, nil, err
	}
	if in, err = newCounted(two[:32]); err != nil {
		return nil, nil, err
	}
	out, err = newCounted(two[32:])
	return in, out, err
}

// counted is AES-GCM whose nonce counts.
type counted struct {
	aead cipher.AEAD
	n    uint64
}

func newCounted(key []byte) (*counted, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &counted{aead: aead}, err
}

func (c *counted) nonce() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 4), c.n)
	c.n++
	return b
}

func (c *counted) Seal(b, more []byte) []byte { return c.aead.Seal(nil, c.nonce(), b, more) }

func (c *counted) Open(b, more []byte) ([]byte, error) { return c.aead.Open(nil, c.nonce(), b, more) }
