package store

import (
	"maps"
	"os"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// What was seen before the file had a version is still known, and a copy of it is kept when
// it is written in the newest form. A later form is refused, and not written over.
func TestSeenForms(t *testing.T) {
	r := newRig(t)
	r.usualPackages()
	s := r.store(t.TempDir())
	if err := s.makeFolders(); err != nil {
		t.Fatal(err)
	}
	file := s.path(seenName)
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	is := func(name, want string) {
		t.Helper()
		if text, err := os.ReadFile(name); err != nil || string(text) != want {
			t.Errorf("%s is %q, %v; want %q", name, text, err, want)
		}
	}
	const old = `{"mine":"1.2.0","v":"2.0.0"}` + "\n" // one may be called v
	put(old)
	names, _, err := s.seen()
	if err != nil || !maps.Equal(names, map[string]string{"mine": "1.2.0", "v": "2.0.0"}) {
		t.Errorf("of the old form: %v, %v", names, err)
	}
	is(file, old) // reading writes nothing
	if err := s.remember(blueprint.Ref{Name: "mine", Version: "1.3.0"}); err != nil {
		t.Error(err)
	}
	is(file+".v0", old)
	is(file, `{"v":1,"names":{"mine":"1.3.0","v":"2.0.0"}}`+"\n")
	if names, old, err := s.seen(); err != nil || names["mine"] != "1.3.0" || old != nil {
		t.Errorf("of the new form: %v, %q, %v", names, old, err)
	}
	for _, text := range []string{`{"v":2,"names":["of another form"]}`, `{"v":1,"names":{},"more":1}`, `{"v":1,"names":["x"]}`, `{"v":1,"names":{}} {}`, `{"mine":3}`, `[]`, `{`} {
		put(text)
		err := s.remember(blueprint.Ref{Name: "mine", Version: "1.4.0"})
		if _, hinted := err.(interface{ Hint() string }); err == nil || !hinted {
			t.Errorf("%s: %v", text, err)
		}
		is(file, text)
	}
}
