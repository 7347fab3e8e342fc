package hail

import "errors"

// The protocols of the Upgrade header; each has a route of its name.
const (
	SSH  = "ssh"
	Exec = "exec"
)

// Request asks for protocol. What follows on the connection is the protocol's.
func Request(protocol string) string {
	return "POST /v1/" + protocol + " HTTP/1.1\r\nHost: sandbox\r\nConnection: Upgrade\r\nUpgrade: " + protocol +
		"\r\nContent-Length: 0\r\n\r\n"
}

// Ask is the first of protocol Exec: the command, as its strings, each between
// a letter that says what it is and a zero byte, which none can have in it.
//
//	w the folder to work in; e KEY=VALUE; a one argument; . the end
func Ask(dir string, env, argv []string) []byte {
	var b []byte
	if dir != "" {
		b = add(b, 'w', dir)
	}
	for _, s := range env {
		b = add(b, 'e', s)
	}
	for _, s := range argv {
		b = add(b, 'a', s)
	}
	return add(b, '.', "")
}

func add(b []byte, what byte, s string) []byte { return append(append(append(b, what), s...), 0) }

// Most bounds what is asked, in bytes: what execve(2) takes at most.
const Most = 4 << 20

// Errors of Asked.
var (
	errLong = errors.New("the command is too long")
	errWord = errors.New("not a word of this protocol")
)

// Asked reads what Ask made; next gives one byte after the other.
func Asked(next func() (byte, error)) (dir string, env, argv []string, err error) {
	for left := Most; ; {
		what, err := next()
		if err != nil {
			return "", nil, nil, err
		}
		var s []byte
		for {
			c, err := next()
			if left--; err != nil || left < 0 {
				return "", nil, nil, errors.Join(err, errLong)
			}
			if c == 0 {
				break
			}
			s = append(s, c)
		}
		switch {
		case what == 'w':
			dir = string(s)
		case what == 'e':
			env = append(env, string(s))
		case what == 'a':
			argv = append(argv, string(s))
		case what == '.' && len(s) == 0 && len(argv) > 0:
			return dir, env, argv, nil
		default:
			return "", nil, nil, errWord
		}
	}
}
