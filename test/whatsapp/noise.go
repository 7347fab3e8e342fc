package main

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/coder/websocket"
	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waCert"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"google.golang.org/protobuf/proto"
)

// header is what a device's first bytes are: WA, the protocol's version and that
// of the dictionary.
const header = "WA\x06\x03"

// chain is the server's key, and the certificates from root's key to it.
type chain struct {
	root  [32]byte
	key   *ecdh.PrivateKey
	bytes []byte // waCert.CertChain
}

func newChain() (chain, error) {
	root, err := ecc.GenerateKeyPair()
	if err != nil {
		return chain{}, err
	}
	middle, err := ecc.GenerateKeyPair()
	if err != nil {
		return chain{}, err
	}
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return chain{}, err
	}
	middleKey := middle.PublicKey().PublicKey()
	intermediate, err := certificate(root, 1, 0, middleKey[:])
	if err != nil {
		return chain{}, err
	}
	leaf, err := certificate(middle, 2, 1, key.PublicKey().Bytes())
	if err != nil {
		return chain{}, err
	}
	b, err := proto.Marshal(&waCert.CertChain{Leaf: leaf, Intermediate: intermediate})
	return chain{root.PublicKey().PublicKey(), key, b}, err
}

func certificate(by *ecc.ECKeyPair, serial, issuer uint32, key []byte) (*waCert.CertChain_NoiseCertificate, error) {
	details, err := proto.Marshal(&waCert.CertChain_NoiseCertificate_Details{Serial: &serial, IssuerSerial: &issuer, Key: key})
	if err != nil {
		return nil, err
	}
	sign := ecc.CalculateSignature(by.PrivateKey(), details)
	return &waCert.CertChain_NoiseCertificate{Details: details, Signature: sign[:]}, nil
}

// line is a connection to a device: frames of three bytes of length and a body,
// within the messages of a WebSocket. One goroutine reads, and one writes.
type line struct {
	ws      *websocket.Conn
	buffer  []byte
	out, in *counted // after the handshake
	device  []byte   // the device's public key
}

func (l *line) frame(ctx context.Context) ([]byte, error) {
	for {
		if len(l.buffer) >= 3 {
			size := int(l.buffer[0])<<16 | int(l.buffer[1])<<8 | int(l.buffer[2])
			if len(l.buffer) >= 3+size {
				body := l.buffer[3 : 3+size]
				l.buffer = l.buffer[3+size:]
				return body, nil
			}
		}
		_, more, err := l.ws.Read(ctx)
		if err != nil {
			return nil, err
		}
		l.buffer = append(l.buffer, more...)
	}
}

func (l *line) sendFrame(ctx context.Context, body []byte) error {
	size := len(body)
	return l.ws.Write(ctx, websocket.MessageBinary, append([]byte{byte(size >> 16), byte(size >> 8), byte(size)}, body...))
}

// greet is the handshake, each of its messages cut
// into the fields of a protobuf. It returns who the device says that it is.
func (l *line) greet(ctx context.Context, c chain) (*waWa6.ClientPayload, error) {
	for len(l.buffer) < len(header) {
		_, more, err := l.ws.Read(ctx)
		if err != nil {
			return nil, err
		}
		l.buffer = append(l.buffer, more...)
	}
	if string(l.buffer[:len(header)]) != header {
		return nil, fmt.Errorf("the first bytes are %x", l.buffer[:len(header)])
	}
	l.buffer = l.buffer[len(header):]
	hello, err := l.message(ctx)
	if err != nil {
		return nil, err
	}
	h, err := begin()
	if err != nil {
		return nil, err
	}
	theirs := hello.GetClientHello().GetEphemeral()
	h.mixHash([]byte(header))
	h.mixHash(theirs)
	own, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	h.mixHash(own.PublicKey().Bytes())
	static, err := h.sealUnder(own, theirs, c.key.PublicKey().Bytes())
	if err != nil {
		return nil, err
	}
	payload, err := h.sealUnder(c.key, theirs, c.bytes)
	if err != nil {
		return nil, err
	}
	answer, err := proto.Marshal(&waWa6.HandshakeMessage{ServerHello: &waWa6.HandshakeMessage_ServerHello{
		Ephemeral: own.PublicKey().Bytes(), Static: static, Payload: payload,
	}})
	if err != nil {
		return nil, err
	}
	if err := l.sendFrame(ctx, answer); err != nil {
		return nil, err
	}
	finish, err := l.message(ctx)
	if err != nil {
		return nil, err
	}
	if l.device, err = h.open(finish.GetClientFinish().GetStatic()); err != nil {
		return nil, fmt.Errorf("the device's key: %w", err)
	}
	if err := h.mixKey(own, l.device); err != nil {
		return nil, err
	}
	said, err := h.open(finish.GetClientFinish().GetPayload())
	if err != nil {
		return nil, fmt.Errorf("the device's name: %w", err)
	}
	if l.in, l.out, err = h.split(); err != nil {
		return nil, err
	}
	who := &waWa6.ClientPayload{}
	return who, proto.Unmarshal(said, who)
}

func (l *line) message(ctx context.Context) (*waWa6.HandshakeMessage, error) {
	body, err := l.frame(ctx)
	if err != nil {
		return nil, err
	}
	m := &waWa6.HandshakeMessage{}
	return m, proto.Unmarshal(body, m)
}

func (l *line) send(ctx context.Context, n binary.Node) error {
	b, err := binary.Marshal(n)
	if err != nil {
		return err
	}
	return l.sendFrame(ctx, l.out.Seal(b, nil))
}

func (l *line) receive(ctx context.Context) (*binary.Node, error) {
	body, err := l.frame(ctx)
	if err != nil {
		return nil, err
	}
	b, err := l.in.Open(body, nil)
	if err != nil {
		return nil, err
	}
	if len(b) == 0 {
		return nil, errors.New("an empty frame")
	}
	if b, err = binary.Unpack(b); err != nil {
		return nil, err
	}
	return binary.Unmarshal(b)
}
