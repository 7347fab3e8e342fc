package clerk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/secret"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/child"
)

// This program is also a clerk.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == Word {
		if err := Serve(os.NewFile(child.Descriptor, "supervisor"), placeIn(os.Getenv("NEMOCLAW_HOME"), os.Args[2])); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func placeIn(home, name string) state.Sandbox {
	return state.Home{Dir: home}.Sandbox(state.Name(name))
}

const routes = "routes:\n  - model: \"*\"\n    to: nvidia/x\nproviders:\n  nvidia: {url: \"https://integrate.api.nvidia.com/v1\", key: mine}\n"

func ground(t testing.TB) state.Sandbox {
	t.Helper()
	place := placeIn(filepath.Join(t.TempDir(), "state"), "box")
	set := state.Settings{Agent: "none", Proxy: state.Proxy{URL: "http://proxy.corp:3128", Credential: "way"}}
	files := []state.File{{Path: "network-policy.yaml", Data: []byte("unlisted: deny\n")}, {Path: "inference.yaml", Data: []byte(routes)}}
	if err := place.Create(set, files...); err != nil {
		t.Fatal(err)
	}
	keys, err := secret.Open(place.Home().Secrets())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mine", "theirs", "way"} {
		if err := keys.Set(name, []byte("value of "+name)); err != nil {
			t.Fatal(err)
		}
	}
	return place
}

