package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"
	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// The phone's number, and the linked device of it.
const number = "15550001111"

func host() types.JID   { return types.NewJID("", types.DefaultUserServer) }
func device() types.JID { return types.JID{User: number, Device: 1, Server: types.DefaultUserServer} }
func hidden() types.JID { return types.JID{User: "2000111", Device: 1, Server: types.HiddenUserServer} }

// Event is something that a device did.
type Event struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"`   // shown, linked, login, gone, refused, failed
	Detail string    `json:"detail"` // of a refusal or a failure
	Others int       `json:"others"` // devices that were logged in at that moment, this one not counted
}

// server knows one phone, and one device of it. It is safe for concurrent use.
type server struct {
	chain   chain
	account *ecc.ECKeyPair // the phone's identity

	mu      sync.Mutex // guards all below
	events  []Event
	refs    map[string]chan code // codes that were sent, to whom shows them
	linked  []byte               // the device's public key
	preKeys int
	online  int
}

func newServer() (*server, error) {
	c, err := newChain()
	if err != nil {
		return nil, err
	}
	account, err := ecc.GenerateKeyPair()
	return &server{chain: c, account: account, refs: map[string]chan code{}}, err
}

func (s *server) log() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Event{}, s.events...)
}

func (s *server) note(what, detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteLocked(what, detail, s.online)
}

// noteLocked is note; the caller holds mu.
func (s *server) noteLocked(what, detail string, others int) {
	s.events = append(s.events, Event{At: time.Now(), What: what, Detail: detail, Others: others})
}

// serve is one device's connection, until its end.
func (s *server) serve(ctx context.Context, ws *websocket.Conn) {
	defer ws.CloseNow()
	l := &line{ws: ws}
	who, err := l.greet(ctx, s.chain)
	switch {
	case err != nil:
		s.note("failed", err.Error())
	case who.GetDevicePairingData() != nil:
		if err := s.link(ctx, l, who.GetDevicePairingData().GetEIdent()); err != nil {
			s.note("failed", err.Error())
		}
	default:
		s.login(ctx, l, strconv.FormatUint(who.GetUsername(), 10), who.GetDevice())
	}
}

// newRefs are the codes that a device may show, one after another.
func (s *server) newRefs(to chan code) (nodes []binary.Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range 6 {
		random := make([]byte, 64) // as the real server's are
		rand.Read(random)          // never fails
		ref := "2@" + base64.StdEncoding.EncodeToString(random)
		s.refs[ref] = to
		nodes = append(nodes, binary.Node{Tag: "ref", Content: []byte(ref)})
	}
	return nodes
}

// login lets in the device that was linked, by its key, and answers its questions.
func (s *server) login(ctx context.Context, l *line, user string, number32 uint32) {
	s.mu.Lock()
	known := s.linked != nil && bytes.Equal(s.linked, l.device) && user == number && number32 == uint32(device().Device)
	if !known {
		s.noteLocked("refused", fmt.Sprintf("%s:%d, not the device that was linked", user, number32), s.online)
		s.mu.Unlock()
		_ = l.send(ctx, binary.Node{Tag: "failure", Attrs: binary.Attrs{"reason": "401"}})
		return
	}
	s.noteLocked("login", "", s.online)
	s.online++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.online--
		s.noteLocked("gone", "", s.online)
		s.mu.Unlock()
	}()
	now := strconv.FormatInt(time.Now().Unix(), 10)
	if l.send(ctx, binary.Node{Tag: "success", Attrs: binary.Attrs{"lid": hidden(), "t": now}}) != nil {
		return
	}
	for {
		n, err := l.receive(ctx)
		if err != nil {
			return
		}
		for _, answer := range s.answer(n) {
			if l.send(ctx, answer) != nil {
				return
			}
		}
	}
}

// answer is what a device that is logged in is told.
func (s *server) answer(n *binary.Node) []binary.Node {
	kind, _ := n.Attrs["type"].(string)
	if n.Tag != "iq" || kind != "get" && kind != "set" {
		return nil
	}
	r := binary.Node{Tag: "iq", Attrs: binary.Attrs{"from": host(), "type": "result", "id": n.Attrs["id"]}}
	children := n.GetChildren()
	if len(children) == 0 {
		return []binary.Node{r}
	}
	switch n.Attrs["xmlns"] {
	case "encrypt":
		s.mu.Lock()
		defer s.mu.Unlock()
		switch children[0].Tag {
		case "count":
			r.Content = []binary.Node{{Tag: "count", Attrs: binary.Attrs{"value": strconv.Itoa(s.preKeys)}}}
		case "digest":
			r.Content = []binary.Node{{Tag: "digest"}}
		default:
			if list, ok := n.GetOptionalChildByTag("list"); ok {
				s.preKeys += len(list.GetChildren())
			}
		}
	case "passive":
		none := binary.Node{Tag: "ib", Attrs: binary.Attrs{"from": host()}, Content: []binary.Node{{Tag: "offline", Attrs: binary.Attrs{"count": "0"}}}}
		return []binary.Node{r, none}
	}
	return []binary.Node{r}
}
