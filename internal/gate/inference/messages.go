package inference

import "bytes"

// messages is the form of an answer in Anthropic's API, as that came: it passes
// as it is, but for the model's name.
type messages struct {
	*exchange
	rename bool
	name   []byte // the line before an event's data, which goes on with that

	like *stencil // of the element before
}

func (m *messages) media() string        { return "" }
func (m *messages) end() ([]byte, error) { return nil, nil }

func (m *messages) line(line, payload []byte) ([]byte, error) {
	if bytes.HasPrefix(line, []byte("event:")) {
		m.name = append(m.name, line...)
		return nil, nil
	}
	line = append(m.name, line...)
	m.name = line[:0] // it is written before the next one is read
	if len(payload) == 0 {
		return line, nil
	}
	if said, ok := m.like.known(payload); ok {
		if m.tally.heard(said, m.like.thinking) {
			m.first()
		}
		return line, nil
	}
	before := m.tally.mark()
	e, err := readAs[event](payload)
	if err != nil {
		return nil, err
	}
	if m.tally.hear(e) {
		m.first()
	}
	if err := m.tally.uncallable(); err != nil {
		return nil, err
	}
	said, thinking := m.tally.only(before)
	m.like = m.like.after(payload, payload, said, thinking)
	if m.tally.fault != "" && !m.sent { // another provider may do better
		return nil, nonsense("it is an error: %s", m.tally.fault)
	}
	if !m.rename || e.Message == nil {
		return line, nil
	}
	at := bytes.LastIndex(line, payload)
	out := append([]byte(nil), line[:at]...)
	out = append(out, renamedWithin(payload, "message", m.call.Asked)...)
	return append(out, line[at+len(payload):]...), nil
}

func (m *messages) whole(body []byte) ([]byte, error) {
	e, err := readAs[event](body)
	if err != nil {
		return nil, err
	}
	m.tally.hear(e)
	m.tally.done = true
	if err := m.tally.uncallable(); err != nil {
		return nil, err
	}
	if m.rename {
		body = renamed(body, "model", m.call.Asked)
	}
	return body, nil
}

// renamedWithin is a JSON object with the model of the object at key changed.
func renamedWithin(raw []byte, key, name string) []byte {
	o, err := parseObject(raw)
	if err != nil {
		return raw
	}
	inner, err := o.value(key)
	if err != nil || inner == nil {
		return raw
	}
	return o.with(key, renamed(inner, "model", name))
}

// cutShort is the reason of an answer that is as long as it may be.
const cutShort = "max_tokens"

// hear takes one piece of an answer of Anthropic's. It says whether the piece
// held something that was said.
func (t *tally) hear(e *event) bool {
	before := t.size
	if f := faultOf(e.Error); f != "" {
		t.fault, t.done = f, true
	}
	t.done = t.done || e.Type == "message_stop"
	t.short = t.short || e.StopReason == cutShort || e.Delta != nil && e.Delta.StopReason == cutShort
	t.used(e.Usage)
	if e.Message != nil {
		t.used(e.Message.Usage)
	}
	for i := range e.Content {
		t.block(&e.Content[i])
	}
	t.block(e.Block)
	t.block(e.Delta)
	return t.size > before
}

// used takes figures: each is of the whole so far.
func (t *tally) used(u *anthropicUsage) {
	if u != nil {
		t.in, t.out = max(t.in, u.in()), max(t.out, u.OutputTokens)
		t.cached = max(t.cached, u.CacheRead)
	}
}

func (t *tally) block(h *heard) {
	if h == nil {
		return
	}
	t.say(&t.text, h.Text)
	t.say(&t.thinking, h.Thinking)
	if h.Name != "" && len(t.tools) <= maxTools {
		t.tools = append(t.tools, streamedCall{name: h.Name, free: h.Type != useKind})
		t.size += len(h.Name)
	}
	if len(t.tools) > 0 { // blocks come one after the other
		t.tools[len(t.tools)-1].take(h.input() + h.PartialJSON)
		t.size += len(h.input()) + len(h.PartialJSON)
	}
}
