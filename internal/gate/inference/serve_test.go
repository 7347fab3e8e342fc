package inference

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Two requests sent together on one connection are both answered, in order.
func TestPipelined(t *testing.T) {
	p := serve(t, says(jsonType, `{"models":[]}`))
	b := newBench(t, toOllama(p.URL), nil)
	conn := open(t, b.router)
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: inference.local\r\n\r\nGET /api/tags HTTP/1.1\r\nHost: inference.local\r\nConnection: close\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(all), "Ollama is running") || !strings.HasSuffix(string(all), `{"models":[]}`) {
		t.Errorf("%q %v", all, err)
	}
}

// open gives a client's end of a connection that the router serves.
func open(t *testing.T, r *Router) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.ServeConn(server)
	}()
	t.Cleanup(func() {
		client.Close()
		<-done
	})
	_ = client.SetDeadline(time.Now().Add(10 * time.Second))
	return client
}

// The router knows who called, by the connection that it was given.
func TestWhoIsAskedOnce(t *testing.T) {
	p := serve(t, says(jsonType, `{"models":[]}`))
	asked := 0
	b := newBench(t, toOllama(p.URL), func(c *Config) {
		c.Who = func(conn net.Conn) string {
			asked++
			if _, ok := conn.(*net.TCPConn); !ok {
				t.Errorf("asked about a %T", conn)
			}
			return "/usr/bin/node"
		}
	})
	conn := open(t, b.router)
	answers := bufio.NewReader(conn)
	for range 2 {
		fmt.Fprint(conn, "GET /api/tags HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	if c := b.last(); c.Program != "/usr/bin/node" || asked != 1 {
		t.Errorf("%d asked, %+v", asked, c)
	}
}

// When the sandbox stops, calls in flight are cut and recorded before Serve
// returns.
func TestServeEndsWithItsContext(t *testing.T) {
	started := make(chan struct{})
	p := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(started)
		<-r.Context().Done()
	})
	b := newBench(t, toOllama(p.URL), nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- b.router.Serve(ctx, l) }()
	go func() {
		<-started
		stop()
	}()
	if resp, err := http.Post("http://"+l.Addr().String()+"/api/chat", jsonType, strings.NewReader(hello)); err == nil {
		resp.Body.Close()
		t.Error("an answer came")
	}
	if err := <-served; err != nil || b.count() != 1 {
		t.Errorf("%v, %d calls recorded", err, b.count())
	}
}

func TestTooManyConnections(t *testing.T) {
	b := newBench(t, toOllama("http://127.0.0.1:1"), nil)
	b.router.slots = make(chan struct{}, 2)
	first, second := open(t, b.router), open(t, b.router)
	for len(b.router.slots) < 2 {
		runtime.Gosched() // the two are on their way
	}
	third := open(t, b.router)
	if _, err := third.Read(make([]byte, 1)); err == nil {
		t.Error("a third connection was served")
	}
	for _, conn := range []net.Conn{first, second} {
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if got, _ := io.ReadAll(conn); !strings.Contains(string(got), "running") {
			t.Errorf("%q", got)
		}
	}
}

func TestHeaderTooLong(t *testing.T) {
	b := newBench(t, toOllama("http://127.0.0.1:1"), nil)
	conn := open(t, b.router)
	go fmt.Fprintf(conn, "GET / HTTP/1.1\r\nX: %s\r\n\r\n", strings.Repeat("a", 1<<20))
	line, _ := bufio.NewReader(conn).ReadString('\n')
	if !strings.Contains(line, "431") {
		t.Errorf("%q", line)
	}
}

// The log stays within its bound, in whole lines, and in the same file.
func TestLogIsBounded(t *testing.T) {
	file, err := os.OpenFile(filepath.Join(t.TempDir(), "inference.log"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString("from before\n"); err != nil {
		t.Fatal(err)
	}
	log, err := NewLog(file, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		if _, err := fmt.Fprintf(log, "line %d of many\n", i); err != nil {
			t.Fatal(err)
		}
		all, err := os.ReadFile(file.Name())
		if err != nil || len(all) > 1000 || i == 0 && !strings.HasPrefix(string(all), "from before\nline 0") {
			t.Fatalf("%d bytes after line %d: %v", len(all), i, err)
		}
		if !strings.HasSuffix(string(all), fmt.Sprintf("line %d of many\n", i)) || i > 100 && !strings.HasPrefix(string(all), "line ") {
			t.Fatalf("after line %d: %q", i, all)
		}
	}
	if _, err := log.Write(make([]byte, 600)); err == nil {
		t.Error("a line of more than half the log was taken")
	}
}

// A call whose contents are too long for the log is there by its outline.
func TestLongCallIsLoggedByItsOutline(t *testing.T) {
	file, err := os.OpenFile(filepath.Join(t.TempDir(), "inference.log"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	log, err := NewLog(file, 4000)
	if err != nil {
		t.Fatal(err)
	}
	p := serve(t, says(ndMedia, ndjson))
	b := newBench(t, toOllama(p.URL), func(c *Config) { c.Log = log })
	b.post("/api/chat", `{"model":"any","messages":[{"role":"user","content":"`+strings.Repeat("long ", 1000)+`"}]}`)
	b.busy.Wait()
	b.router.Drain()
	all, err := os.ReadFile(file.Name())
	if err != nil || !strings.Contains(string(all), `"asked":"any"`) || strings.Contains(string(all), "long") {
		t.Errorf("%s %v", all, err)
	}
}

// Bodies that are being read take a bounded share of the memory.
func TestManyLargeBodies(t *testing.T) {
	p := serve(t, says(jsonType, `{"done":true}`))
	b := newBench(t, toOllama(p.URL)+"limits: {body_bytes: 1000}\n", nil)
	head := "POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
	for range 4 { // slow ones: their bodies do not come
		fmt.Fprint(open(t, b.router), head)
	}
	for b.router.memory.taken.Load() < 4000 {
		runtime.Gosched()
	}
	got := b.post("/api/chat", `{"model":"any","stream":false,"x":"`+strings.Repeat("a", 900)+`"}`)
	if got.status != 503 || got.header.Get("Retry-After") != "1" {
		t.Errorf("%+v", got)
	}
	b.router.memory.give(1000) // as when one of them ends
	if got := b.post("/api/chat", hello); got.status != 200 {
		t.Errorf("%+v", got)
	}
	b.router.memory.take(1000, 1<<20)
}
