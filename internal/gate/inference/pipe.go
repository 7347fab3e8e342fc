package inference

import "bytes"

// pipe is a form of several: each takes what the one before it made. The first
// reads the provider's answer and counts it; the others only translate.
type pipe []form

// lastOf is the form that makes what the agent gets.
func lastOf(f form) form {
	if p, ok := f.(pipe); ok {
		return p[len(p)-1]
	}
	return f
}

// media is the type of what comes out of the end.
func (p pipe) media() string { return p[len(p)-1].media() }

func (p pipe) line(line, payload []byte) ([]byte, error) {
	out, err := p[0].line(line, payload)
	if err != nil {
		return nil, err
	}
	return p[1:].lines(out)
}

// lines sends what one form made through those that are left.
func (p pipe) lines(in []byte) ([]byte, error) {
	if len(p) == 0 {
		return in, nil
	}
	var out []byte
	for line := range bytes.Lines(in) {
		made, err := p[0].line(line, payloadOf(line))
		if err != nil {
			return nil, err
		}
		out = append(out, made...)
	}
	return p[1:].lines(out)
}

func (p pipe) end() ([]byte, error) {
	var out []byte
	for i := range p {
		last, err := p[i].end()
		if err != nil {
			return nil, err
		}
		if last, err = p[i+1:].lines(last); err != nil {
			return nil, err
		}
		out = append(out, last...)
	}
	return out, nil
}

func (p pipe) whole(body []byte) ([]byte, error) {
	for _, f := range p {
		var err error
		if body, err = f.whole(body); err != nil {
			return nil, err
		}
	}
	return body, nil
}
