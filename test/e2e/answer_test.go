package e2e

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
)

// asking asks about everything unlisted, as long as a policy may hold.
const asking = article + "hold: 9s\n"

const newcomer = "new.example.com"

// ask begins to ask for a page of the newcomer's and waits until it is held.
func (b *box) ask(path string) (*running, string) {
	b.Helper()
	r := b.start("curl", "-sS", "--fail", "https://"+newcomer+path)
	return r, b.held(newcomer).ID
}

func TestUnlistedIsHeldAndAllowedOnce(t *testing.T) {
	b := newShell(t, asking)
	r, id := b.ask("/first")
	q := b.held(newcomer)
	if q.Port != 443 || q.Program != "/usr/bin/curl" || q.Time.IsZero() {
		t.Errorf("asked: %+v", q)
	}
	nothing(t, b, newcomer)
	b.do("approvals", "allow", id, "--once")
	if e := b.end(r); e.code != 0 || !strings.Contains(e.out, "/first") {
		t.Errorf("the held one: %s", e)
	}
	if a := b.world.To(newcomer); len(a) != 1 || a[0].SNI != newcomer {
		t.Errorf("arrived: %+v", a)
	}

	// The grant is used up: the next one is asked about again.
	r, id = b.ask("/second")
	b.do("approvals", "deny", id)
	if e := b.end(r); e.code == 0 {
		t.Errorf("denied: %s", e)
	}
	if a := b.world.To(newcomer); len(a) != 1 {
		t.Errorf("arrived: %+v", a)
	}
	if b.text(b.policyFile()) != asking {
		t.Error("an answer for once changed the policy file")
	}
	for _, verdict := range []string{"ask", "allow", "deny"} {
		b.event("approval: "+verdict, func(e audit.Event) bool {
			return e.Kind == audit.Approval && e.Verdict == verdict && e.Target == newcomer+":443"
		})
	}
}

func TestAllowAlwaysIsARuleInTheFile(t *testing.T) {
	b := newShell(t, asking)
	r, id := b.ask("/")
	b.do("approvals", "allow", id, "--always")
	if e := b.end(r); e.code != 0 {
		t.Errorf("the held one: %s", e)
	}
	text := b.text(b.policyFile())
	for _, want := range []string{"# mine, with a word at the end\n", "  # the API\n", newcomer} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	b.do("restart")
	if e := b.exec("curl", "-fsS", "https://"+newcomer+"/"); e.code != 0 {
		t.Errorf("from now on: %s", e)
	}
}

func TestDenyAlwaysIsARuleInTheFile(t *testing.T) {
	b := newShell(t, asking)
	r, id := b.ask("/")
	b.do("approvals", "deny", id, "--always")
	if e := b.end(r); e.code == 0 {
		t.Errorf("the held one: %s", e)
	}
	text := b.text(b.policyFile())
	_, denied, _ := strings.Cut(text, "deny:")
	if !strings.Contains(denied, newcomer) || !strings.Contains(text, "# the API") {
		t.Errorf("the file:\n%s", text)
	}
	if e := b.exec("curl", "-fsS", "https://"+newcomer+"/"); e.code == 0 {
		t.Errorf("from now on: %s", e)
	}
	b.event("a refusal by the new rule", func(e audit.Event) bool {
		return refusalOf(newcomer+":443")(e) && strings.Contains(e.Rule, newcomer)
	})
	nothing(t, b, newcomer)
}

func TestAllowForATime(t *testing.T) {
	b := newShell(t, asking)
	r, id := b.ask("/")
	b.do("approvals", "allow", id, "--for", "1h")
	if e := b.end(r); e.code != 0 {
		t.Errorf("the held one: %s", e)
	}
	if e := b.exec("curl", "-fsS", "https://"+newcomer+"/again"); e.code != 0 {
		t.Errorf("within the time: %s", e)
	}
	if b.text(b.policyFile()) != asking {
		t.Error("an answer for a time changed the policy file")
	}
	for _, q := range b.approvals() {
		if q.ID == id && (q.State != "until" || q.Until.IsZero()) {
			t.Errorf("%+v", q)
		}
	}
}

func TestAllowForATimeEnds(t *testing.T) {
	b := newShell(t, asking)
	r, id := b.ask("/")
	b.do("approvals", "allow", id, "--for", "1s")
	b.end(r)
	b.await("the end of the grant", func() bool {
		for _, q := range b.approvals() {
			if q.ID == id {
				return q.State != "until"
			}
		}
		return true
	})
	r, id = b.ask("/again")
	b.do("approvals", "deny", id)
	if e := b.end(r); e.code == 0 {
		t.Errorf("after the time: %s", e)
	}
}

func TestNobodyAnswers(t *testing.T) {
	b := newShell(t, article+"hold: 1s\n")
	curl := []string{"curl", "-fsS", "https://" + newcomer + "/"}
	r := b.exec(curl...)
	if r.code == 0 {
		t.Error(r)
	}
	b.event("nobody answered", func(e audit.Event) bool {
		return refusalOf(newcomer+":443")(e) && strings.Contains(e.Why, "nobody answered")
	})
	nothing(t, b, newcomer)

	// The question outlives the connection, and its answer serves the retry.
	var id string
	for _, q := range b.approvals() {
		if q.Host == newcomer && q.State == "pending" && q.Held == 0 {
			id = q.ID
		}
	}
	if id == "" {
		t.Fatalf("%+v", b.approvals())
	}
	if r := b.exec(curl...); r.code == 0 {
		t.Errorf("before the answer: %s", r)
	}
	nothing(t, b, newcomer)
	b.do("approvals", "allow", id)
	if r := b.exec(curl...); r.code != 0 {
		t.Errorf("after the answer: %s", r)
	}
}

