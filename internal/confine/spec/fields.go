package spec

import "fmt"

// Encode packs s.
func Encode(s Spec) []byte {
	s.Version = Version
	return packed(s.fields)
}

// Decode unpacks one Spec, and refuses another version and anything behind it.
func Decode(b []byte) (Spec, error) {
	var s Spec
	err := unpack(b, s.fields)
	if err == nil && s.Version != Version {
		err = fmt.Errorf("version %d: want %d", s.Version, Version)
	}
	if err != nil {
		return Spec{}, fmt.Errorf("decode spec: %w", err)
	}
	return s, nil
}

// EncodeMessage packs m.
func EncodeMessage(m Message) []byte { return packed(m.fields) }

// DecodeMessage unpacks one Message, and refuses anything behind it.
func DecodeMessage(b []byte) (Message, error) {
	var m Message
	if err := unpack(b, m.fields); err != nil {
		return Message{}, fmt.Errorf("decode message: %w", err)
	}
	return m, nil
}

func (s *Spec) fields(c *coder) {
	number(c, &s.Version)
	text(c, &s.Name)
	list(c, &s.Mounts, func(c *coder, m *Mount) { m.fields(c) })
	flag(c, &s.Landlock.Off)
	list(c, &s.Landlock.Rules, func(c *coder, r *PathRule) {
		text(c, &r.Path)
		text(c, &r.Access)
		flag(c, &r.Optional)
	})
	flag(c, &s.Seccomp.Off)
	texts(c, &s.Seccomp.Allow)
	flag(c, &s.Seccomp.Audit)
	flag(c, &s.Network.CaptureOff)
	number(c, &s.Network.GatePort)
	list(c, &s.Network.Routers, address)
	list(c, &s.Rlimits, func(c *coder, l *Rlimit) {
		number(c, &l.Resource)
		number(c, &l.Soft)
		number(c, &l.Hard)
	})
	texts(c, &s.Env)
	text(c, &s.Dir)
	flag(c, &s.Once)
}

func (m *Mount) fields(c *coder) {
	text(c, &m.Kind)
	text(c, &m.Source)
	text(c, &m.Target)
	flag(c, &m.ReadOnly)
	flag(c, &m.NoExec)
	number(c, &m.Mode)
	number(c, &m.Size)
	text(c, &m.Data)
	flag(c, &m.Links)
	flag(c, &m.Owner)
	number(c, &m.Fd)
}

func (m *Message) fields(c *coder) {
	text(c, &m.Op)
	number(c, &m.ID)
	has := m.Command != nil
	if flag(c, &has); has {
		if m.Command == nil {
			m.Command = &Command{}
		}
		m.Command.fields(c)
	}
	number(c, &m.Target)
	number(c, &m.Signal)
	number(c, &m.Count)
	flag(c, &m.IPv6)
	number(c, &m.PID)
	number(c, &m.Code)
	address(c, &m.Local)
	address(c, &m.Remote)
	list(c, &m.Sockets, func(c *coder, s *Socket) {
		text(c, &s.Use)
		address(c, &s.Addr)
	})
	list(c, &m.Proofs, func(c *coder, p *Proof) { p.fields(c) })
	list(c, &m.Programs, func(c *coder, p *Program) { p.fields(c) })
	number(c, &m.ABI)
	text(c, &m.Wall)
	text(c, &m.Error)
	flag(c, &m.Whole)
	texts(c, &m.Places)
	number(c, &m.Tasks)
	flag(c, &m.Alone)
	number(c, &m.Errno)
}

func (k *Command) fields(c *coder) {
	texts(c, &k.Argv)
	texts(c, &k.Env)
	text(c, &k.Dir)
	flag(c, &k.TTY)
	number(c, &k.Rows)
	number(c, &k.Cols)
}

func (p *Proof) fields(c *coder) {
	text(c, &p.Wall)
	text(c, &p.Layer)
	text(c, &p.Tried)
	text(c, &p.Got)
	flag(c, &p.Refused)
}

func (p *Program) fields(c *coder) {
	number(c, &p.PID)
	text(c, &p.Exe)
	number(c, &p.Dev)
	number(c, &p.Ino)
	text(c, &p.Name)
	texts(c, &p.Parents)
}
