package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestWhatsApp does what docs/link-whatsapp.md says, in a terminal as small as it
// may be, and takes a picture of that terminal's screen to a phone. All is real but
// WhatsApp's server and the phone, which test/whatsapp stands in for. The channel
// believes only a server with WhatsApp's own key, a constant of its library's: the
// blueprints of this test are the built-in ones with that one line changed.
func TestWhatsApp(t *testing.T) {
	h := newHome(t)
	h.store()
	w := h.whatsapp()
	old, next := w.blueprint("0.1.0", "0.1.90"), w.blueprint("0.2.0", "0.2.90")
	h.must("onboard", "--yes", "--name", "claw", "--blueprint", old, "--inference-url", modelServer(t), "--model", "tiny")
	b := &box{h, "claw"}

	// Without the preset, it is the operator who decides.
	login := b.start("openclaw", "channels", "login", "--channel", "whatsapp")
	if q := b.held("web.whatsapp.com"); q.Port != 443 || !strings.HasSuffix(q.Program, "/node") {
		t.Errorf("%+v", q)
	}
	_ = login.Process.Kill()
	<-login.done
	nothing(t, b, "web.whatsapp.com")

	b.do("policy", "add", "--preset", "whatsapp")
	s := b.screen(80, 44)
	defer func() {
		if t.Failed() {
			t.Logf("the screen:\n%s\nthe server's log: %+v", s.tmux("capture-pane", "-p"), w.log())
		}
	}()
	s.types("openclaw config set channels.whatsapp.allowFrom '[\"+15551234567\"]'; echo set=$?")
	s.shows("set=0")
	s.types("clear; openclaw channels login --channel whatsapp")
	var c scanned
	b.await("a code that the phone can read", func() (ok bool) {
		c, ok = w.scan(s.picture())
		return ok
	})
	s.shows("web session ready")
	var kept struct {
		NoiseKey, SignedIdentityKey struct {
			Public struct {
				Data string `json:"data"`
			} `json:"public"`
		}
		Me struct{ ID string }
	}
	const credentials = "/sandbox/.openclaw/credentials/whatsapp/default/creds.json"
	if err := json.Unmarshal([]byte(b.sh("cat "+credentials).out), &kept); err != nil {
		t.Fatal(err)
	}
	if kept.Me.ID != "15550001111:1@s.whatsapp.net" || kept.NoiseKey.Public.Data != base64.StdEncoding.EncodeToString(c.Noise) || kept.SignedIdentityKey.Public.Data != base64.StdEncoding.EncodeToString(c.Identity) {
		t.Errorf("the link is kept as %+v, the code held %+v", kept, c)
	}
	w.online("after linking", 2)

	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), upgrading)
	defer cancel()
	if r := h.runFor(ctx, nil, "claw", "upgrade", "--blueprint", next); r.code != 0 {
		trial, _ := os.ReadFile(b.file("run/trial.log"))
		t.Fatalf("%s\n%s", r, trial)
	}
	w.online("after the upgrade", 3)
	codes := 0
	for _, e := range w.log() {
		t.Logf("%s %s %s, %d others", e.At.Format(time.TimeOnly), e.What, e.Detail, e.Others)
		switch e.What {
		case "linked":
			codes++
		case "login":
			if e.Others > 0 && e.At.After(began) {
				t.Error("two programs with one link at the same time")
			}
		case "refused", "failed":
			t.Errorf("%+v", e)
		}
	}
	if codes != 1 {
		t.Errorf("%d times linked", codes)
	}
	for _, e := range b.events() { // of the version that is tried, too
		if e.Verdict == "ask" && strings.HasSuffix(e.Target, ".whatsapp.com:443") && e.Time.After(c.at) {
			t.Errorf("asked again: %+v", e)
		}
	}
}

// whatsapp is the program of test/whatsapp, and where it stands in the world.
type whatsapp struct {
	*home
	client *http.Client
}

