package policy

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// looseAddr recognises every spelling that some program takes for an address
// and gives the plain one: 2130706433, 0x7f.1, 017700000001, 127.1, [::1],
// fe80::1%eth0. A name whose last part is a number is one of those too (the
// rule of the WHATWG URL standard, "ends in a number"), even where it is no
// valid address: it must never be looked up. ok is false for what may be a name.
func looseAddr(text string) (bad *BadHost, ok bool) {
	bare := strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	if addr, ok := plainAddr(bare); ok {
		return &BadHost{text, "an address, not a name", quoted(addr.WithZone("").Unmap().String())}, true
	}
	if strings.Contains(text, ":") {
		return &BadHost{text, "neither a name nor an address", wantName}, true
	}
	parts := strings.Split(strings.TrimSuffix(text, "."), ".")
	if !isNumber(parts[len(parts)-1]) {
		return nil, false
	}
	addr, err := inetAton(parts)
	if err != nil {
		return &BadHost{text, "ends in a number and is no address", `a name, or an address such as "192.0.2.1"`}, true
	}
	return &BadHost{text, "an address that is not in its plain form", quoted(addr.String())}, true
}

// plainAddr reads an address as netip does. Such a one has a colon or ends in a
// digit; of the names, few do.
func plainAddr(text string) (netip.Addr, bool) {
	if text == "" || !strings.Contains(text, ":") && (text[len(text)-1] < '0' || text[len(text)-1] > '9') {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(text)
	return addr, err == nil
}

func isNumber(part string) bool {
	if part == "" || part[0] < '0' || part[0] > '9' {
		return false
	}
	if _, err := number(part); err == nil {
		return true
	}
	for i := range len(part) {
		if part[i] < '0' || part[i] > '9' {
			return false
		}
	}
	return true
}

// number reads decimal, 0x hexadecimal and 0 octal, as inet_aton(3) does.
func number(part string) (uint64, error) {
	low := strings.ToLower(part)
	switch {
	case low == "0x":
		return 0, nil
	case strings.HasPrefix(low, "0x"):
		return strconv.ParseUint(low[2:], 16, 64)
	case len(low) > 1 && low[0] == '0':
		return strconv.ParseUint(low[1:], 8, 64)
	}
	return strconv.ParseUint(low, 10, 64)
}

var errNotAddr = errors.New("not an address")

// inetAton reads one to four numbers; the last fills all bytes that remain.
func inetAton(parts []string) (netip.Addr, error) {
	if len(parts) > 4 {
		return netip.Addr{}, errNotAddr
	}
	var value uint64
	for i, part := range parts {
		n, err := number(part)
		if err != nil {
			return netip.Addr{}, err
		}
		width := 1
		if i == len(parts)-1 {
			width = 4 - i
		}
		if n>>(8*width) != 0 {
			return netip.Addr{}, errNotAddr
		}
		value = value<<(8*width) | n
	}
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}), nil
}
