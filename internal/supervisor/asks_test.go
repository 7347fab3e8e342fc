package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/approval"
	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/gate/egress"
	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

const hold = 8 * time.Second

func curlTo(host string) egress.Question {
	return egress.Question{Host: policy.Host(host), Port: 443, Program: policy.Program{Exe: "/usr/bin/curl", Known: true}}
}

type kept struct {
	items []approval.Item
	err   error
}

func (k *kept) keep(i approval.Item, _ bool, _ string) error {
	k.items = append(k.items, i)
	return k.err
}

func desk(t *testing.T, k *kept) *asks {
	return asksOf(t, &asks{file: filepath.Join(t.TempDir(), "approvals.json"), hold: func() time.Duration { return hold }, record: func(audit.Event) {}, keep: k.keep})
}

// asksOf goes on with what another has saved.
func asksOf(t *testing.T, like *asks) *asks {
	t.Helper()
	a, err := newAsks(like.file, like.hold, like.record, like.keep)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Questions of a later nemoclaw are neither read nor written over, whatever else
// has changed in them; damaged ones are asked again.
func TestQuestionsOfANewerVersion(t *testing.T) {
	file := filepath.Join(t.TempDir(), "approvals.json")
	for text, refused := range map[string]bool{`{"v":2,"items":"elsewhere"}`: true, `{"v":1,"items":"damaged"}`: false, "": false} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := newAsks(file, func() time.Duration { return hold }, func(audit.Event) {}, (&kept{}).keep)
		if newer := (*state.Newer)(nil); errors.As(err, &newer) != refused || (err != nil) != refused {
			t.Errorf("%q: %v", text, err)
		}
	}
}

type outcome struct {
	allow bool
	why   string
	done  func(through bool)
	took  time.Duration
}

// ask puts a question in the background, as the gate does, and waits until it
// is at the desk.
func ask(ctx context.Context, a *asks, q egress.Question) <-chan outcome {
	out := make(chan outcome, 1)
	go func() {
		began := time.Now()
		allow, why, done := a.Ask(ctx, q)
		out <- outcome{allow, why, done, time.Since(began)}
	}()
	synctest.Wait()
	return out
}

func TestAsk(t *testing.T) {
	allow := control.Answer{Verdict: "allow", Scope: "once"}
	deny := control.Answer{Verdict: "deny", Scope: "once"}
	for name, c := range map[string]struct {
		answer control.Answer
		want   bool
	}{
		"allowed": {allow, true},
		"denied":  {deny, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := desk(t, &kept{})
				held := ask(t.Context(), a, curlTo("a.example"))
				if l := a.List(); len(l) != 1 || l[0].Held != 1 || l[0].State != "pending" {
					t.Fatalf("the operator sees %+v; want one question that waits", l)
				}
				time.Sleep(3 * time.Second)
				if _, _, err := a.Answer(a.List()[0].ID, c.answer, "me (uid 1000)"); err != nil {
					t.Fatal(err)
				}
				got := <-held
				if got.allow != c.want || got.took != 3*time.Second {
					t.Errorf("after 3 s the answer is %+v; want %v at once", got, c.want)
				}
			})
		})
	}
}

// Where a program asks for an address, the address is where it goes.
func TestQuestionsSayWhereTo(t *testing.T) {
	at := netip.MustParseAddr("203.0.113.9")
	for _, c := range []struct {
		item          approval.Item
		host, address string
	}{
		{approval.Item{Question: approval.Question{Host: "a.example", Port: 443}}, "a.example", ""},
		{approval.Item{Question: approval.Question{Port: 443, Addr: at}}, "203.0.113.9", ""},
		{approval.Item{Question: approval.Question{Host: "a.example", Port: 443, Addr: at}}, "a.example", "203.0.113.9"},
	} {
		if s := shown(c.item); s.Host != c.host || s.Address != c.address {
			t.Errorf("%+v is shown as %q at %q", c.item, s.Host, s.Address)
		}
	}
}