func (h *home) whatsapp() *whatsapp {
	h.Helper()
	const standIn = "../../.cache/whatsapp/whatsapp"
	if _, err := os.Stat(standIn); err != nil {
		h.Skip("needs test/whatsapp/install.sh to have run: " + err.Error())
	}
	socket := filepath.Join(filepath.Dir(h.dir), "wa")
	c := exec.Command(standIn, socket)
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	dial := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	w := &whatsapp{h, &http.Client{Transport: dial}}
	h.await("the stand-in", func() bool {
		_, err := os.Stat(socket)
		return err == nil
	})
	h.world.Site("web.whatsapp.com", &httputil.ReverseProxy{
		Transport: dial,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "stand-in"}) },
	})
	h.world.Site("raw.githubusercontent.com", http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(rw, strings.Repeat("//\n", 6), "const version = [2, 3000, 1043857760];\n")
	}))
	return w
}

func (w *whatsapp) get(path string) []byte {
	w.Helper()
	r, err := w.client.Get("http://stand-in" + path)
	if err != nil {
		w.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		w.Fatalf("%s: %s: %v", path, r.Status, err)
	}
	return b
}

// did is something that a device did.
type did struct {
	At           time.Time
	What, Detail string
	Others       int
}

func (w *whatsapp) log() (all []did) {
	w.Helper()
	if err := json.Unmarshal(w.get("/log"), &all); err != nil {
		w.Fatal(err)
	}
	return all
}

// online waits for the nth login, after which there is one device and no other. The
// command that links is the first, and leaves when the gateway has taken over.
func (w *whatsapp) online(when string, n int) {
	w.Helper()
	w.await("the gateway's login "+when, func() bool {
		logins, gone := 0, 0
		for _, e := range w.log() {
			switch e.What {
			case "login":
				logins++
			case "gone":
				gone++
			}
		}
		return logins >= n && logins == gone+1
	})
}

// scanned is what the phone read.
type scanned struct {
	Text, Ref       string
	Noise, Identity []byte
	at              time.Time
}

func (w *whatsapp) scan(picture image.Image) (c scanned, ok bool) {
	w.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		w.Fatal(err)
	}
	r, err := w.client.Post("http://stand-in/scan", "image/png", &b)
	if err != nil {
		w.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return c, false
	}
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		w.Fatal(err)
	}
	c.at = time.Now()
	return c, true
}

// blueprint builds the built-in blueprint of a version with the stand-in's key in
// the place of WhatsApp's.
func (w *whatsapp) blueprint(version, as string) (ref string) {
	w.Helper()
	dir := filepath.Join(w.TempDir(), as)
	tool(w.T, "cp", "-r", "../../blueprints/openclaw/"+version, dir)
	recipe := w.read(filepath.Join(dir, "blueprint.yaml"))
	baileys := "node_modules/baileys/lib/Defaults/index.js"
	if !strings.Contains(recipe, "to: node_modules/baileys}") {
		baileys = "node_modules/openclaw/dist/extensions/whatsapp/" + baileys
	}
	found, err := filepath.Glob(filepath.Join(w.dir, "blueprints/content/*/tree", baileys))
	if err != nil || len(found) == 0 {
		w.Fatalf("no unpacked %s: %v", baileys, err)
	}
	const theirs = "142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b"
	constants := w.read(found[0])
	if strings.Count(constants, theirs) != 1 {
		w.Fatalf("%s: WhatsApp's key is not in it once", found[0])
	}
	w.write(filepath.Join(dir, "constants.js"), strings.Replace(constants, theirs, string(w.get("/root")), 1))
	removed := "  removals:\n    - " + baileys + "\n"
	if strings.Contains(recipe, "  removals:\n") {
		recipe = strings.Replace(recipe, "  removals:\n", removed, 1)
	} else {
		recipe = strings.Replace(recipe, "  additions:\n", removed+"  additions:\n", 1)
	}
	recipe = strings.Replace(recipe, "  additions:\n", "  additions:\n    - {path: "+baileys+", file: constants.js}\n", 1)
	w.write(filepath.Join(dir, "blueprint.yaml"), strings.Replace(recipe, "version: "+version, "version: "+as, 1))
	w.must("blueprint", "build", dir)
	return "openclaw@" + as
}

