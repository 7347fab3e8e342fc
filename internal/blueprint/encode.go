package blueprint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// EncodeManifest writes m in its one canonical form, or says what is not in
// order with it.
func EncodeManifest(m Manifest) ([]byte, error) {
	m.Format = Format
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return encode(m)
}

// ParseManifest reads what EncodeManifest wrote and nothing else: an unknown or
// repeated key, a missing digest, another spelling of the same thing, bytes
// behind the end are all refused.
func ParseManifest(b []byte) (Manifest, error) {
	var m Manifest
	if err := decode(b, &m); err != nil {
		return Manifest{}, fmt.Errorf("parse manifest: %w", err)
	}
	if err := m.check(); err != nil {
		return Manifest{}, fmt.Errorf("parse manifest: %w", err)
	}
	return m, nil
}

func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// decode reads one JSON value into v and holds that v encodes to b again. That
// closes what encoding/json leaves open: repeated keys and keys in other case.
func decode(b []byte, v any) error {
	if len(b) > MaxBlob {
		return fmt.Errorf("%d bytes: want at most %d", len(b), MaxBlob)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("bytes behind the end")
	}
	again, err := encode(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, b) {
		return fmt.Errorf("not in canonical form")
	}
	return nil
}