func hired(t *testing.T, place state.Sandbox) *Clerk {
	t.Helper()
	c, err := Hire(place)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Dismiss)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := c.Await(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

// A real clerk reads what is asked, and gives no key that its sandbox has not.
func TestClerk(t *testing.T) {
	place := ground(t)
	c := hired(t, place)
	if text, err := c.Network(); err != nil || string(text) != "unlisted: deny\n" {
		t.Errorf("the network policy: %q, %v", text, err)
	}
	if err := state.WriteDurable(place.InferenceFile(), []byte(routes+"# saved\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := c.Inference(); err != nil || string(text) != routes+"# saved\n" {
		t.Errorf("the inference policy after a save: %q, %v", text, err)
	}
	if v, err := c.Key("mine"); err != nil || string(v) != "value of mine" {
		t.Errorf("its key: %q, %v", v, err)
	}
	if v, err := c.Key("way"); err != nil || string(v) != "value of way" {
		t.Errorf("its proxy's: %q, %v", v, err)
	}
	for _, name := range []string{"theirs", "identity", "../secrets/theirs", ""} {
		if v, err := c.Key(name); err == nil {
			t.Errorf("key %q: %q; want none", name, v)
		}
	}
	// Named from now on, missing, and then stored.
	if err := state.WriteDurable(place.InferenceFile(), []byte(strings.Replace(routes, "mine", "new", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := c.Key("new")
	if r := (*Refused)(nil); !errors.As(err, &r) || r.Hint() != "nemoclaw secret set new" {
		t.Errorf("a key that is not stored: %v; want its remedy", err)
	}
	keys, err := secret.Open(place.Home().Secrets())
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Set("new", []byte("fresh")); err != nil {
		t.Fatal(err)
	}
	if v, err := c.Key("new"); err != nil || string(v) != "fresh" {
		t.Errorf("a key stored later: %q, %v", v, err)
	}
	if _, err := c.Key("mine"); err == nil {
		t.Error("a key that is named no more is still given")
	}
}

// Edits through clerks and beside them are all kept.
func TestEditsAreKept(t *testing.T) {
	place := ground(t)
	c := hired(t, place)
	const each = 10
	add := func(who string) func([]byte) ([]byte, error) {
		return func(text []byte) ([]byte, error) { return append(text, "# "+who+"\n"...), nil }
	}
	var all sync.WaitGroup
	all.Go(func() {
		for range each {
			if err := c.EditNetwork(add("clerk")); err != nil {
				t.Error(err)
			}
		}
	})
	all.Go(func() {
		for range each {
			if err := state.EditDurable(place.PolicyFile(), 0o600, add("other")); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	text, err := c.Network()
	if err != nil || bytes.Count(text, []byte("# clerk")) != each || bytes.Count(text, []byte("# other")) != each {
		t.Errorf("%v, and the file is\n%s", err, text)
	}
}

// A clerk is confined before its first word: no capability, no new privilege,
// a filter. That files, programs and sockets are refused it has tried itself,
// or it would not have spoken.
func TestClerkLimits(t *testing.T) {
	c := hired(t, ground(t))
	for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.PID))
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%v; want %q in\n%s", err, want, b)
		}
	}
}

// What is no question ends the clerk.
func TestNonsenseEndsIt(t *testing.T) {
	for name, text := range map[string]string{
		"a word": `{"op":"settings"}`, "a path": `{"op":"network","path":"/etc/shadow"}`, "no JSON": "\x00\x01", "a list": "[1]",
	} {
		t.Run(name, func(t *testing.T) {
			c := hired(t, ground(t))
			if _, err := c.Wire.Write([]byte(text + "\n")); err != nil {
				t.Fatal(err)
			}
			select {
			case <-c.Gone():
			case <-time.After(20 * time.Second):
				t.Error("it lives on")
			}
		})
	}
}

// A question without an end is cut off.
func TestQuestionsAreBounded(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	ended := make(chan error, 1)
	go func() { ended <- answerAll(far, &desk{}); far.Close() }()
	if _, err := readAnswer(bufio.NewReader(near)); err != nil {
		t.Fatal(err)
	}
	if _, err := near.Write([]byte(`{"op":"`)); err != nil {
		t.Fatal(err)
	}
	for b := bytes.Repeat([]byte("x"), 1<<20); ; {
		if _, err := near.Write(b); err != nil {
			break
		}
	}
	if err := <-ended; err == nil {
		t.Error("no error")
	}
}

// Whatever is asked, no other key is told, and nothing changes but the network
// policy.
func FuzzQuestion(f *testing.F) {
	place := ground(f)
	for _, q := range []question{{Op: opNetwork}, {Op: opInference}, {Op: opKey, Name: "mine"}, {Op: opKey, Name: "theirs"},
		{Op: opKey, Name: "../box/workspace"}, {Op: opReplace, Old: []byte("unlisted: deny\n"), New: []byte("unlisted: ask\n")}} {
		b, err := json.Marshal(q)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	before := tree(f, place)
	f.Fuzz(func(t *testing.T, asked []byte) {
		var out bytes.Buffer
		_ = answerAll(struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(asked), &out}, &desk{place: place}) // how it ends is not the law
		if strings.Contains(out.String(), "value of theirs") {
			t.Fatalf("told another's key: %s", out.String())
		}
		if now := tree(t, place); now != before {
			t.Fatalf("something else changed:\n%s\n%s", before, now)
		}
	})
}

// tree is every file but the network policy, with its text.
func tree(t testing.TB, place state.Sandbox) string {
	var all strings.Builder
	err := filepath.Walk(place.Home().Dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || !info.Mode().IsRegular() || path == place.PolicyFile() {
			return err
		}
		b, err := os.ReadFile(path)
		fmt.Fprintf(&all, "%s %x\n", path, b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// The secrets that the network policy names are given, while it names them; and
// only the operator can make it name another one.
func TestCredentials(t *testing.T) {
	place := ground(t)
	const rule = "egress:\n  - {host: a.org, port: 443, http: [{methods: [GET], paths: [\"/**\"]}], credential: %s}\n"
	c := hired(t, place)
	if v, err := c.Credential("mine"); err == nil {
		t.Errorf("no rule names it: %q", v)
	}
	err := c.EditNetwork(func([]byte) ([]byte, error) { return fmt.Appendf(nil, rule, "theirs"), nil })
	if err == nil || !strings.Contains(err.Error(), "only the operator") {
		t.Errorf("the supervisor gave itself a secret: %v", err)
	}
	if err := os.WriteFile(place.PolicyFile(), fmt.Appendf(nil, rule, "theirs"), 0o600); err != nil { // the operator's hand
		t.Fatal(err)
	}
	if v, err := c.Credential("theirs"); err != nil || string(v) != "value of theirs" {
		t.Errorf("its own: %q, %v", v, err)
	}
	for _, name := range []string{"mine", "way", "identity", "../secrets/theirs", ""} {
		if v, err := c.Credential(name); err == nil {
			t.Errorf("%q: %q; want none", name, v)
		}
	}
	if v, err := c.Key("theirs"); err == nil {
		t.Errorf("as a key of a provider: %q", v)
	}
	if err := c.EditNetwork(func(old []byte) ([]byte, error) { return append(old, "unlisted: deny\n"...), nil }); err != nil {
		t.Errorf("an edit that names nothing new: %v", err)
	}
}
