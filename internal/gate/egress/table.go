package egress

import (
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"sync"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// synthetic4 is the range of RFC 2544, which is nobody's.
var synthetic4 = netip.MustParsePrefix("198.18.0.0/15")

// How many names may have an address: any name, and any that the policy lists.
const (
	anyNames    = 1 << 16
	listedNames = 1<<17 - 2
)

// table gives every name an address of its own, for as long as the sandbox
// lives. Address and position are one: the nth name has the nth address.
type table struct {
	prefix6 [12]byte // fd, 40 random bits (RFC 4193), zeros; the position follows

	mu     sync.RWMutex
	byName map[policy.Host]uint32 // guarded by mu
	names  []policy.Host          // guarded by mu; names[n-1] has position n
}

func newTable() *table {
	t := &table{byName: map[policy.Host]uint32{}}
	t.prefix6[0] = 0xfd
	_, _ = rand.Read(t.prefix6[1:6]) // never fails (crypto/rand)
	return t
}

// give is the position of name. It fails where there is no address left.
func (t *table) give(name policy.Host, listed func() bool) (n uint32, ok bool) {
	t.mu.RLock()
	n, ok = t.byName[name]
	count := len(t.names)
	t.mu.RUnlock()
	if ok || count >= listedNames || count >= anyNames && !listed() {
		return n, ok
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n, ok = t.byName[name]; ok {
		return n, true
	}
	if len(t.names) >= listedNames {
		return 0, false
	}
	t.names = append(t.names, name)
	n = uint32(len(t.names))
	t.byName[name] = n
	return n, true
}

func (t *table) addr4(n uint32) netip.Addr {
	base := synthetic4.Addr().As4()
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, binary.BigEndian.Uint32(base[:])+n)))
}

func (t *table) addr6(n uint32) netip.Addr {
	return netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint32(t.prefix6[:], n)))
}

// name is whose address a is. mine says whether a is in our ranges at all: an
// address there without a name leads nowhere.
func (t *table) name(a netip.Addr) (name policy.Host, mine bool) {
	n, mine := t.position(a)
	if !mine {
		return "", false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if n == 0 || int(n) > len(t.names) {
		return "", true
	}
	return t.names[n-1], true
}

func (t *table) position(a netip.Addr) (n uint32, mine bool) {
	if synthetic4.Contains(a) {
		b, base := a.As4(), synthetic4.Addr().As4()
		return binary.BigEndian.Uint32(b[:]) - binary.BigEndian.Uint32(base[:]), true
	}
	if b := a.As16(); a.Is6() && [12]byte(b[:12]) == t.prefix6 {
		return binary.BigEndian.Uint32(b[12:]), true
	}
	return 0, false
}

func (t *table) len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.names)
}
