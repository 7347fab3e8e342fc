package session

import (
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"
)

// Both sides are ours or current OpenSSH, so the lists are short: nothing old,
// and the fastest first, since every exec pays for a handshake.
var algorithms = ssh.Config{
	KeyExchanges: []string{ssh.KeyExchangeCurve25519, ssh.KeyExchangeMLKEM768X25519},
	Ciphers:      []string{ssh.CipherAES128GCM, ssh.CipherChaCha20Poly1305, ssh.CipherAES256GCM},
	MACs:         []string{ssh.HMACSHA256ETM}, // asked for by protocol; the ciphers bring their own
}

// The requests of RFC 4254 in wire form, and ours.
type (
	ptyRequest struct { // 6.2
		Term          string
		Cols, Rows    uint32
		Width, Height uint32 // pixels
		Modes         string
	}
	envRequest    struct{ Name, Value string }               // 6.4
	execRequest   struct{ Command string }                   // 6.5
	subsystem     struct{ Name string }                      // 6.5
	windowChange  struct{ Cols, Rows, Width, Height uint32 } // 6.7
	signalRequest struct{ Name string }                      // 6.9
	exitStatus    struct{ Code uint32 }                      // 6.10
	exitSignal    struct {                                   // 6.10
		Name     string
		Core     bool
		Message  string
		Language string
	}
	directTCPIP struct { // 7.2
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	ownExec struct{ Command string } // spec.Command as JSON
)

const ownExecName = "exec@nemoclaw"

// signals are those that SSH has names for (RFC 4254, 6.10), and INT's kin
// that OpenSSH sends as well.
var signals = map[string]syscall.Signal{
	"ABRT": syscall.SIGABRT, "ALRM": syscall.SIGALRM, "FPE": syscall.SIGFPE, "HUP": syscall.SIGHUP,
	"ILL": syscall.SIGILL, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL, "PIPE": syscall.SIGPIPE,
	"QUIT": syscall.SIGQUIT, "SEGV": syscall.SIGSEGV, "TERM": syscall.SIGTERM,
	"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2,
}

func signalName(s syscall.Signal) string {
	for name, known := range signals {
		if known == s {
			return name
		}
	}
	// RFC 4254, 6.10: local names carry an at sign.
	return "SIG" + strings.ToUpper(s.String()) + "@nemoclaw"
}
