package term

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

var update = flag.Bool("update", false, "write the screens of testdata anew")

// story is one event of each kind that matters.
func story() []audit.Event {
	all := []audit.Event{
		{Kind: audit.Start, Verdict: "allow", Target: "openclaw@0.4.1", Proofs: []audit.Proof{{Wall: "network", Tried: "list interfaces", Got: "lo"}}},
		{Kind: audit.Agent, Verdict: "healthy", Program: "openclaw"},
		{Kind: audit.Network, Verdict: "allow", Target: "api.github.com:443", Program: "/usr/bin/curl", Rule: "allow api.github.com:443 (line 3)", Why: "a rule lists it"},
		{Kind: audit.Inference, Verdict: "allow", Target: "ollama/qwen3:8b", Program: "/usr/bin/node", Call: &audit.Call{
			API: "ollama", Path: "/api/chat", Asked: "qwen3:8b", Given: "ollama/qwen3:8b", Status: 200, Tools: []string{"exec"}, TokensIn: 812, TokensOut: 40,
			Duration: 1240, FirstToken: 310, Prompt: `[{"role":"user","content":"summarise my last 5 tasks"}]`, Answer: "They are:\n1. …"}},
		{Kind: audit.Syscall, Wall: "process", Verdict: "deny", Target: "mount", Program: "/sandbox/tool", PID: 71, Why: "the process wall refuses this system call"},
		{Kind: audit.Network, Verdict: "deny", Target: "tracker.example.net:443", Program: "/usr/bin/node", Why: "a deny rule lists it", Count: 3},
		{Kind: audit.Reload, Wall: "network", Verdict: "allow", By: "file", Target: "network-policy.yaml", Rule: "revision 0123456789ab", Count: 1},
		{Kind: audit.Approval, Verdict: "ask", ID: "a2a2", Target: "suspicious-host.com:443", Program: "/usr/bin/curl"},
		{Kind: audit.Approval, Verdict: "allow", By: "neel (uid 1000)", ID: "b3b3", Target: "other.example.com:443", Program: "/usr/bin/curl", Why: "always"},
	}
	for i := range all {
		all[i].Seq, all[i].Time = uint64(i+1), noon().Add(time.Duration(i-8)*time.Second)
	}
	return all
}

// The screens as an operator sees them, without colour.
func TestScreens(t *testing.T) {
	for name, play := range map[string]func(*stage){
		"empty": func(s *stage) { s.tell(found{}) },
		"idle":  func(s *stage) { s.tell(happened{box, story(), true}) },
		"alert": func(s *stage) {
			s.tell(happened{box, story(), true})
			s.tell(asked{box, []control.Approval{suspicious()}})
			s.later(time.Second)
		},
		"speaking": func(s *stage) {
			s.tell(happened{box, story(), true})
			s.tell(speaking{box, control.Underway{ID: 1, Time: noon(), Given: "ollama/qwen3:8b", Millis: 3170, Answer: "They are:\n1. water the plants, and 2. what \x1b[2Jnobody wrote"}})
			s.tell(speaking{box, control.Underway{ID: 2, Time: noon(), Given: "nvidia/other"}})
			s.tell(speaking{box, control.Underway{ID: 3, Time: noon(), Given: "nvidia/ended"}})
			s.tell(speaking{box, control.Underway{ID: 3, Ended: true}})
		},
		"alert-new": func(s *stage) { s.tell(asked{box, []control.Approval{suspicious()}}) },
		"queue":     queue,
		"queue-low": func(s *stage) { queue(s); s.tell(tea.WindowSizeMsg{Width: 60, Height: 12}) },
		"queue-big": func(s *stage) { queue(s); s.tell(tea.WindowSizeMsg{Width: 120, Height: 36}) },
		"button": func(s *stage) {
			s.tell(asked{box, []control.Approval{suspicious()}})
			s.later(time.Second)
			s.press("right", "right")
		},
		"sandboxes": troubles,
		"sandbox":   func(s *stage) { s.press("tab", "i") },
		"question": func(s *stage) {
			s.tell(asked{box, []control.Approval{suspicious()}})
			s.tell(tea.WindowSizeMsg{Width: 80, Height: 30})
			s.later(time.Second)
			s.press("i")
		},
		"call": func(s *stage) {
			s.tell(happened{box, story(), true})
			s.press("4", "enter")
		},
		"filter": func(s *stage) { s.tell(happened{box, story(), true}); s.press("1", "/", "c", "u", "r", "l") },
		"help":   func(s *stage) { s.press("?") },
		"policy": func(s *stage) {
			s.tell(happened{box, story(), true})
			s.press("home", "down", "down")
			s.tell(policySheet(box, "testdata/policy.yaml", s.lineOf()))
		},
		"answered": func(s *stage) {
			s.tell(asked{box, []control.Approval{suspicious()}})
			s.later(time.Second)
			s.press("o")
			s.tell(answered{to: s.sent[0].to, word: s.sent[0].word, now: suspicious()})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, box)
			play(s)
			golden(t, name, s.draw())
		})
	}
}