// "Once" lets one connection through, not two.
func TestOnceIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := desk(t, &kept{})
		first, second := ask(t.Context(), a, curlTo("a.example")), ask(t.Context(), a, curlTo("a.example"))
		if _, _, err := a.Answer(a.List()[0].ID, control.Answer{Verdict: "allow", Scope: "once"}, "me (uid 1000)"); err != nil {
			t.Fatal(err)
		}
		one, two := <-first, <-second
		if one.allow == two.allow {
			t.Errorf("of two that waited: %v and %v; want one", one, two)
		}
	})
}

// An allowed connection that then failed leaves the grant to its retry.
func TestFailedConnectionGivesItsGrantBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := desk(t, &kept{})
		held := ask(t.Context(), a, curlTo("a.example"))
		if _, _, err := a.Answer(a.List()[0].ID, control.Answer{Verdict: "allow", Scope: "once"}, "me (uid 1000)"); err != nil {
			t.Fatal(err)
		}
		(<-held).done(false)
		retry := <-ask(t.Context(), a, curlTo("a.example"))
		if !retry.allow {
			t.Fatalf("the retry: %+v; want it allowed", retry)
		}
		retry.done(true)
		again := ask(t.Context(), a, curlTo("a.example"))
		if l := a.List(); l[0].State != "pending" {
			t.Errorf("after it got through the next one is %s; want it asked", l[0].State)
		}
		<-again
	})
}

// A question outlives its connection: nobody answered, the program failed
// after the hold, and the next one fails at once until somebody does.
func TestNobodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := desk(t, &kept{})
		if got := <-ask(t.Context(), a, curlTo("a.example")); got.allow || got.took != hold {
			t.Fatalf("without an answer: %+v; want a refusal after the hold", got)
		}
		if got := <-ask(t.Context(), a, curlTo("a.example")); got.allow || got.took != 0 {
			t.Fatalf("the next one: %+v; want a refusal at once", got)
		}
		if _, _, err := a.Answer(a.List()[0].ID, control.Answer{Verdict: "allow", Scope: "once"}, "me (uid 1000)"); err != nil {
			t.Fatal(err)
		}
		if got := <-ask(t.Context(), a, curlTo("a.example")); !got.allow {
			t.Errorf("its retry after the answer: %+v; want it allowed", got)
		}
	})
}

// A program that gave up is not let through later; the question stays.
func TestProgramGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := desk(t, &kept{})
		ctx, leave := context.WithCancel(t.Context())
		held := ask(ctx, a, curlTo("a.example"))
		leave()
		if got := <-held; got.allow || got.took != 0 {
			t.Errorf("it left: %+v; want a refusal at once", got)
		}
		if l := a.List(); len(l) != 1 || l[0].Held != 0 {
			t.Errorf("the operator sees %+v; want the question, with nothing that waits", l)
		}
	})
}

// "Always" is written before it counts: a policy file that cannot be edited
// leaves the connection waiting.
func TestAlwaysIsWrittenFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &kept{err: errors.New("no space left on device")}
		a := desk(t, k)
		held := ask(t.Context(), a, curlTo("a.example"))
		id := a.List()[0].ID
		always := control.Answer{Verdict: "allow", Scope: "always"}
		if _, _, err := a.Answer(id, always, "me (uid 1000)"); err == nil {
			t.Error("an answer that was not written is accepted")
		}
		if a.List()[0].State != "pending" {
			t.Errorf("the question is %s; want it pending", a.List()[0].State)
		}
		k.err = nil
		if _, edited, err := a.Answer(id, always, "me (uid 1000)"); err != nil || !edited || k.items[1].Host != "a.example" {
			t.Errorf("with room: %v, edited %v, %+v", err, edited, k.items)
		}
		if got := <-held; !got.allow {
			t.Errorf("what waited: %+v; want it allowed", got)
		}
	})
}

// What was asked before a restart is still asked after it, and what nobody
// answered opens nothing.
func TestQuestionsSurviveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := desk(t, &kept{})
		<-ask(t.Context(), a, curlTo("a.example"))
		a.save()
		b := asksOf(t, a)
		if l := b.List(); len(l) != 1 || l[0].Host != "a.example" || l[0].ID != a.List()[0].ID {
			t.Errorf("after a restart the operator sees %+v", l)
		}
		if got := <-ask(t.Context(), b, curlTo("a.example")); got.allow {
			t.Error("a restart allowed what nobody answered")
		}
	})
}

