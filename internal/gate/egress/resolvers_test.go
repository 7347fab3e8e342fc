package egress

import (
	"os/exec"
	"strings"
	"testing"
)

// TestResolvers: the resolvers that programs use get what they understand:
// addresses, by UDP and TCP, through a search list too; the name of an address
// that the gate gave; "no data" for records that it has not; and "no such name"
// for a single label that no rule lists. Nothing is asked outside.
func TestResolvers(t *testing.T) {
	const script = `import socket
a = socket.getaddrinfo("api.github.com", 443)[0][4][0]
print("at", a, "named", socket.gethostbyaddr(a)[0])`
	const node = `const d = require("dns").promises;
(async () => {
	const [a] = await d.resolve4("api.github.com");
	console.log("at", a, "same", (await d.lookup("api.github.com", {family: 4})).address == a, "named", (await d.reverse(a))[0]);
	for (const [what, ask] of Object.entries({srv: () => d.resolveSrv("_x._tcp.api.github.com"), txt: () => d.resolveTxt("api.github.com"), label: () => d.resolve4("printer")}))
		await ask().then(() => console.log(what, "answered"), e => console.log(what, e.code));
})()`
	for _, c := range []struct {
		name string
		argv []string
		says []string
	}{
		{"glibc", []string{"getent", "ahosts", "api.github.com"}, []string{"198.1", "api.github.com"}},
		{"glibc by TCP", []string{"env", "RES_OPTIONS=use-vc", "getent", "ahosts", "api.github.com"}, []string{"198.1"}},
		{"glibc, a search list", []string{"env", "LOCALDOMAIN=corp.example", "getent", "ahosts", "printer"}, []string{"198.1", "printer.corp.example"}},
		{"glibc, a single label", []string{"sh", "-c", "getent ahosts printer || echo code $?"}, []string{"code 2"}},
		{"Python", []string{"python3", "-c", script}, []string{"at 198.1", "named api.github.com"}},
		{"Node", []string{"node", "-e", node}, []string{"at 198.1", "same true", "named api.github.com", "srv ENODATA", "txt ENODATA", "label ENOTFOUND"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := exec.LookPath(c.argv[0]); err != nil {
				t.Skip("needs " + c.argv[0])
			}
			b := newBench(t, github, nil)
			out, err := b.inside.Run(c.argv...)
			for _, word := range c.says {
				if !strings.Contains(out, word) {
					t.Errorf("no %q: %s, %v", word, out, err)
				}
			}
			if q := b.world.Queries(); len(q) > 0 {
				t.Errorf("left the host: %+v", q)
			}
		})
	}
}
