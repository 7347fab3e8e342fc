package onboard

import (
	"errors"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

// script is what a person presses: words are typed, ⏎ is Enter, ‹ is Esc,
// ↑ and ↓ move, ⌫ deletes, × is Ctrl-C.
func script(f *form, keys string) {
	names := map[rune]string{'⏎': "enter", '‹': "esc", '↑': "up", '↓': "down", '⌫': "backspace", '×': "quit"}
	for _, r := range keys {
		if n, ok := names[r]; ok {
			f.press(key{name: n})
			continue
		}
		f.press(key{text: string(r)})
	}
}

func sample() *form {
	label := func(s string) func(answers) string { return func(answers) string { return s } }
	start := func(s string) func(answers) string { return func(answers) string { return s } }
	never := func(answers) bool { return false }
	ok := func(string, answers) error { return nil }
	questions := []question{
		{flag: "port", label: label("Gateway port"), start: start("18789"), skip: never, check: func(s string, _ answers) error {
			if s == "0" {
				return errors.New("port 0: not in 1–65535")
			}
			return nil
		}},
		{flag: "provider", label: label("Inference provider"), start: start("ollama"), skip: never, check: ok,
			fixed: []option{{"ollama", "Ollama (local)"}, {"nvidia", "NVIDIA Cloud"}}},
		{flag: "key", label: label("API key"), secret: true, start: start(""), check: ok,
			skip: func(a answers) bool { return a["provider"] == "ollama" }},
		{flag: "policy", label: label("Enable network policy"), start: start("yes"), skip: never, check: ok,
			fixed: []option{{"yes", "Yes"}, {"no", "No"}}},
	}
	return newForm(questions, answers{}, func(answers) []string { return []string{"what will be made"} })
}

func TestForm(t *testing.T) {
	cases := []struct {
		name, keys string
		end        ending
		want       answers
	}{
		{"Enter all the way takes the defaults", "⏎⏎⏎⏎", accepted, answers{"port": "18789", "provider": "ollama", "policy": "yes"}},
		{"typing replaces the offered answer", "4711⏎⏎⏎⏎", accepted, answers{"port": "4711", "provider": "ollama", "policy": "yes"}},
		{"deleting edits it", "⌫⌫90⏎⏎⏎⏎", accepted, answers{"port": "18790", "provider": "ollama", "policy": "yes"}},
		{"a bad answer is asked again", "0⏎‹⌫5⏎⏎⏎⏎", accepted, answers{"port": "5", "provider": "ollama", "policy": "yes"}},
		{"another provider asks for its key", "⏎↓⏎s3cret⏎⏎⏎", accepted, answers{"port": "18789", "provider": "nvidia", "key": "s3cret", "policy": "yes"}},
		{"a letter chooses", "⏎⏎n⏎⏎", accepted, answers{"port": "18789", "provider": "ollama", "policy": "no"}},
		{"back from the review", "⏎⏎n⏎‹y⏎⏎", accepted, answers{"port": "18789", "provider": "ollama", "policy": "yes"}},
		{"another provider on the review asks for what hangs on it", "⏎⏎⏎↓↓⏎↓⏎s3cret⏎⏎", accepted, answers{"port": "18789", "provider": "nvidia", "key": "s3cret", "policy": "yes"}},
		{"a row of the review changes one answer and returns", "⏎⏎⏎↓⏎99⏎⏎", accepted, answers{"port": "99", "provider": "ollama", "policy": "yes"}},
		{"cancel on the review", "⏎⏎⏎↑⏎", cancelled, answers{"port": "18789", "provider": "ollama", "policy": "yes"}},
		{"Ctrl-C leaves at once", "⏎×", cancelled, answers{"port": "18789"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := sample()
			script(f, c.keys)
			if f.end != c.end || len(f.answers) != len(c.want) {
				t.Fatalf("ended %d with %v, want %d with %v\n%s", f.end, f.answers, c.end, c.want, f.view())
			}
			for k, v := range c.want {
				if f.answers[k] != v {
					t.Errorf("%s is %q, want %q", k, f.answers[k], v)
				}
			}
		})
	}
}

func TestFormShowsNoSecret(t *testing.T) {
	f := sample()
	script(f, "⏎↓⏎s3cret")
	typing := f.view()
	script(f, "⏎⏎")
	for _, screen := range []string{typing, f.view(), f.record()} {
		if strings.Contains(screen, "s3cret") || !strings.Contains(screen, "••••••") {
			t.Errorf("the key is on the screen, or no sign of it:\n%s", screen)
		}
	}
}

// What a model server says is as foreign as what an agent says.
func TestFormLooksUpAndCleans(t *testing.T) {
	f := sample()
	q := f.questions[0]
	q.lookup = func(answers) ([]option, string) { return nil, "" }
	f.questions[0] = q
	f.settle()
	script(f, "⏎")
	if f.at != 0 {
		t.Fatal("Enter is not taken while the options are looked up")
	}
	f.found(0, []option{{"evil", "e\x1b[2Jvil"}, {"18789", "18789"}}, "two\x1b[2J")
	if v, _ := f.field.value(); v != "18789" {
		t.Errorf("the offered answer is not the chosen one: %q", v)
	}
	if strings.Contains(f.view(), "\x1b[2J") {
		t.Errorf("an escape sequence came through:\n%q", f.view())
	}
	script(f, "↓⏎") // another …
	script(f, "my own⏎")
	if f.answers["port"] != "my own" {
		t.Errorf("the free answer is %q", f.answers["port"])
	}
	f.found(0, nil, "too late")
	if f.note != "" {
		t.Error("a look-up that comes too late is shown at another question")
	}
}

func TestFormLooksBeforeItIsAccepted(t *testing.T) {
	f := sample()
	f.ready = func(answers) error { return &Unreachable{"http://127.0.0.1:1", errors.New("connection refused")} }
	script(f, "⏎⏎⏎⏎")
	if f.end != open || !f.waiting || !strings.Contains(f.view(), "asking the model server") {
		t.Fatalf("Create does not look first:\n%s", f.view())
	}
	script(f, "↓⏎")
	if f.row != 0 {
		t.Fatal("keys are taken while it looks")
	}
	f.readied(0, nil)
	if f.end != open {
		t.Fatal("an answer to an earlier look counts")
	}
	f.readied(f.looks, f.ready(f.answers))
	for _, want := range []string{"connection refused", "→ start it (ollama serve)", "Look again", "its model comes later"} {
		if !strings.Contains(f.view(), want) {
			t.Errorf("the review does not show %q:\n%s", want, f.view())
		}
	}
	script(f, "⏎")
	f.readied(f.looks, nil)
	if f.end != accepted || f.answers[modelLater] != "" {
		t.Errorf("the second look found all, and it ended %d with %v", f.end, f.answers)
	}
}

func TestFormLetsTheModelComeLater(t *testing.T) {
	f := sample()
	f.ready = func(answers) error { return errors.New("down") }
	script(f, "⏎⏎⏎⏎")
	f.readied(f.looks, errors.New("down"))
	script(f, "‹⏎")
	if strings.Contains(f.view(), "later") {
		t.Errorf("an old look is still shown:\n%s", f.view())
	}
	script(f, "⏎")
	f.readied(f.looks, errors.New("down"))
	script(f, "↓⏎")
	if f.end != accepted || f.answers[modelLater] != "yes" {
		t.Errorf("ended %d with %v", f.end, f.answers)
	}
}

func TestFormCutsNoWordsOff(t *testing.T) {
	f := sample()
	f.width = 40
	f.problem = "reach model server http://127.0.0.1:11434: connection refused → start it (ollama serve), or name another: --inference-url URL"
	var all []string
	for _, line := range strings.Split(f.view(), "\n") {
		if strings.Contains(line, "Enter accepts") {
			continue
		}
		if w := ansi.StringWidth(line); w > f.width {
			t.Errorf("%d columns wide: %q", w, line)
		}
		all = append(all, strings.Fields(ansi.Strip(line))...)
	}
	if !strings.Contains(strings.Join(all, " "), f.problem) {
		t.Errorf("words are missing: %q", all)
	}
}