// A thousand questions wait at a time, each can be answered, and all are there
// after a restart; a flood beyond them is refused at once and displaces none.
func TestThousandQuestionsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := desk(t, &kept{})
		ctx, leave := context.WithCancel(t.Context())
		held := make([]<-chan outcome, pendingLimit)
		for i := range held {
			out := make(chan outcome, 1)
			held[i] = out
			go func() {
				allow, why, done := a.Ask(ctx, curlTo(fmt.Sprintf("h%d.example", i)))
				out <- outcome{allow: allow, why: why, done: done}
			}()
		}
		synctest.Wait()
		for i := range 100_000 {
			if allow, why, _ := a.Ask(ctx, curlTo(fmt.Sprintf("flood%d.example", i))); allow || !strings.Contains(why, "no more are taken") {
				t.Fatalf("beyond: %v (%s)", allow, why)
			}
		}
		list := a.List()
		if len(list) != pendingLimit {
			t.Fatalf("%d questions wait", len(list))
		}
		for _, q := range list[:3] {
			if _, _, err := a.Answer(q.ID, control.Answer{Verdict: "allow", Scope: "once"}, "me"); err != nil {
				t.Fatal(err)
			}
			i, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(q.Host, "h"), ".example"))
			if got := <-held[i]; !got.allow {
				t.Errorf("%s: %s", q.Host, got.why)
			}
		}
		leave()
		synctest.Wait()
		a.save()
		b := asksOf(t, a)
		if n := len(b.List()); n != pendingLimit {
			t.Errorf("%d questions after a restart", n)
		}
	})
}

// A rule that came from an answer says who gave it, when, and to whom. However
// the program is called, the file can be edited and says so in one line.
func TestAnsweredRuleSaysWhose(t *testing.T) {
	at := time.Date(2026, 11, 27, 11, 42, 3, 0, time.UTC)
	for _, c := range []struct {
		program string
		allow   bool
		note    string
	}{
		{"/usr/bin/curl", true, "allowed by me (uid 1000) on 2026-11-27 11:42 UTC, asked for by /usr/bin/curl"},
		{"/usr/bin/curl", false, "denied by uid 1000 on 2026-11-27 11:42 UTC, asked for by /usr/bin/curl"},
		{"/tmp/a\x1b[2J\n- host: x\u202e", true, `allowed by me (uid 1000) on 2026-11-27 11:42 UTC, asked for by /tmp/a\x1b[2J\n- host: x\u202e`},
	} {
		e, err := entryOf(approval.Item{Question: approval.Question{Host: "a.example", Port: 443, Program: c.program}}, c.allow, "me (uid 1000)", at)
		if err != nil || e.Note != c.note {
			t.Errorf("note %q, %v", e.Note, err)
		}
		text, err := policy.AddRule([]byte("egress: []\n"), e)
		if err != nil {
			t.Fatal(err)
		}
		p, err := policy.Parse("p", text)
		if err != nil || p.Rules() != 1 || p.List()[0].Note != c.note {
			t.Errorf("%s: %v", text, err)
		}
	}
	long, err := entryOf(approval.Item{Question: approval.Question{Host: "a.example", Port: 443, Program: "/" + strings.Repeat("x", 4000)}}, true, "me", at)
	if err != nil || len(long.Note) > 300 {
		t.Errorf("a note of %d bytes, %v", len(long.Note), err)
	}
}

func TestParseAnswer(t *testing.T) {
	for _, bad := range []control.Answer{
		{}, {Verdict: "allow"}, {Verdict: "yes", Scope: "once"}, {Verdict: "allow", Scope: "ever"},
		{Verdict: "allow", Scope: "for"}, {Verdict: "allow", Scope: "for", Seconds: -1}, {Verdict: "deny", Scope: "for", Seconds: 9},
	} {
		if a, err := parseAnswer(bad); err == nil {
			t.Errorf("parseAnswer(%+v) = %+v; want a refusal", bad, a)
		}
	}
	if a, err := parseAnswer(control.Answer{Verdict: "allow", Scope: "for", Seconds: 3600}); err != nil || !a.Allow || a.For != time.Hour {
		t.Errorf("allow for an hour: %+v, %v", a, err)
	}
}