func (w *whatsapp) read(name string) string {
	w.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		w.Fatal(err)
	}
	return string(b)
}

func (w *whatsapp) write(name, text string) {
	w.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// screen is a terminal in which somebody is connected: tmux's, which knows what
// its screen looks like.
type screen struct {
	*box
	socket string
}

func (b *box) screen(columns, rows int) *screen {
	b.Helper()
	program, err := filepath.Abs(program)
	if err != nil {
		b.Fatal(err)
	}
	s := &screen{b, filepath.Join(filepath.Dir(b.dir), "tmux")}
	s.tmux("-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(columns), "-y", fmt.Sprint(rows), "exec "+program+" "+b.name+" connect", ";", "set", "-g", "status", "off")
	b.Cleanup(func() { _ = exec.Command("tmux", "-S", s.socket, "kill-server").Run() })
	s.shows("~$")
	return s
}

func (s *screen) tmux(args ...string) string {
	s.Helper()
	c := exec.CommandContext(s.Context(), "tmux", append([]string{"-S", s.socket}, args...)...)
	c.Env = s.env
	out, err := c.CombinedOutput()
	if err != nil {
		s.Fatalf("tmux %s: %v: %s", args, err, out)
	}
	return string(out)
}

func (s *screen) types(line string) {
	s.Helper()
	s.tmux("send-keys", "-l", line)
	s.tmux("send-keys", "Enter")
}

// shows waits for a word that stands on the screen.
func (s *screen) shows(word string) {
	s.Helper()
	s.await(word+" on the screen", func() bool { return strings.Contains(s.tmux("capture-pane", "-p"), word) })
}

// picture is the screen as a camera sees it: two pixels a character, one above the
// other, each four times as wide and high. What is not written black on white is
// white on black, as terminals are.
func (s *screen) picture() image.Image {
	s.Helper()
	const scale = 4
	rows := cells(s.tmux("capture-pane", "-p", "-e", "-N"))
	p := image.NewGray(image.Rect(0, 0, 80*scale, 2*len(rows)*scale))
	for y, row := range rows {
		for x, c := range row {
			for half, inked := range []bool{c.r == '█' || c.r == '▀', c.r == '█' || c.r == '▄'} {
				if inked == c.blackOnWhite {
					continue // black
				}
				for i := range scale * scale {
					p.SetGray(x*scale+i%scale, (2*y+half)*scale+i/scale, color.Gray{Y: 0xff})
				}
			}
		}
	}
	return p
}

// cell is a character of the screen.
type cell struct {
	r            rune
	blackOnWhite bool
}

// cells are those of each line, where colours are told by escapes (SGR, ECMA-48)
// that hold until the next one, beyond the line's end.
func cells(text string) [][]cell {
	all := [][]cell{nil}
	paper, ink := false, false
	for text != "" {
		if rest, ok := strings.CutPrefix(text, "\x1b["); ok {
			sgr, after, _ := strings.Cut(rest, "m")
			for n := range strings.SplitSeq(sgr, ";") {
				switch n {
				case "0", "":
					paper, ink = false, false
				case "47", "107":
					paper = true
				case "49", "40":
					paper = false
				case "30":
					ink = true
				case "39", "37", "97":
					ink = false
				}
			}
			text = after
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		text = text[size:]
		if r == '\n' {
			all = append(all, nil)
			continue
		}
		last := len(all) - 1
		all[last] = append(all[last], cell{r, paper && ink})
	}
	return all
}
