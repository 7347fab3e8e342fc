package onboard

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// Adopted is what a sandbox of another machine may be here.
type Adopted struct {
	Settings state.Settings
	Dropped  []string // what its settings asked for and does not get, in words
	Near     []string // what its policies reach of this machine and its network: stored secrets, addresses
	Rules    []string // what its network policy says
	Servers  []string // where its model calls go
}

// Adopt takes of a stranger's settings and policies what describes the sandbox,
// and nothing that acts on this machine: no program is run for it, no folder
// handed over, no way out of the network but this machine's own, every wall
// stands, and no limit is lifted. What the operator wants of it he writes into
// sandbox.yaml himself.
func Adopt(home state.Home, facts host.Facts, set state.Settings, user uint32, network, inference []byte) (Adopted, error) {
	a := Adopted{Settings: set}
	s := &a.Settings
	a.drop(len(s.Mounts) > 0, "%s: this machine's folders are other ones", say.Count(len(s.Mounts), "mount"))
	a.drop(len(s.Notify) > 0, "notify: it would run %q here, as you", strings.Join(s.Notify, " "))
	a.drop(s.Proxy != state.Proxy{}, "proxy %s: this machine's own way out is taken", s.Proxy.URL)
	a.drop(s.Walls.NetworkOff, "its network wall was off: it stands here")
	a.drop(s.Walls.FilesystemOff, "its filesystem wall was off: it stands here")
	a.drop(len(s.Walls.Syscalls) > 0, "system calls %s: they are refused here", strings.Join(s.Walls.Syscalls, ", "))
	s.Mounts, s.Notify, s.Walls, s.User = nil, nil, state.Walls{AuditSyscalls: s.Walls.AuditSyscalls}, user
	a.limit(usualLimits(facts))
	if s.Ports.Gateway != 0 {
		s.Ports.Gateway = FreePort(home)
	}
	var err error
	if s.Proxy, _, err = proxyOf(""); err != nil {
		return Adopted{}, err
	}
	return a, a.read(network, inference)
}

func (a *Adopted) drop(there bool, format string, args ...any) {
	if there {
		a.Dropped = append(a.Dropped, fmt.Sprintf(format, args...))
	}
}

// limit holds the limits to what a new sandbox would have; one that is tighter
// stays.
func (a *Adopted) limit(most state.Limits) {
	l := &a.Settings.Limits
	was := *l
	l.MemoryBytes = tighter(l.MemoryBytes, most.MemoryBytes)
	l.Pids = tighter(l.Pids, most.Pids)
	l.Files = tighter(l.Files, most.Files)
	l.TmpBytes = tighter(l.TmpBytes, most.TmpBytes)
	l.CPUs, l.DiskBytes = max(l.CPUs, 0), max(l.DiskBytes, 0)
	l.DiskReserve = 0
	if l.Connections > usualConnections {
		l.Connections = 0
	}
	a.drop(*l != was, "limits wider than a new sandbox's: they are that")
}

// tighter is have where that is a limit, and not above most; 0 is no limit.
func tighter[T int | int64 | uint64](have, most T) T {
	if have <= 0 || most > 0 && have > most {
		return most
	}
	return have
}

// usualConnections is what state.Limits calls the default.
const usualConnections = 1024

// near says whether a rule leads to this machine, or to addresses of its network.
// The router's own port opens nothing.
func near(r policy.Rule) bool {
	if len(r.Addresses) > 0 {
		return true
	}
	p, err := netip.ParsePrefix(r.Host)
	if at, bad := netip.ParseAddr(r.Host); bad == nil {
		p, err = netip.PrefixFrom(at, at.BitLen()), nil
	}
	if policy.Host(r.Host).IsHostLoopback() || err == nil && p.IsSingleIP() && p.Addr().IsLoopback() {
		return !router(r)
	}
	return err == nil && slices.ContainsFunc(nearby(), p.Overlaps)
}

// nearby are the addresses of machines and of the networks around them (RFC
// 1122, 1918, 3927, 4193, 4291, 6598).
func nearby() []netip.Prefix {
	var all []netip.Prefix
	for _, s := range []string{"10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7", "fe80::/10"} {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

func router(r policy.Rule) bool { return len(r.Ports) == 1 && r.Ports[0] == modelPort }

// read says what the policies are about to do.
func (a *Adopted) read(network, inference []byte) error {
	p, err := policy.Parse("network-policy.yaml", network)
	if err != nil {
		return err
	}
	for _, name := range p.Credentials() {
		a.Near = append(a.Near, "the secret "+name)
	}
	for _, r := range p.List() {
		a.Rules = append(a.Rules, r.Text())
		if r.Action == policy.Allow && near(r) {
			a.Near = append(a.Near, r.Text())
		}
	}
	f, err := policy.ParseInference("inference.yaml", inference)
	if err != nil {
		return err
	}
	if f.Fetches() {
		a.Near = append(a.Near, "whatever its model servers reach (fetch: allow)")
	}
	for _, t := range f.Targets() {
		server := t.Provider
		if t.URL != nil {
			server += " at " + t.URL.String()
		}
		if !slices.Contains(a.Servers, server) {
			a.Servers = append(a.Servers, server)
		}
		if t.Key != "" {
			a.Near = append(a.Near, "the secret "+t.Key)
		}
	}
	slices.Sort(a.Near)
	a.Near = slices.Compact(a.Near)
	return nil
}
