package session

import (
	"crypto/ed25519"
	"encoding/pem"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// NewKey makes an ed25519 host key and its file's bytes, which ParseKey reads.
func NewKey(comment string) ([]byte, error) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("make host key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return nil, fmt.Errorf("make host key: %w", err)
	}
	return pem.EncodeToMemory(block), nil
}

// ParseKey reads a host key's file.
func ParseKey(file []byte) (ssh.Signer, error) {
	key, err := ssh.ParsePrivateKey(file)
	if err != nil {
		return nil, fmt.Errorf("read host key: %w", err)
	}
	return key, nil
}
