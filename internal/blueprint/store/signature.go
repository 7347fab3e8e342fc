package store

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// KeepSignature keeps the signed note of a blueprint beside it; nil forgets it.
func (s *Store) KeepSignature(ctx context.Context, d blueprint.Digest, text []byte) error {
	leave, err := s.begin(ctx, nil)
	if err != nil {
		return err
	}
	defer leave()
	file := s.path("signatures", d.Hex())
	if text == nil {
		err := os.Remove(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return s.put(file, text)
}

// Signature is the signed note of a blueprint as it came, which nobody has
// checked; nil where there is none.
func (s *Store) Signature(d blueprint.Digest) ([]byte, error) {
	text, err := readBounded(s.path("signatures", d.Hex()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}