// queue is four questions of two sandboxes; one is about a private address,
// one looks like another host.
func queue(s *stage) {
	s.tell(found{names: append(s.order, "other")})
	s.tell(attached{"other"})
	s.tell(standing{"other", healthy("other"), 0})
	private, spoof, literal := another("b3b3", 1), another("c4c4", 0), another("d5d5", 1)
	private.Host, private.Address, private.Count = "api.github.com", "192.168.1.10", 4
	spoof.Host, spoof.Notice = "xn--pple-43d.com", "punycode: a browser shows “аpple.com”, which can look like another host"
	literal.Host, literal.Address, literal.Program = "", "203.0.113.9", "/sandbox/tool"
	s.tell(asked{box, []control.Approval{suspicious(), private}})
	s.tell(asked{"other", []control.Approval{spoof, literal}})
	s.later(time.Second)
	s.press("end")
}

// troubles is all that a sandbox can be.
func troubles(s *stage) {
	s.tell(found{names: append(s.order, "edited", "model-gone", "new", "policy-broken", "stopped", "wall-off")})
	s.tell(away{"edited", control.Status{State: control.Failed, Why: "sandbox.yaml was edited since it was locked"}})
	s.tell(away{"stopped", control.Status{State: control.Stopped}})
	for name, spoil := range map[string]func(*control.Status){
		"model-gone":    func(st *control.Status) { st.Inference.Connected = false },
		"policy-broken": func(st *control.Status) { st.NetworkPolicy.Error = "line 7: port 99999: not in 1–65535" },
		"wall-off":      func(st *control.Status) { st.Walls.Filesystem = control.Wall{Proof: "off (operator)"} },
	} {
		st := healthy(name)
		st.Healthy = name == "wall-off"
		spoil(&st)
		s.tell(attached{state.Name(name)})
		s.tell(standing{state.Name(name), st, 0})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	var b strings.Builder
	for l := range strings.SplitSeq(got, "\n") {
		b.WriteString(strings.TrimRight(l, " ") + "\n")
	}
	file := filepath.Join("testdata", name+".screen")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != b.String() {
		t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
	}
}

// Colour adds ink to the same text, and nothing else.
func TestColourChangesNoText(t *testing.T) {
	s := newStage(t, box)
	queue(s)
	s.tell(happened{box, story(), true})
	dull := s.draw()
	s.colour = true
	bright := s.draw()
	if !strings.Contains(bright, "\x1b[1;31m⚠ Blocked outbound request\x1b[0m") {
		t.Errorf("no alarm in\n%q", bright)
	}
	for _, i := range []ink{bold, faint, red, green, yellow, cyan, alarm, chosen, "0"} {
		bright = strings.ReplaceAll(bright, "\x1b["+string(i)+"m", "")
	}
	if bright != dull {
		t.Errorf("got\n%s\nwant\n%s", bright, dull)
	}
}

func (s *stage) shows(want string) {
	s.Helper()
	if got := s.draw(); !strings.Contains(got, want) {
		s.Errorf("no %q on the screen:\n%s", want, got)
	}
}

// sound holds what is true of every screen: it has the terminal's size, and no
// rune that could move a cursor, turn text or hide it.
func sound(t *testing.T, s *stage) {
	t.Helper()
	rows := strings.Split(s.draw(), "\n")
	if len(rows) != s.height {
		t.Fatalf("%d lines on a screen of %d:\n%s", len(rows), s.height, s.draw())
	}
	for _, row := range rows {
		if n := columns(row); n != s.width {
			t.Fatalf("%d columns on a screen of %d: %q", n, s.width, row)
		}
		for _, r := range row {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
				t.Fatalf("%U in %q", r, row)
			}
		}
	}
}

