package onboard

import (
	"errors"
	"strings"
	"testing"
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
