package libraries

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/gate/inference"
	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/test/model"
)

// result is what a client program prints.
type result struct {
	Whole  string
	Stream struct {
		Text  string
		Parts int
	}
	Tool struct {
		Name      string
		Arguments map[string]any
	}
	Generated string
	Models    []string
	Shown     []string
	Running   bool
	Version   string
	Count     int
	Seen      string // of a message with a picture
	Vectors   []int  // how many numbers there are in each
	Unfit     *struct {
		Status  int
		Message string
	} // why there are none
	Refused *struct {
		Status  int
		Message string
	}
}

// Each library chats, streams, has a tool called, lists and counts, and is told
// of a model that is not to be had in a way that it understands.
func TestOfficialLibraries(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a minute: it starts fifteen programs")
	}
	dir, err := filepath.Abs("../../.cache/libraries")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "done")); err != nil {
		t.Skip("needs test/libraries/install.sh to have run")
	}
	real, pictures := looked(t, model.Ollama(t))
	languages := map[string][]string{
		"JavaScript": {"node", filepath.Join(dir, "js/client.mjs")},
		"Python":     {filepath.Join(dir, "python/bin/python"), filepath.Join(dir, "client.py")},
		"Go":         {filepath.Join(dir, "client")},
	}
	before := []string{"Ollama's API", "OpenAI's", "Anthropic's"}
	routers := []*routed{
		route(t, "ollama", real), route(t, "openai", real+"/v1"),
		route(t, "anthropic", route(t, "ollama", real).url), // which another router makes of it
	}
	for language, program := range languages {
		for _, library := range []string{"ollama", "openai", "responses", "anthropic", "gemini"} {
			t.Run(language+"/"+library, func(t *testing.T) {
				pictures.Store(0)
				for i, got := range run(t, program, library, routers) {
					t.Run("before "+before[i], func(t *testing.T) {
						check(t, library, got)
						checkVectors(t, library, got, i < 2)
					})
				}
				if n := pictures.Load(); n != int64(len(routers)) {
					t.Errorf("the provider was shown the picture %d times", n)
				}
			})
		}
	}
	for _, r := range routers {
		r.counted(t)
	}
}

// check is what every client must have been told.
func check(t *testing.T, library string, got result) {
	t.Helper()
	if got.Whole != model.Sentence || got.Stream.Text != model.Sentence || got.Stream.Parts < 2 {
		t.Errorf("said %q, streamed %q in %d parts", got.Whole, got.Stream.Text, got.Stream.Parts)
	}
	if got.Tool.Name != "exec" || got.Tool.Arguments["command"] != model.Command {
		t.Errorf("called %+v", got.Tool)
	}
	if no := got.Refused; no == nil || no.Status != 404 || !strings.Contains(no.Message, "is not to be had in this sandbox") {
		t.Errorf("refused by %+v", got.Refused)
	}
	if got.Seen != model.Sentence {
		t.Errorf("of a picture it said %q", got.Seen)
	}
	if library != "responses" && !slices.Contains(got.Models, "tiny:latest") && !slices.Contains(got.Models, "tiny") {
		t.Errorf("models %q", got.Models)
	}
	if counts := library == "anthropic" || library == "gemini"; counts && got.Count == 0 {
		t.Error("counted nothing")
	}
	if library == "ollama" && (got.Generated == "" || !got.Running || !slices.Contains(got.Shown, "completion")) {
		t.Errorf("%+v", got)
	}
}

// checkVectors: those of two texts and, by Ollama's older call, of one; and where
// the provider has none, an error that says so.
func checkVectors(t *testing.T, library string, got result, has bool) {
	t.Helper()
	want := map[string]int{"ollama": 3, "openai": 2}[library]
	if want == 0 {
		return
	}
	if !has {
		if no := got.Unfit; no == nil || no.Status != 404 || !strings.Contains(no.Message, "has nothing like") {
			t.Errorf("of what has no vectors: %+v, %v", no, got.Vectors)
		}
		return
	}
	if len(got.Vectors) != want || slices.Min(got.Vectors) < 2 || got.Unfit != nil {
		t.Errorf("vectors %v, want %d; %+v", got.Vectors, want, got.Unfit)
	}
}

// looked is a server behind one that counts how often it is shown the picture.
func looked(t *testing.T, real string) (string, *atomic.Int64) {
	t.Helper()
	to, err := url.Parse(real)
	if err != nil {
		t.Fatal(err)
	}
	var pictures atomic.Int64
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.FlushInterval = -1
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // one that is cut is no JSON
		if bytes.Contains(body, []byte(picture)) {
			pictures.Add(1)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, &pictures
}

// picture is the one dot that all clients send.
const picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

func run(t *testing.T, program []string, library string, routers []*routed) []result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	line := append(slices.Clone(program[1:]), library)
	for _, r := range routers {
		line = append(line, r.url)
	}
	cmd := exec.CommandContext(ctx, program[0], line...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LANG=C.UTF-8"}
	var news strings.Builder
	cmd.Stderr = &news
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, news.String())
	}
	all := make([]result, len(routers))
	lines := json.NewDecoder(bytes.NewReader(out))
	for i := range all {
		if err := lines.Decode(&all[i]); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return all
}

// routed is a router before one provider.
type routed struct {
	url string

	mu    sync.Mutex
	calls []inference.Call // protected by mu
}

func route(t *testing.T, speaks, base string) *routed {
	t.Helper()
	yaml := fmt.Sprintf("routes: [{model: \"tiny*\", to: real/tiny}, {model: \"rogue*\", to: real/rogue}]\nproviders: {real: {url: %q, api: %s}}\n", base, speaks)
	p, err := policy.ParseInference("inference.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	r := &routed{}
	router := inference.New(inference.Config{
		Policy: func() *policy.Inference { return p },
		Record: func(c inference.Call) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.calls = append(r.calls, c)
		},
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- router.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		router.Drain()
	})
	r.url = "http://" + l.Addr().String()
	return r
}

// counted checks that every call that got an answer has the provider's figures.
func (r *routed) counted(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	answers := 0
	for _, c := range r.calls {
		if c.Answer == "" {
			continue
		}
		answers++
		if c.TokensIn == 0 || c.TokensOut == 0 || c.Error != "" {
			t.Errorf("%+v", c)
		}
	}
	if answers == 0 {
		t.Error("nothing was answered")
	}
}
