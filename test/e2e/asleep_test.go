package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/test/internet"
)

// longAsleep is more than a supervisor takes for a moment in which it did not run.
const longAsleep = 11 * time.Second

// After a sleep, in which some peers went away, those connections end within
// seconds, with an error for the program; one that says nothing but lives goes on.
// What sleeps is the supervisor alone: by the clock of this boot that is the same
// for it, and nothing may be done to the machine.
func TestConnectionsAfterASleep(t *testing.T) {
	const rules = `egress:
  - {host: "living.example.net", port: 9000}
  - {host: "dead.example.net", port: 9000}
  - {host: "busy.example.net", port: 9000}
  - {host: "read.example.net", port: 80, http: [{methods: [GET], paths: ["/**"]}]}
`
	b := newShell(t, rules)
	said, over := make(chan net.Conn, 4), make(chan struct{})
	t.Cleanup(func() { close(over) })
	hold := func(hello string) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = io.WriteString(c, hello)
			said <- c
			<-over
		}
	}
	programs, peers := map[string]*running{}, map[string]net.Conn{}
	begin := func(name string, port uint16, serve func(net.Conn), script string) {
		t.Helper()
		b.world.Service(name+".example.net", port, serve)
		programs[name] = b.start("bash", "-c", script)
		b.sees(programs[name], "hello")
		peers[name] = <-said
	}
	talk := func(name, then string) string {
		return fmt.Sprintf(`exec 3<>/dev/tcp/%s.example.net/9000; read -r x <&3; echo $x; %s if read -r x <&3; then echo "then $x"; else echo ended; fi`, name, then)
	}
	begin("living", 9000, hold("hello\n"), talk("living", ""))
	begin("dead", 9000, hold("hello\n"), talk("dead", ""))
	begin("busy", 9000, hold("hello\n"), talk("busy", `read -r go; echo question >&3;`))
	asked := func(c net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(c)) // who answers before is hung up on
		hold("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello\n")(c)
	}
	begin("read", 80, asked, `curl -sSN http://read.example.net/ || echo ended`)

	for _, name := range []string{"dead", "busy", "read"} {
		internet.Deafen(t, peers[name])
	}
	if _, err := io.WriteString(programs["busy"].in, "go\n"); err != nil {
		t.Fatal(err)
	}
	supervisor := b.status().SupervisorPID
	b.stop(supervisor)
	<-time.After(longAsleep)
	if err := unix.Kill(supervisor, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for _, name := range []string{"dead", "busy", "read"} {
		if e := b.end(programs[name]); !strings.Contains(e.out, "ended") {
			t.Errorf("%s: %s", name, e)
		}
		if took := time.Since(began); took > 40*time.Second {
			t.Errorf("%s: it took %s", name, took)
		}
	}
	if _, err := io.WriteString(peers["living"], "well\n"); err != nil {
		t.Fatal(err)
	}
	if e := b.end(programs["living"]); !strings.Contains(e.out, "then well") {
		t.Errorf("the living one: %s", e)
	}
	b.await("that the log tells it", func() bool {
		return strings.Contains(b.do("logs", "-n", "50"), "3 connections outside and 0 to model servers")
	})
}