// A name that is allowed suddenly has an address of the operator's own network.
func TestAllowedNameWithAPrivateAddress(t *testing.T) {
	b := newShell(t, asking)
	private := netip.MustParseAddr("192.168.1.10")
	b.world.Answer("api.github.com", []netip.Addr{private})
	curl := []string{"curl", "-fsS", "https://api.github.com/"}
	r := b.start(curl...)
	q := b.held("api.github.com")
	if q.Address != private.String() {
		t.Errorf("asked: %+v", q)
	}
	b.do("approvals", "deny", q.ID)
	if e := b.end(r); e.code == 0 {
		t.Errorf("denied: %s", e)
	}
	if a := b.world.To(private.String()); len(a) > 0 {
		t.Errorf("dialled: %+v", a)
	}

	// What no rule can list is not asked about.
	b.world.Answer("second.example.org", []netip.Addr{netip.MustParseAddr("0.0.0.0")})
	if r := b.exec("curl", "-fsS", "https://second.example.org/"); r.code == 0 {
		t.Error(r)
	}
	b.event("refused for its address", refusalOf("second.example.org:443"))

	// The name's true address is as good as ever.
	b.world.Answer("api.github.com", []netip.Addr{netip.MustParseAddr("140.82.121.6")})
	if r := b.exec(curl...); r.code != 0 {
		t.Errorf("a public address: %s", r)
	}
}

func TestPrivateAddressAllowedAlways(t *testing.T) {
	b := newShell(t, asking)
	b.world.Answer("api.github.com", []netip.Addr{netip.MustParseAddr("192.168.1.10")})
	r := b.start("curl", "-fsS", "https://api.github.com/")
	b.do("approvals", "allow", b.held("api.github.com").ID, "--always")
	if e := b.end(r); e.code != 0 {
		t.Errorf("the held one: %s", e)
	}
	if text := b.text(b.policyFile()); !strings.Contains(text, "192.168.1.10") {
		t.Errorf("the file:\n%s", text)
	}
	if e := b.exec("curl", "-fsS", "https://api.github.com/"); e.code != 0 {
		t.Errorf("from now on: %s", e)
	}
}

// A program that gives up before the answer is told of in the book.
func TestClientGivesUp(t *testing.T) {
	b := newShell(t, asking)
	if r := b.exec("curl", "-sS", "-m", "1", "https://"+newcomer+"/"); r.code == 0 {
		t.Error(r)
	}
	e := b.event("that it gave up", func(e audit.Event) bool {
		return e.Kind == audit.Network && e.Target == newcomer+":443"
	})
	if e.Verdict != "ask" || e.Program != "/usr/bin/curl" || !strings.Contains(e.Why, "gave up") {
		t.Errorf("%+v", e)
	}
	nothing(t, b, newcomer)
}

// What was allowed for an hour is allowed after a restart, to the same program,
// host and port alone; what nobody answered is still asked.
func TestAnswersSurviveARestart(t *testing.T) {
	b := newShell(t, asking)
	r, id := b.ask("/")
	b.do("approvals", "allow", id, "--for", "1h")
	if got := b.end(r); got.code != 0 {
		t.Fatal(got)
	}
	open := b.start("curl", "-sS", "https://later.example.org/")
	asked := b.held("later.example.org").ID
	b.do("restart")
	b.endOf(open)
	if got := b.exec("curl", "-fsS", "https://"+newcomer+"/"); got.code != 0 {
		t.Errorf("within its hour: %s", got)
	}
	if got := b.exec("python3", "-c", "import urllib.request; urllib.request.urlopen('https://"+newcomer+"/', timeout=2)"); got.code == 0 {
		t.Errorf("another program: %s", got)
	}
	still := false
	for _, q := range b.approvals() {
		still = still || q.ID == asked && q.State == "pending" && q.Held == 0
	}
	if !still {
		t.Errorf("the question of before: %+v", b.approvals())
	}
}

// When nobody watches, the operator's own command is run with the question, and
// the answer that it names lets the connection through. While a view is open it
// is not run.
func TestNotifiedWhenNobodyWatches(t *testing.T) {
	b := newShell(t, "unlisted: ask\n")
	heard := b.file("heard")
	b.save(b.file("sandbox.yaml"), b.text(b.file("sandbox.yaml"))+fmt.Sprintf("notify: [/bin/sh, -c, %q]\n", "cat >> "+heard))
	b.do("rebuild")

	r := b.start("curl", "-fsS", "https://asked.example.org/")
	var q struct{ Sandbox, ID, Host, Program, Allow string }
	b.await("the command that is told", func() bool {
		text, _ := os.ReadFile(heard)
		return json.Unmarshal(text, &q) == nil
	})
	if q.Host != "asked.example.org" || q.Program != "/usr/bin/curl" || q.Sandbox != b.name {
		t.Errorf("%+v", q)
	}
	b.must(strings.Fields(q.Allow)[1:]...)
	if got := b.end(r); got.code != 0 {
		t.Errorf("allowed by the words that it was told: %s", got)
	}

	stream, err := control.Dial(b.file("run/control.sock")).View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r = b.start("curl", "-fsS", "https://watched.example.org/")
	b.do("approvals", "deny", b.held("watched.example.org").ID)
	b.end(r)
	stream.Close()
	r = b.start("curl", "-fsS", "https://unwatched.example.org/")
	b.await("told again", func() bool { return strings.Contains(b.text(heard), "unwatched.example.org") })
	if strings.Contains(b.text(heard), `"watched.example.org`) {
		t.Errorf("told of what a view shows: %s", b.text(heard))
	}
	b.do("approvals", "deny", b.held("unwatched.example.org").ID)
	b.end(r)
}