func TestHostileWords(t *testing.T) {
	for _, evil := range []string{
		"\x1b[2J\x1b[H", "\x1b]52;c;aGk=\a", "a\u202eb", "two\r\nlines\nand\ttabs", "\u009b31m", "bad\xff\xfebytes",
		"[Allow once] pressed", strings.Repeat("東", 300), strings.Repeat("e\u0301", 300), "",
	} {
		s := newStage(t, box)
		q := suspicious()
		q.Host, q.Program, q.Notice, q.Address = evil, evil, evil, evil
		s.tell(asked{box, []control.Approval{q, another("b3b3", 1)}})
		st := healthy(evil)
		st.Why, st.Agent.Name, st.Inference.Model, st.NetworkPolicy.Error = evil, evil, evil, evil
		s.tell(standing{box, st, time.Second})
		s.tell(happened{box, hostile(evil), true})
		s.tell(answered{to: id{box, evil}, err: fmt.Errorf("%s", evil)})
		for _, keys := range [][]string{{"i"}, {"esc", "tab", "i"}, {"esc", "tab", "i"}, {"esc", "?"}, {"end"}} {
			s.press(keys...)
			sound(t, s)
		}
		s.press("esc")
		for range 30 {
			s.press("up", "i")
			sound(t, s)
			s.press("i")
		}
	}
}

func hostile(evil string) []audit.Event {
	all := story()
	for i := range all {
		e := &all[i]
		e.Program, e.Target, e.Why, e.Rule, e.By = evil, evil, evil, evil, evil
		if e.Call != nil {
			e.Call = &audit.Call{Prompt: evil, Answer: evil, Asked: evil, Tools: []string{evil}, Error: evil}
		}
	}
	return all
}

// Whatever is asked, at whatever size: the screen is sound.
func FuzzScreen(f *testing.F) {
	f.Add("suspicious-host.com", "/usr/bin/curl", "notice", 80, 24)
	f.Add("\x1b[2J", "a\u202eb", "東京", 1, 1)
	f.Fuzz(func(t *testing.T, host, program, notice string, width, height int) {
		s := newStage(t, box)
		q := suspicious()
		q.Host, q.Program, q.Notice = host, program, notice
		s.tell(asked{box, []control.Approval{q, another("b3b3", 0)}})
		s.tell(happened{box, hostile(notice), true})
		s.tell(tea.WindowSizeMsg{Width: width % 300, Height: height % 100})
		sound(t, s)
		s.press("?")
		sound(t, s)
		s.press("esc", "tab", "i")
		sound(t, s)
	})
}

// Whatever is pressed and happens, in whatever order: an answer goes to the
// question that stood on the card, for at least the guard's time.
func FuzzKeys(f *testing.F) {
	f.Add([]byte("oadhn"))
	f.Add([]byte("\x00o\x01o\x02\x03o\x04"))
	keys := []string{"o", "a", "d", "h", "n", "p", "left", "right", "up", "down", "enter", "esc", "tab", "i", "?", "/", "0", "2", "v", "home", "end", "k", "x"}
	f.Fuzz(func(t *testing.T, moves []byte) {
		s := newStage(t, box, "other")
		for _, m := range moves {
			before, shown := s.card()
			since, n := s.since, len(s.sent)
			switch m % 8 {
			case 0:
				s.tell(asked{box, []control.Approval{another("b3b3", int(m)/8%2), suspicious()}})
			case 1:
				s.tell(asked{"other", []control.Approval{another("c4c4", int(m)/8%2)}})
			case 2:
				s.tell(asked{box, nil})
			case 3:
				s.later(time.Duration(m) * 4 * time.Millisecond)
			case 4:
				if n > 0 {
					s.tell(answered{to: s.sent[n-1].to, word: s.sent[n-1].word, now: suspicious()})
				}
			default:
				s.press(keys[int(m)/4%len(keys)])
			}
			if len(s.sent) == n {
				continue
			}
			if !shown || s.sent[n].to != before.id || s.time.Sub(since) < guard {
				t.Fatalf("%v was answered, on the card was %v since %s", s.sent[n], before.id, s.time.Sub(since))
			}
		}
		sound(t, s)
	})
}
