package policy

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rule is one element of egress or deny.
type rule struct {
	action    Action // Allow or Deny
	host      pattern
	ports     []Port // in the order of the file; none: every port (deny alone)
	list      bool   // the file says ports, not port
	binaries  []string
	addresses []netip.Prefix
	expires   time.Time
	http      []requests // none: connections, whatever flows
	cred      Credential
	note      string
	line      int
	text      string   // for verdicts: "allow api.github.com:443"
	keys      []string // what it says, one for each port
}

// describe gives a rule the text that verdicts carry.
func (r *rule) describe() string {
	text := r.action.String() + " " + r.host.text
	if strings.Contains(r.host.text, ":") {
		text = r.action.String() + " [" + r.host.text + "]"
	}
	for i, port := range r.ports {
		text += separator(i, ":", ",") + strconv.Itoa(int(port))
	}
	for i, exe := range r.binaries {
		text += separator(i, " for ", ", ") + exe
	}
	if len(r.http) > 0 {
		text += ", only " + httpText(shownHTTP(r.http))
	}
	if !r.cred.isZero() {
		text += ", with credential " + r.cred.String()
	}
	return text
}

func separator(i int, first, next string) string {
	if i == 0 {
		return first
	}
	return next
}

func (r *rule) hasPort(p Port) bool {
	return len(r.ports) == 0 || slices.Contains(r.ports, p)
}

// expired: a rule holds until its moment, not at it.
func (r *rule) expired(now time.Time) bool {
	return !r.expires.IsZero() && !now.Before(r.expires)
}

// said has a text for each port; two rules that share one say something twice.
func (r *rule) said() []string {
	what := r.host.text
	if len(r.binaries)+len(r.http) > 0 || !r.cred.isZero() {
		sorted := slices.Sorted(slices.Values(r.binaries))
		what = strings.Join(append(sorted, r.host.text, httpText(shownHTTP(r.http)), r.cred.String()), "\x00")
	}
	ports := r.ports
	if len(ports) == 0 {
		ports = []Port{0} // for every port
	}
	keys := make([]string, len(ports))
	for i, port := range ports {
		keys[i] = what + "\x00" + strconv.Itoa(int(port))
	}
	return keys
}

// equal compares what two rules say, not where they stand.
func (r *rule) equal(o *rule) bool {
	return r.action == o.action && r.host == o.host && slices.Equal(r.ports, o.ports) && r.list == o.list &&
		slices.Equal(r.binaries, o.binaries) && slices.Equal(r.addresses, o.addresses) &&
		r.expires.Equal(o.expires) && r.note == o.note && r.sameHTTP(o)
}

// sameHTTP: the two allow the same requests, with the same credential.
func (r *rule) sameHTTP(o *rule) bool {
	return r.cred == o.cred && slices.EqualFunc(shownHTTP(r.http), shownHTTP(o.http), Requests.equal)
}
