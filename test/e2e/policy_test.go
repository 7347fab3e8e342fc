package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
)

func TestSavedPolicyAppliesAtOnce(t *testing.T) {
	b := newShell(t, "unlisted: deny\n")
	curl := []string{"curl", "-fsS", "https://api.github.com/"}
	if r := b.exec(curl...); r.code == 0 {
		t.Fatal(r)
	}
	b.save(b.policyFile(), article) // and nothing else
	b.await("the saved policy in force", func() bool { return b.exec(curl...).code == 0 })
	if st := b.status(); st.NetworkPolicy.Rules != 3 || st.NetworkPolicy.Error != "" {
		t.Errorf("%+v", st.NetworkPolicy)
	}
}

func TestMistakeInThePolicyOpensNothing(t *testing.T) {
	b := newShell(t, article+"unlisted: deny\n")
	before := b.status().NetworkPolicy
	mistake := "egress:\n  - host: \"new.example.com\"\n    prot: 443\n"
	b.save(b.policyFile(), mistake)
	const where = `network-policy.yaml:3:5: unknown key "prot"`
	b.refuses(1, []string{where, `did you mean "port"`}, "box", "reload-policy")

	r := b.nemoclaw("box", "status")
	if r.code != 1 || !strings.Contains(r.out, where) {
		t.Error(r)
	}
	if st := b.status(); st.NetworkPolicy.Error == "" || st.NetworkPolicy.Revision != before.Revision || st.Healthy {
		t.Errorf("%+v", st.NetworkPolicy)
	}
	if r := b.exec("curl", "-fsS", "https://new.example.com/"); r.code == 0 {
		t.Errorf("it opened something: %s", r)
	}
	nothing(t, b, "new.example.com")
	if r := b.exec("curl", "-fsS", "https://api.github.com/"); r.code != 0 {
		t.Errorf("the last good policy: %s", r)
	}
	b.event("the refused reload", func(e audit.Event) bool { return e.Kind == audit.Reload && e.Verdict == "deny" })

	b.save(b.policyFile(), article)
	b.await("all well again", func() bool { return b.status().NetworkPolicy.Error == "" })
}

// A sandbox whose policy is broken while it is down says so and stays down.
func TestMistakeWhileStopped(t *testing.T) {
	b := newShell(t, article)
	b.do("stop")
	b.save(b.policyFile(), "egress:\n  - host: api.github.com\n    port: 65536\n")
	b.refuses(1, []string{"network-policy.yaml:3:11: port: 65536", "1 to 65535"}, "box", "start")
	if st := b.status(); st.State == "running" {
		t.Errorf("%+v", st)
	}
	b.save(b.policyFile(), article)
	b.do("start")
}

// talk connects, says that it is up, and answers each line with the server's
// echo of it, until the connection is cut.
const talk = `
import socket, sys
s = socket.create_connection((sys.argv[1], 7000))
print("up", flush=True)
try:
    s.sendall(b"first\n")
    print(s.recv(100).decode().strip(), flush=True)
    if len(sys.argv) > 2:
        print("got", repr(s.recv(100)), flush=True)
    for line in sys.stdin:
        s.sendall(line.encode())
        print(s.recv(100).decode().strip(), flush=True)
except OSError as e:
    print("cut", e, flush=True)
`

func TestRemovedRuleCutsItsConnectionsAlone(t *testing.T) {
	const rest = "egress:\n  - host: stays.example.org\n    port: 7000\n"
	b := newShell(t, rest+"  - host: goes.example.org\n    port: 7000\nunlisted: deny\n")
	b.needs("python3")
	stays := b.start("python3", "-c", talk, "stays.example.org")
	goes := b.start("python3", "-c", talk, "goes.example.org", "and wait")
	b.sees(stays, "first")
	b.sees(goes, "first")
	began := time.Now()
	b.save(b.policyFile(), rest+"unlisted: deny\n")
	b.sees(goes, "cut")
	t.Logf("cut after %s", time.Since(began).Round(time.Millisecond))
	if _, err := stays.in.Write([]byte("second\n")); err != nil {
		t.Error(err)
	}
	b.sees(stays, "second")
	stays.in.Close()
	if r := b.end(stays); r.code != 0 || strings.Contains(r.out, "cut") {
		t.Error(r)
	}
	b.end(goes)
}

func TestOtherProtocolsAreRefused(t *testing.T) {
	b := newShell(t, article)
	b.needs("python3")
	before := b.world.Packets(t)
	r := b.exec("python3", "-c", `
import socket
for kind, proto, to in ((socket.SOCK_DGRAM, 0, ("8.8.8.8", 4242)), (socket.SOCK_DGRAM, socket.IPPROTO_ICMP, ("8.8.4.4", 0)), (socket.SOCK_RAW, socket.IPPROTO_ICMP, ("8.8.4.4", 0))):
    try:
        s = socket.socket(socket.AF_INET, kind, proto)
        s.settimeout(20)
        s.connect(to)
        for _ in range(2):
            s.send(b"\x08\x00\xf7\xff\x00\x00\x00\x00")
        s.recv(100)
        print("open")
    except TimeoutError:
        print("silent")
    except OSError as e:
        print("refused")
`)
	if r.out != "refused\nrefused\nrefused\n" {
		t.Error(r)
	}
	e := b.event("the datagram", func(e audit.Event) bool {
		return e.Verdict == "deny" && e.Wall == "network" && strings.Contains(e.Target, "8.8.8.8") && strings.Contains(e.Target, "4242")
	})
	if e.Why == "" {
		t.Errorf("%+v", e)
	}
	b.event("the raw socket", func(e audit.Event) bool {
		return e.Kind == audit.Syscall && e.Verdict == "deny" && strings.HasPrefix(e.Target, "socket")
	})
	if after := b.world.Packets(t); after.UDP != before.UDP || after.ICMP != before.ICMP {
		t.Errorf("packets left: before %+v, after %+v", before, after)
	}
	// Positive control: outside of the walls a datagram is sent.
	tool(t, "bash", "-c", "echo x > /dev/udp/8.8.8.8/4242")
	if after := b.world.Packets(t); after.UDP == before.UDP {
		t.Error("the control's datagram was not counted")
	}
}

func TestExplainSaysWhatTheGateDoes(t *testing.T) {
	b := newShell(t, asking)
	for host, want := range map[string]string{"api.github.com": "allow", "suspicious-host.com": "deny", newcomer: "ask"} {
		var v struct{ Verdict, Rule, Why string }
		r := b.nemoclaw("box", "policy", "explain", host+":443", "--json")
		if err := json.Unmarshal([]byte(r.out), &v); err != nil || v.Verdict != want || v.Why == "" {
			t.Errorf("%s: %v", r, err)
		}
	}
}

func TestModelAPIsOutsideAreRefused(t *testing.T) {
	b := newShell(t, asking)
	if r := b.exec("curl", "-fsS", "https://api.openai.com/v1/models"); r.code == 0 {
		t.Error(r)
	}
	e := b.event("the refusal", refusalOf("api.openai.com:443"))
	if !strings.Contains(e.Why, "model") {
		t.Errorf("%+v", e)
	}
	nothing(t, b, "api.openai.com")
}
