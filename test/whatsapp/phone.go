package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"strings"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"google.golang.org/protobuf/proto"
)

// code is what a device shows to be linked.
type code struct {
	Text     string `json:"text"`
	Ref      string `json:"ref"`
	Noise    []byte `json:"noise"`    // the device's key on the line
	Identity []byte `json:"identity"` // its key for messages
	secret   []byte // that only who saw the code knows
}

// scan reads the QR code in a picture, and links the device that shows it.
func (s *server) scan(picture image.Image) (code, error) {
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		return code{}, err
	}
	found, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true})
	if err != nil {
		return code{}, fmt.Errorf("read the code: %w", err)
	}
	c, err := parse(found.GetText())
	if err != nil {
		return c, err
	}
	s.mu.Lock()
	to, ok := s.refs[c.Ref]
	delete(s.refs, c.Ref)
	s.mu.Unlock()
	if !ok {
		return c, fmt.Errorf("the code's ref %q is none that the server sent, or was used", c.Ref)
	}
	to <- c
	return c, nil
}

// parse reads REF,KEY,KEY,SECRET with more behind; newer devices put the address
// of a page before it.
func parse(text string) (code, error) {
	c := code{Text: text}
	_, fields, ok := strings.Cut(text, "#")
	if !ok {
		fields = text
	}
	parts := strings.Split(fields, ",")
	if len(parts) < 4 {
		return c, fmt.Errorf("the code has %d parts", len(parts))
	}
	c.Ref = parts[0]
	for i, to := range []*[]byte{&c.Noise, &c.Identity, &c.secret} {
		b, err := base64.StdEncoding.DecodeString(parts[i+1])
		if err != nil || len(b) != 32 {
			return c, fmt.Errorf("part %d of the code is no key", i+1)
		}
		*to = b
	}
	return c, nil
}

// link sends a device codes to show, and makes it the phone's when one is scanned.
func (s *server) link(ctx context.Context, l *line, identity []byte) error {
	to := make(chan code, 1)
	offer := binary.Node{
		Tag: "iq", Attrs: binary.Attrs{"from": host(), "type": "set", "id": "pair", "xmlns": "md"},
		Content: []binary.Node{{Tag: "pair-device", Content: s.newRefs(to)}},
	}
	if err := l.send(ctx, offer); err != nil {
		return err
	}
	s.note("shown", "")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	said := make(chan *binary.Node, 16)
	go func() {
		defer cancel()
		for {
			n, err := l.receive(ctx)
			if err != nil {
				return
			}
			said <- n
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return errors.New("the device left before it was linked")
		case c := <-to:
			if !bytes.Equal(c.Noise, l.device) || !bytes.Equal(c.Identity, identity) {
				return errors.New("the code's keys are not those of the device on the line")
			}
			n, err := s.success(c)
			if err != nil {
				return err
			}
			if err := l.send(ctx, n); err != nil {
				return err
			}
		case n := <-said:
			signed, ok := n.GetOptionalChildByTag("pair-device-sign", "device-identity")
			if !ok {
				continue
			}
			if err := s.adopt(signed, l.device, identity); err != nil {
				return err
			}
			// It is to come back, and log in.
			return l.send(ctx, binary.Node{Tag: "stream:error", Attrs: binary.Attrs{"code": "515"}})
		}
	}
}

// success tells a device whose it is: the phone's signature over its identity,
// under the secret of the code.
func (s *server) success(c code) (binary.Node, error) {
	details, err := proto.Marshal(&waAdv.ADVDeviceIdentity{RawID: proto.Uint32(1), Timestamp: proto.Uint64(uint64(time.Now().Unix())), KeyIndex: proto.Uint32(1)})
	if err != nil {
		return binary.Node{}, err
	}
	key := s.account.PublicKey().PublicKey()
	sign := ecc.CalculateSignature(s.account.PrivateKey(), bytes.Join([][]byte{{6, 0}, details, c.Identity}, nil))
	identity, err := proto.Marshal(&waAdv.ADVSignedDeviceIdentity{Details: details, AccountSignatureKey: key[:], AccountSignature: sign[:]})
	if err != nil {
		return binary.Node{}, err
	}
	mac := hmac.New(sha256.New, c.secret)
	mac.Write(identity)
	sealed, err := proto.Marshal(&waAdv.ADVSignedDeviceIdentityHMAC{Details: identity, HMAC: mac.Sum(nil)})
	if err != nil {
		return binary.Node{}, err
	}
	return binary.Node{
		Tag: "iq", Attrs: binary.Attrs{"from": host(), "type": "set", "id": "paired"},
		Content: []binary.Node{{Tag: "pair-success", Content: []binary.Node{
			{Tag: "device-identity", Content: sealed},
			{Tag: "device", Attrs: binary.Attrs{"jid": device(), "lid": hidden()}},
			{Tag: "platform", Attrs: binary.Attrs{"name": "android"}},
		}}},
	}, nil
}

// adopt checks that the device signed its identity in turn, and remembers its key.
func (s *server) adopt(signed binary.Node, key, identity []byte) error {
	body, _ := signed.Content.([]byte)
	id := &waAdv.ADVSignedDeviceIdentity{}
	if err := proto.Unmarshal(body, id); err != nil {
		return err
	}
	account := s.account.PublicKey().PublicKey()
	message := bytes.Join([][]byte{{6, 1}, id.GetDetails(), identity, account[:]}, nil)
	if len(id.GetDeviceSignature()) != 64 || !ecc.VerifySignature(ecc.NewDjbECPublicKey([32]byte(identity)), message, [64]byte(id.GetDeviceSignature())) {
		return errors.New("the device's signature over its identity is wrong")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.linked = key
	s.noteLocked("linked", "", s.online)
	return nil
}
