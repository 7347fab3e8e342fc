package onboard

import (
	"fmt"
	"net"
	"strconv"

	"github.com/nemoclaw/nemoclaw/internal/state"
)

// GatewayPort is the article's.
const GatewayPort = 18789

// TakenPort is a gateway port that is in use.
type TakenPort struct {
	Port int
	By   string // a sandbox; empty for another program
	Free int
}

func (e *TakenPort) Error() string {
	if e.By != "" {
		return fmt.Sprintf("gateway port %d: it belongs to the sandbox %s", e.Port, e.By)
	}
	return fmt.Sprintf("gateway port %d: another program listens there", e.Port)
}

// Hint is the next port that is free.
func (e *TakenPort) Hint() string { return fmt.Sprintf("--gateway-port %d is free", e.Free) }

// owners says which ports belong to sandboxes, running or not.
func owners(home state.Home) map[int]string {
	all := map[int]string{}
	names, _ := home.List() // what cannot be listed owns nothing that we could name
	for _, n := range names {
		if set, err := home.Sandbox(n).LoadEdited(); err == nil && set.Ports.Gateway != 0 {
			all[set.Ports.Gateway] = string(n)
		}
	}
	return all
}

// checkPort is nil when port can be the gateway's of the sandbox called self.
func checkPort(home state.Home, port int, self string) error {
	owned := owners(home)
	by := owned[port]
	if by == self && by != "" || by == "" && free(port) {
		return nil
	}
	return &TakenPort{port, by, nextFree(owned, port)}
}

// FreePort is the first port from the article's on that nobody has.
func FreePort(home state.Home) int {
	owned := owners(home)
	if owned[GatewayPort] == "" && free(GatewayPort) {
		return GatewayPort
	}
	return nextFree(owned, GatewayPort)
}

func nextFree(owned map[int]string, from int) int {
	for p := from + 1; p <= 65535; p++ {
		if owned[p] == "" && free(p) {
			return p
		}
	}
	return 0
}

// free says whether the port of the loopback can be listened on.
func free(port int) bool {
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

func parsePort(s string) (int, error) {
	p, err := strconv.Atoi(s)
	if err != nil || p < 1 || p > 65535 {
		return 0, fmt.Errorf("gateway port %q: not in 1–65535", s)
	}
	return p, nil
}
